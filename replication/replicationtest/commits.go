package replicationtest

import "github.com/dcmigrate/migrate/replication/servertest"

// DelayCommits makes a server wait for a semi-synchronous replica, which never comes,
// between the write of a transaction to its binlog and the commit that makes the rows
// visible. The result ends the wait.
func DelayCommits(s *servertest.Instance) (end func()) {
	prefix := "rpl_semi_sync_master_"
	if s.Flavor == servertest.MySQL {
		prefix = "rpl_semi_sync_source_"
		s.Exec("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
	}
	s.Exec("SET GLOBAL "+prefix+"wait_point = 'AFTER_SYNC'", "SET GLOBAL "+prefix+"timeout = 120000", "SET GLOBAL "+prefix+"enabled = 1")
	return func() { s.Exec("SET GLOBAL " + prefix + "enabled = 0") }
}
