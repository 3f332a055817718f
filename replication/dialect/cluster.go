package dialect

import (
	"context"
	"fmt"

	"github.com/dcmigrate/migrate/replication/query"
)

// galeraVariables are those of a server that is built for Galera: MariaDB, and Percona
// XtraDB Cluster of MySQL.
var galeraVariables = []string{"wsrep_on", "wsrep_provider", "wsrep_cluster_address"}

// Cluster says in words which cluster of writers the server belongs to, or may join when it
// restarts; "" is none. Other members of it write past everything that is set on this
// server alone.
func (d *Dialect) Cluster(ctx context.Context, q query.Queryer) (string, error) {
	galera, err := galera(ctx, q)
	if err != nil || galera != "" || d.isMariaDB() {
		return galera, err
	}
	return groupReplication(ctx, q)
}

func galera(ctx context.Context, q query.Queryer) (string, error) {
	v, err := query.Variables(ctx, q, galeraVariables...)
	if err != nil {
		return "", err
	}
	status, _, err := query.One(ctx, q, "SHOW GLOBAL STATUS LIKE 'wsrep_cluster_size'")
	if err != nil {
		return "", err
	}
	members := query.Number(status["Value"])
	provider := v["wsrep_provider"] != "" && v["wsrep_provider"] != "none"
	if members == 0 && !IsOn(v["wsrep_on"]) && (!provider || v["wsrep_cluster_address"] == "") {
		return "", nil
	}
	return fmt.Sprintf("a Galera cluster of %d members (wsrep_on is %s, wsrep_cluster_address is %q)", members, v["wsrep_on"], v["wsrep_cluster_address"]), nil
}

// groupReplication reads MySQL's own clusters: group replication, on which InnoDB Cluster
// and ClusterSet stand.
func groupReplication(ctx context.Context, q query.Queryer) (string, error) {
	members, err := query.Text(ctx, q, "SELECT COUNT(*) FROM performance_schema.replication_group_members WHERE MEMBER_STATE <> 'OFFLINE'")
	if err != nil {
		return "", err
	}
	v, err := query.Variables(ctx, q, "group_replication_group_name", "group_replication_start_on_boot")
	if err != nil {
		return "", err
	}
	if members == "0" && (v["group_replication_group_name"] == "" || !IsOn(v["group_replication_start_on_boot"])) {
		return "", nil
	}
	return fmt.Sprintf("group replication with %s members (group_replication_group_name is %q)", members, v["group_replication_group_name"]), nil
}
