package dialect

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/replication/query"
)

// Origin is the server that a link reads from.
type Origin struct {
	Host           string
	Port           int
	User, Password string
	// ConnectRetrySeconds is the pause between attempts to connect; at least 1.
	ConnectRetrySeconds int
}

// A host that loses its power ends no connection, so only silence tells that an origin is
// gone. It sends a heartbeat at least every heartbeatSeconds, and a server that hears
// nothing for linkTimeoutSeconds connects anew. The servers' own values are 30 and 60.
const (
	heartbeatSeconds   = "2"
	linkTimeoutSeconds = "10"
)

// ChangeOrigin is the statement that points the server's replica threads at o. They start
// by GTID at the server's own position (gtid_slave_pos, gtid_executed). The statement
// holds a password: run it in a session with the setting Quiet.
func (d *Dialect) ChangeOrigin(o Origin) string {
	retry := strconv.Itoa(max(o.ConnectRetrySeconds, 1))
	port := strconv.Itoa(o.Port)
	if d.isMariaDB() {
		return "CHANGE MASTER TO MASTER_HOST=" + query.Literal(o.Host) + ", MASTER_PORT=" + port +
			", MASTER_USER=" + query.Literal(o.User) + ", MASTER_PASSWORD=" + query.Literal(o.Password) +
			", MASTER_CONNECT_RETRY=" + retry + ", MASTER_HEARTBEAT_PERIOD=" + heartbeatSeconds + ", MASTER_USE_GTID=slave_pos"
	}
	return "CHANGE REPLICATION SOURCE TO SOURCE_HOST=" + query.Literal(o.Host) + ", SOURCE_PORT=" + port +
		", SOURCE_USER=" + query.Literal(o.User) + ", SOURCE_PASSWORD=" + query.Literal(o.Password) +
		", SOURCE_CONNECT_RETRY=" + retry + ", SOURCE_HEARTBEAT_PERIOD=" + heartbeatSeconds + ", SOURCE_RETRY_COUNT=86400" +
		", SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1"
}

// StartReplica is the statement that starts the replica threads.
func (d *Dialect) StartReplica() string {
	if d.isMariaDB() {
		return "START SLAVE"
	}
	return "START REPLICA"
}

// StopReplica is the statement that stops the replica threads.
func (d *Dialect) StopReplica() string {
	if d.isMariaDB() {
		return "STOP SLAVE"
	}
	return "STOP REPLICA"
}

// ResetReplica is the statement that removes the origin, its password and the relay logs.
// The server's GTID position stays.
func (d *Dialect) ResetReplica() string {
	if d.isMariaDB() {
		return "RESET SLAVE ALL"
	}
	return "RESET REPLICA ALL"
}

// ReplicaStatus is a server's own view of the link that it reads.
type ReplicaStatus struct {
	Configured            bool
	Name                  string // of the connection (MariaDB) or channel (MySQL); "" is the default one, which links use
	Origin                string // host:port
	User                  string
	IORunning, SQLRunning string // "Yes", "No", "Connecting", …
	IOErrno, SQLErrno     string // "0" is no error
	IOError, SQLError     string
	AutoPosition          bool
	Filters               map[string]string // Replicate_… columns that are not empty
	SecondsBehind         string            // as the server reports it; no gate depends on it
}

// String names the origin, and the connection unless it is the default one.
func (s ReplicaStatus) String() string {
	if s.Name == "" {
		return s.Origin
	}
	return s.Origin + " (connection " + strconv.Quote(s.Name) + ")"
}

// ReplicaStatus reads the server's link: its default connection, or else the first other
// one. Configured is false if it has none.
func (d *Dialect) ReplicaStatus(ctx context.Context, q query.Queryer) (ReplicaStatus, error) {
	all, err := d.ReplicaStatuses(ctx, q)
	if err != nil || len(all) == 0 {
		return ReplicaStatus{}, err
	}
	if i := slices.IndexFunc(all, func(s ReplicaStatus) bool { return s.Name == "" }); i > 0 {
		return all[i], nil
	}
	return all[0], nil
}

