package replicationtest

import (
	"github.com/dcmigrate/migrate/replication/servertest"
)

const CrashServers = "MIGRATE_TEST_SEED_SERVERS" // source,target: this process is a seed to be killed

const CrashRate = "MIGRATE_TEST_SEED_RATE" // bytes a second

// CrashLogin makes the login of the process that is killed.
func CrashLogin(servers ...*servertest.Instance) {
	for _, s := range servers {
		s.Exec("SET sql_log_bin = 0", "CREATE USER migrate_crash@'%' IDENTIFIED BY 'pw'", "GRANT ALL ON *.* TO migrate_crash@'%' WITH GRANT OPTION")
	}
}
