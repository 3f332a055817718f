package replication

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Flavor is the family of a server.
type Flavor string

// The flavors that migrate moves.
const (
	MySQL   Flavor = "MySQL"
	MariaDB Flavor = "MariaDB"
)

// Version is a server's version number.
type Version struct{ Major, Minor, Patch int }

// String is major.minor.patch.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// Compare is negative, zero or positive as v is older than, equal to or newer than o.
func (v Version) Compare(o Version) int {
	return cmp.Or(cmp.Compare(v.Major, o.Major), cmp.Compare(v.Minor, o.Minor), cmp.Compare(v.Patch, o.Patch))
}

// Dialect owns every difference of statements between the flavors and their versions.
type Dialect struct {
	Flavor  Flavor
	Version Version
}

var versionNumber = regexp.MustCompile(`^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)`)

// ParseVersion makes a dialect of what VERSION() and @@version_comment say.
func ParseVersion(version, comment string) (*Dialect, error) {
	m := versionNumber.FindStringSubmatch(version)
	if m == nil {
		return nil, fmt.Errorf("parse server version %q: no number in it", version)
	}
	d := &Dialect{Flavor: MySQL}
	if strings.Contains(strings.ToLower(version+" "+comment), "mariadb") {
		d.Flavor = MariaDB
	}
	for i, field := range []*int{&d.Version.Major, &d.Version.Minor, &d.Version.Patch} {
		n, err := strconv.Atoi(m[i+1])
		if err != nil {
			return nil, fmt.Errorf("parse server version %q: %w", version, err)
		}
		*field = n
	}
	return d, nil
}

// String is flavor and version.
func (d *Dialect) String() string { return string(d.Flavor) + " " + d.Version.String() }

func (d *Dialect) mariadb() bool { return d.Flavor == MariaDB }

// atLeast reports whether the version is major.minor.patch or newer.
func (d *Dialect) atLeast(major, minor, patch int) bool {
	return d.Version.Compare(Version{major, minor, patch}) >= 0
}

// Supported returns an error for a version outside of what migrate is made for:
// MariaDB from 10.6, MySQL from 8.0.23 (CHANGE REPLICATION SOURCE TO).
func (d *Dialect) Supported() error {
	if d.mariadb() && !d.atLeast(10, 6, 0) {
		return fmt.Errorf("%s is older than MariaDB 10.6", d)
	}
	if !d.mariadb() && !d.atLeast(8, 0, 23) {
		return fmt.Errorf("%s is older than MySQL 8.0.23", d)
	}
	return nil
}

// BinlogStatus shows the current binlog file and position: columns File, Position.
func (d *Dialect) BinlogStatus() string {
	if !d.mariadb() && d.atLeast(8, 2, 0) {
		return "SHOW BINARY LOG STATUS"
	}
	return "SHOW MASTER STATUS"
}

// ResetBinlog empties the binlog and with it the executed GTIDs.
func (d *Dialect) ResetBinlog() string {
	if !d.mariadb() && d.atLeast(8, 2, 0) {
		return "RESET BINARY LOGS AND GTIDS"
	}
	return "RESET MASTER"
}

// Origin is the server that a link reads from.
type Origin struct {
	Endpoint       Endpoint
	User, Password string
	// ConnectRetrySeconds is the pause between attempts to connect; at least 1.
	ConnectRetrySeconds int
}

// ChangeOrigin points the server's replica threads at o, by GTID, starting where
// the server's own position is (gtid_slave_pos, gtid_executed). The statement
// holds a password: run it in a session of QuietSession.
func (d *Dialect) ChangeOrigin(o Origin) string {
	retry := strconv.Itoa(max(o.ConnectRetrySeconds, 1))
	port := strconv.Itoa(o.Endpoint.Port)
	if d.mariadb() {
		return "CHANGE MASTER TO MASTER_HOST=" + literal(o.Endpoint.Host) + ", MASTER_PORT=" + port +
			", MASTER_USER=" + literal(o.User) + ", MASTER_PASSWORD=" + literal(o.Password) +
			", MASTER_CONNECT_RETRY=" + retry + ", MASTER_USE_GTID=slave_pos"
	}
	return "CHANGE REPLICATION SOURCE TO SOURCE_HOST=" + literal(o.Endpoint.Host) + ", SOURCE_PORT=" + port +
		", SOURCE_USER=" + literal(o.User) + ", SOURCE_PASSWORD=" + literal(o.Password) +
		", SOURCE_CONNECT_RETRY=" + retry + ", SOURCE_RETRY_COUNT=86400" +
		", SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1"
}