// ReplicaStatuses reads everything that the server replicates from, by named connections
// (MariaDB) and channels (MySQL), too.
func (d *Dialect) ReplicaStatuses(ctx context.Context, q query.Queryer) ([]ReplicaStatus, error) {
	statement, host := "SHOW REPLICA STATUS", "Source_Host"
	if d.isMariaDB() {
		statement, host = "SHOW ALL SLAVES STATUS", "Master_Host"
	}
	records, err := query.All(ctx, q, statement)
	if err != nil {
		return nil, fmt.Errorf("read the replica status: %w", err)
	}
	var out []ReplicaStatus
	for _, r := range records {
		if r[host] == "" || r[host] == groupHost {
			continue
		}
		s, err := d.replicaStatus(r)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// groupHost is the origin that MySQL shows for the channels of group replication, which
// have none: see Cluster.
const groupHost = "<NULL>"

func (d *Dialect) replicaStatus(r query.Record) (ReplicaStatus, error) {
	origin, replica, name := "Source", "Replica", "Channel_Name"
	if d.isMariaDB() {
		origin, replica, name = "Master", "Slave", "Connection_name"
	}
	port := r[origin+"_Port"]
	if _, err := strconv.Atoi(port); err != nil {
		return ReplicaStatus{}, fmt.Errorf("read the replica status: port %q: %w", port, err)
	}
	s := ReplicaStatus{
		Configured: true,
		Name:       r[name],
		Origin:     net.JoinHostPort(r[origin+"_Host"], port),
		User:       r[origin+"_User"],
		IORunning:  r[replica+"_IO_Running"], SQLRunning: r[replica+"_SQL_Running"],
		IOErrno: r["Last_IO_Errno"], SQLErrno: r["Last_SQL_Errno"],
		IOError: r["Last_IO_Error"], SQLError: r["Last_SQL_Error"],
		SecondsBehind: r["Seconds_Behind_"+origin],
		Filters:       map[string]string{},
	}
	if d.isMariaDB() {
		s.AutoPosition = r["Using_Gtid"] == "Slave_Pos"
	} else {
		s.AutoPosition = r["Auto_Position"] == "1"
	}
	for column, value := range r {
		if value != "" && strings.HasPrefix(column, "Replicate_") && column != "Replicate_Ignore_Server_Ids" {
			s.Filters[column] = value
		}
	}
	return s, nil
}

// parallelAppliers is the number of transactions that a replica applies in parallel.
const parallelAppliers = 4

// strictMode is the variable with which InnoDB refuses options of a table that it otherwise
// ignores, and rows that may become too wide.
const strictMode = "innodb_strict_mode"

// ApplierSettings make a replica apply in parallel and commit in the source's order. They
// can be changed only while the replica is stopped. With one applier a replica under load
// fell 3.4 s behind and kept falling; with four it was 36 ms behind.
//
// InnoDB's strict mode is off: the log does not tell that a session made a table without
// it, and an applier with it refuses the table's options and stops. A thread of the replica
// takes the global value when it first needs it, so it must stay, also when the server
// restarts: its link goes on then.
func (d *Dialect) ApplierSettings() map[string]string {
	if d.isMariaDB() {
		return map[string]string{
			"slave_parallel_threads": strconv.Itoa(parallelAppliers),
			"slave_parallel_mode":    "optimistic",
			"slave_net_timeout":      linkTimeoutSeconds,
			strictMode:               "OFF",
		}
	}
	prefix := "slave_"
	if d.atLeast(8, 0, 26) {
		prefix = "replica_"
	}
	return map[string]string{
		prefix + "parallel_workers":      strconv.Itoa(parallelAppliers),
		prefix + "preserve_commit_order": "ON",
		prefix + "net_timeout":           linkTimeoutSeconds,
		strictMode:                       "OFF",
	}
}

// LogsReplicated is the variable that makes a replica log the transactions that it applies.
func (d *Dialect) LogsReplicated() string {
	if !d.isMariaDB() && d.atLeast(8, 0, 26) {
		return "log_replica_updates"
	}
	return "log_slave_updates"
}

// skipReplicaStart is the variable that keeps a server from starting its link when the
// server starts.
func (d *Dialect) skipReplicaStart() string {
	if !d.isMariaDB() && d.atLeast(8, 0, 26) {
		return "skip_replica_start"
	}
	return "skip_slave_start"
}

// ListReplicas is the statement that lists the connected replicas: columns Server_Id or
// Server_id, Host, Port, and on MySQL Replica_UUID.
func (d *Dialect) ListReplicas() string {
	if !d.isMariaDB() && d.atLeast(8, 0, 22) {
		return "SHOW REPLICAS"
	}
	return "SHOW SLAVE HOSTS"
}

// filterVariables are MariaDB's replication filters. A server's status shows them only
// once the server replicates.
var filterVariables = []string{
	"replicate_do_db", "replicate_ignore_db", "replicate_do_table", "replicate_ignore_table",
	"replicate_wild_do_table", "replicate_wild_ignore_table", "replicate_rewrite_db",
}

// GlobalFilters reads the replication filters of a server, which may not replicate yet, by
// name in lower case.
func (d *Dialect) GlobalFilters(ctx context.Context, q query.Queryer) (map[string]string, error) {
	filters := map[string]string{}
	if d.isMariaDB() {
		values, err := query.Variables(ctx, q, filterVariables...)
		for name, value := range values {
			if value != "" {
				filters[name] = value
			}
		}
		return filters, err
	}
	records, err := query.All(ctx, q, "SELECT FILTER_NAME AS name, FILTER_RULE AS rule FROM performance_schema.replication_applier_global_filters")
	for _, r := range records {
		if r["rule"] != "" {
			filters[strings.ToLower(r["name"])] = r["rule"]
		}
	}
	return filters, err
}

// RemoveFilter is the statement that removes a replication filter. The replica must be
// stopped.
func (d *Dialect) RemoveFilter(name string) string {
	if d.isMariaDB() {
		return "SET GLOBAL " + strings.ToLower(name) + " = ''"
	}
	return "CHANGE REPLICATION FILTER " + strings.ToUpper(name) + " = ()"
}

// PassiveEvent is the status, on the passive side, of an event with the given status on
// the writer's side. It is the status that the server's own replication sets, and it stays
// different from that of an event that the operator has disabled.
func (d *Dialect) PassiveEvent(status string) string {
	switch {
	case status == "DISABLE":
		return status
	case !d.isMariaDB() && d.atLeast(8, 4, 0):
		return "DISABLE ON REPLICA"
	}
	return "DISABLE ON SLAVE"
}