// StartReplica starts the replica threads.
func (d *Dialect) StartReplica() string {
	if d.mariadb() {
		return "START SLAVE"
	}
	return "START REPLICA"
}

// StopReplica stops the replica threads.
func (d *Dialect) StopReplica() string {
	if d.mariadb() {
		return "STOP SLAVE"
	}
	return "STOP REPLICA"
}

// ResetReplica forgets the origin, its password and the relay logs; the
// server's GTID position stays.
func (d *Dialect) ResetReplica() string {
	if d.mariadb() {
		return "RESET SLAVE ALL"
	}
	return "RESET REPLICA ALL"
}

// ReplicaStatus is a server's own view of the link that it reads.
type ReplicaStatus struct {
	Configured                bool
	Origin                    Endpoint
	User                      string
	IORunning, SQLRunning     string // "Yes", "No", "Connecting", …
	IOErrno, SQLErrno         string // "0" is none
	IOError, SQLError         string
	AutoPosition              bool
	Filters                   map[string]string // Replicate_… columns that are not empty
	ExecutedGTIDs             string            // MariaDB: gtid_slave_pos; MySQL: gtid_executed
	ReceivedGTIDs             string            // MariaDB: Gtid_IO_Pos; MySQL: Retrieved_Gtid_Set
	SecondsBehind             string            // what the server claims; never a gate
	ServerID, SkipErrorsCount string
}

// ReplicaStatus asks the server for its link. Configured is false when it has none.
func (d *Dialect) ReplicaStatus(ctx context.Context, q queryer) (ReplicaStatus, error) {
	query, origin, replica := "SHOW REPLICA STATUS", "Source", "Replica"
	if d.mariadb() {
		query, origin, replica = "SHOW SLAVE STATUS", "Master", "Slave"
	}
	r, ok, err := queryRecord(ctx, q, query)
	if err != nil {
		return ReplicaStatus{}, fmt.Errorf("read the replica status: %w", err)
	}
	if !ok || r[origin+"_Host"] == "" {
		return ReplicaStatus{}, nil
	}
	port, err := strconv.Atoi(r[origin+"_Port"])
	if err != nil {
		return ReplicaStatus{}, fmt.Errorf("read the replica status: port %q: %w", r[origin+"_Port"], err)
	}
	s := ReplicaStatus{
		Configured: true,
		Origin:     Endpoint{r[origin+"_Host"], port},
		User:       r[origin+"_User"],
		IORunning:  r[replica+"_IO_Running"], SQLRunning: r[replica+"_SQL_Running"],
		IOErrno: r["Last_IO_Errno"], SQLErrno: r["Last_SQL_Errno"],
		IOError: r["Last_IO_Error"], SQLError: r["Last_SQL_Error"],
		SecondsBehind: r["Seconds_Behind_"+origin],
		ServerID:      r[origin+"_Server_Id"],
		Filters:       map[string]string{},
	}
	if d.mariadb() {
		s.AutoPosition = r["Using_Gtid"] == "Slave_Pos"
		s.ReceivedGTIDs = r["Gtid_IO_Pos"]
		if s.ExecutedGTIDs, err = queryText(ctx, q, "SELECT @@GLOBAL.gtid_slave_pos"); err != nil {
			return ReplicaStatus{}, err
		}
	} else {
		s.AutoPosition = r["Auto_Position"] == "1"
		s.ReceivedGTIDs, s.ExecutedGTIDs = r["Retrieved_Gtid_Set"], r["Executed_Gtid_Set"]
	}
	for column, value := range r {
		if value != "" && strings.HasPrefix(column, "Replicate_") && column != "Replicate_Ignore_Server_Ids" {
			s.Filters[column] = value
		}
	}
	return s, nil
}

// ExecutedGTIDs asks for all transactions that the server has in its binlog,
// native and replicated. On MariaDB that is the last of each domain in
// gtid_binlog_pos and gtid_slave_pos.
func (d *Dialect) ExecutedGTIDs(ctx context.Context, q queryer) (GTIDSet, error) {
	if !d.mariadb() {
		text, err := queryText(ctx, q, "SELECT @@GLOBAL.gtid_executed")
		if err != nil {
			return GTIDSet{}, fmt.Errorf("read gtid_executed: %w", err)
		}
		return ParseGTIDSet(MySQL, text)
	}
	text, err := queryText(ctx, q, "SELECT CONCAT_WS(',', NULLIF(@@GLOBAL.gtid_binlog_pos,''), NULLIF(@@GLOBAL.gtid_slave_pos,''))")
	if err != nil {
		return GTIDSet{}, fmt.Errorf("read gtid_binlog_pos: %w", err)
	}
	return ParseGTIDSet(MariaDB, text)
}

// NativeDomain is the MariaDB gtid_domain_id under which the server logs its
// own writes; MySQL has none.
func (d *Dialect) NativeDomain(ctx context.Context, q queryer) (uint32, error) {
	if !d.mariadb() {
		return 0, nil
	}
	text, err := queryText(ctx, q, "SELECT @@GLOBAL.gtid_domain_id")
	if err != nil {
		return 0, fmt.Errorf("read gtid_domain_id: %w", err)
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("read gtid_domain_id %q: %w", text, err)
	}
	return uint32(n), nil
}

// WaitGTIDs waits on the server until its replica has executed set, at most
// timeout (0 returns at once), and reports whether it has. On MariaDB set must
// hold the origin's domains only: with a domain of the server's own it returns -1.
func (d *Dialect) WaitGTIDs(ctx context.Context, q queryer, set GTIDSet, timeout time.Duration) (bool, error) {
	if set.IsEmpty() {
		return true, nil
	}
	seconds := timeout.Seconds()
	query, args, reached := "SELECT MASTER_GTID_WAIT(?, ?)", []any{set.String(), seconds}, "0"
	if !d.mariadb() {
		// A timeout of 0 means "for ever" here; fractions are allowed since 8.0.
		query, args = "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?)", []any{set.String(), max(seconds, 0.001)}
	}
	result, err := queryText(ctx, q, query, args...)
	if err != nil {
		return false, fmt.Errorf("wait for GTIDs %s: %w", set, err)
	}
	return result == reached, nil
}

// FenceStatements make the server refuse application writes.
func (d *Dialect) FenceStatements() []string {
	if d.mariadb() {
		return []string{"SET GLOBAL read_only = 1"}
	}
	return []string{"SET GLOBAL super_read_only = 1"} // sets read_only too
}

// UnfenceStatements let application writes in.
func (d *Dialect) UnfenceStatements() []string {
	if d.mariadb() {
		return []string{"SET GLOBAL read_only = 0"}
	}
	return []string{"SET GLOBAL super_read_only = 0", "SET GLOBAL read_only = 0"}
}

// Fenced asks whether the server refuses application writes.
func (d *Dialect) Fenced(ctx context.Context, q queryer) (bool, error) {
	name := "super_read_only"
	if d.mariadb() {
		name = "read_only"
	}
	v, err := variables(ctx, q, name)
	if err != nil {
		return false, err
	}
	return isOn(v[name]), nil
}

// isOn reads a boolean variable. MariaDB 11.8 and newer spell read_only
// NO_LOCK, NO_LOCK_NO_ADMIN: everything but OFF and 0 is on.
func isOn(value string) bool {
	return value != "" && value != "0" && !strings.EqualFold(value, "OFF")
}

// Unlogged keeps a session's changes out of the binlog.
const Unlogged = "SET SESSION sql_log_bin = 0"

// Quiet keeps a session's statements out of the general log: for statements
// that hold a password or a hash.
const Quiet = "SET SESSION sql_log_off = 1"
