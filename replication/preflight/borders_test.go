package preflight

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestBordersRefusesAPartOfAServer (H33).
func TestBordersRefusesAPartOfAServer(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, _ := replicationtest.Start(t, flavor)
		source.Exec("CREATE DATABASE shop", "CREATE DATABASE stay")
		pair.Schemas = []string{"shop"}
		replicationtest.RequireHint(t, Borders(pair).Op.Apply(t.Context()), "H33 main (source)", "stay would be left behind")
		require.Contains(t, hazards(t, pair, Options{SourceOnly: true}, Refuse), "H33 main (source)")
		for _, all := range [][]string{nil, {"shop", "stay"}} {
			pair.Schemas = all
			require.NoError(t, replicationtest.Apply(t, Borders(pair)))
			require.NotContains(t, hazards(t, pair, Options{SourceOnly: true}, Refuse), "H33")
		}
	})
}

// TestBordersRefusesATargetThatOthersUse finds what else lives on a target, before its seed
// and after it (H34).
func TestBordersRefusesATargetThatOthersUse(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		source.Exec("CREATE DATABASE shop", "CREATE TABLE shop.a (id INT PRIMARY KEY)")
		require.NoError(t, replicationtest.Apply(t, Borders(pair)))
		refused := func(wanted ...string) {
			t.Helper()
			replicationtest.RequireHint(t, Borders(pair).Op.Apply(t.Context()), append(wanted, "H34 main (target)")...)
		}
		target.Exec("CREATE DATABASE shop")
		refused("schemas that this move did not bring: shop", "another server as the target")
		target.Exec("DROP DATABASE shop", "CREATE DATABASE other")
		refused("other")
		target.Exec("DROP DATABASE other")

		other := servertest.Start(t, flavor, servertest.Set("server_id", "4711"))
		makeReplica(target, other)
		require.Eventually(t, func() bool { return Borders(pair).Op.Apply(t.Context()) != nil }, 20*time.Second, 100*time.Millisecond)
		refused("other servers replicate from it, as copier from localhost")
		stopReplica(other)
		target.Exec("KILL " + target.Value("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'copier'")) // it sees late that the replica has gone
		require.Eventually(t, func() bool { return Borders(pair).Op.Apply(t.Context()) == nil }, 20*time.Second, 100*time.Millisecond)
		makeReplica(other, target)
		refused("it replicates from localhost:")
		stopReplica(target)

		setNamedReplica(target)
		refused(`it replicates from 127.0.0.1:3 (connection "other")`)
		resetNamedReplica(target)

		require.NoError(t, seed.Step(pair).Op.Apply(t.Context()))
		require.NoError(t, replicationtest.Apply(t, Borders(pair)), "what the seed has brought")
		source.Exec("CREATE DATABASE later")
		target.Exec("SET sql_log_bin = 0", "CREATE DATABASE later")
		require.NoError(t, replicationtest.Apply(t, Borders(pair)), "what the link has brought")
		target.Exec("SET sql_log_bin = 0", "CREATE DATABASE other")
		refused("other")
	})
}

// TestWhatReplicationDependsOnIsLookedAtAgain changes settings after the preflight.
func TestWhatReplicationDependsOnIsLookedAtAgain(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		source.Exec("CREATE DATABASE shop")
		for _, s := range []*servertest.Instance{source, target} {
			s.Exec("SET GLOBAL sync_binlog = 1", "SET GLOBAL innodb_flush_log_at_trx_commit = 1")
		}
		gate := StillFit(pair).Op
		setNamedReplica(source)
		require.ErrorContains(t, gate.Apply(t.Context()), `H12 main (source): it replicates from 127.0.0.1:3 (connection "other")`)
		resetNamedReplica(source)
		require.NoError(t, gate.Apply(t.Context()))
		execMode := map[servertest.Flavor]string{servertest.MariaDB: "slave_exec_mode", servertest.MySQL: "replica_exec_mode"}[flavor]
		for name, c := range map[string]struct {
			server      *servertest.Instance
			spoil, mend string
			want        string
		}{
			"images in part on the target":   {target, "SET GLOBAL binlog_row_image = 'MINIMAL'", "SET GLOBAL binlog_row_image = 'FULL'", "H4 main (target): binlog_row_image"},
			"statements on the source":       {source, "SET GLOBAL binlog_format = 'MIXED'", "SET GLOBAL binlog_format = 'ROW'", "H4 main (source): binlog_format"},
			"hidden errors on the target":    {target, "SET GLOBAL " + execMode + " = 'IDEMPOTENT'", "SET GLOBAL " + execMode + " = 'STRICT'", "H23 main (target)"},
			"a binlog that is not flushed":   {target, "SET GLOBAL sync_binlog = 0", "SET GLOBAL sync_binlog = 1", "H20 main (target): sync_binlog is 0"},
			"commits that are not flushed":   {source, "SET GLOBAL innodb_flush_log_at_trx_commit = 0", "SET GLOBAL innodb_flush_log_at_trx_commit = 1", "H20 main (source): innodb_flush_log_at_trx_commit is 0"},
			"commits that wait for the disk": {source, "SET GLOBAL innodb_flush_log_at_trx_commit = 2", "SET GLOBAL innodb_flush_log_at_trx_commit = 1", "H20 main (source): innodb_flush_log_at_trx_commit is 2"},
			"one server_id":                  {target, "SET GLOBAL server_id = " + source.Value("SELECT @@server_id"), "SET GLOBAL server_id = " + target.Value("SELECT @@server_id"), "H11 main (target): server_id"},
			"another's schema on the target": {target, "CREATE DATABASE other", "DROP DATABASE other", "H34 main (target)"},
		} {
			t.Run(name, func(t *testing.T) {
				c.server.Exec(c.spoil)
				replicationtest.RequireHint(t, gate.Apply(t.Context()), c.want)
				state, err := gate.Check(t.Context())
				require.NoError(t, err)
				require.False(t, state.Done)
				c.server.Exec(c.mend)
				require.NoError(t, gate.Apply(t.Context()))
			})
		}
	})
}

// TestClusterIsRefused starts a real member of a cluster of each flavor (H35).
func TestClusterIsRefused(t *testing.T) {
	t.Run("Galera", func(t *testing.T) {
		const provider = "/usr/lib/galera/libgalera_smm.so"
		if _, err := os.Stat(provider); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal("libgalera_smm.so is not installed (Debian package galera-4)")
			}
			t.Skip("libgalera_smm.so is not installed (Debian package galera-4)")
		}
		s := servertest.Start(t, servertest.MariaDB, servertest.Set("wsrep_on", "ON"), servertest.Set("wsrep_provider", provider),
			servertest.Set("wsrep_cluster_address", "gcomm://"), servertest.Set("wsrep_provider_options", "gmcast.listen_addr=tcp://127.0.0.1:0"),
			servertest.Set("wsrep_node_address", "127.0.0.1"))
		require.Eventually(t, func() bool {
			return s.Value("SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'wsrep_cluster_size'") == "1"
		}, 30*time.Second, 100*time.Millisecond)
		pair := replication.Pair{Name: "main", Source: replicationtest.Server(t, s, replication.Source, nil)}
		require.Contains(t, hazards(t, pair, Options{SourceOnly: true}, Refuse), "H35 main (source): it is a member of a Galera cluster of 1 members")
		s.Exec("SET GLOBAL wsrep_on = OFF")
		require.Contains(t, hazards(t, pair, Options{SourceOnly: true}, Refuse), "H35", "the others still write to it")
	})
	t.Run("group replication", func(t *testing.T) {
		s := servertest.Start(t, servertest.MySQL)
		pair := replication.Pair{Name: "main", Source: replicationtest.Server(t, s, replication.Source, nil)}
		s.Exec("INSTALL PLUGIN group_replication SONAME 'group_replication.so'")
		require.NotContains(t, hazards(t, pair, Options{SourceOnly: true}, Refuse), "H35", "a plugin is no cluster")
		s.Exec("SET GLOBAL group_replication_group_name = 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa'", "SET GLOBAL group_replication_start_on_boot = ON")
		require.Contains(t, hazards(t, pair, Options{SourceOnly: true}, Refuse), "H35 main (source): it is a member of group replication with 0 members", "it joins when it restarts")
		s.Exec("SET GLOBAL group_replication_local_address = '127.0.0.1:"+strconv.Itoa(s.Port+1)+"'", "SET GLOBAL group_replication_bootstrap_group = ON",
			"SET GLOBAL group_replication_start_on_boot = OFF", "START GROUP_REPLICATION")
		require.Contains(t, hazards(t, pair, Options{SourceOnly: true}, Refuse), "group replication with 1 members")
		s.Exec("STOP GROUP_REPLICATION")
	})
}

// TestOtherSeriesAreRefused (H25): the server runs, the image of the target's host is only named.
func TestOtherSeriesAreRefused(t *testing.T) {
	source := servertest.Start(t, servertest.MariaDB)
	pair := replication.Pair{Name: "main", Source: replicationtest.Server(t, source, replication.Source, nil)}
	for image, refused := range map[string]bool{
		"debian-12-x64": false, "ubuntu-24-04-x64": false, "debian-13-x64": true, "debian-11-x64": true, "ubuntu-22-04-x64": true, "": false, "12345": false, "fedora-42-x64": false,
	} {
		found := hazards(t, pair, Options{SourceOnly: true, Image: image}, Refuse)
		if refused {
			require.Contains(t, found, "H25 main (source): it is MariaDB 10.11", image)
			require.Contains(t, found, "hosts of the image "+image+" install MariaDB ", image)
		} else {
			require.NotContains(t, found, "H25", image)
		}
	}
}

// makeReplica makes a server replicate from another one, as somebody else would.
func makeReplica(from, to *servertest.Instance) {
	from.Exec("SET sql_log_bin = 0", "CREATE USER IF NOT EXISTS copier@localhost IDENTIFIED BY 'x'", "GRANT REPLICATION SLAVE ON *.* TO copier@localhost")
	if from.Flavor == servertest.MariaDB {
		to.Exec(fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='localhost', MASTER_PORT=%d, MASTER_USER='copier', MASTER_PASSWORD='x', MASTER_USE_GTID=slave_pos", from.Port), "START SLAVE")
		return
	}
	to.Exec(fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST='localhost', SOURCE_PORT=%d, SOURCE_USER='copier', SOURCE_PASSWORD='x', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1", from.Port), "START REPLICA")
}

func stopReplica(s *servertest.Instance) {
	if s.Flavor == servertest.MariaDB {
		s.Exec("STOP SLAVE", "RESET SLAVE ALL")
		return
	}
	s.Exec("STOP REPLICA", "RESET REPLICA ALL")
}

// setNamedReplica gives a server an origin by a connection that is not its default one.
func setNamedReplica(s *servertest.Instance) {
	if s.Flavor == servertest.MariaDB {
		s.Exec("CHANGE MASTER 'other' TO MASTER_HOST='127.0.0.1', MASTER_PORT=3, MASTER_USER='copier'")
		return
	}
	s.Exec("CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=3, SOURCE_USER='copier' FOR CHANNEL 'other'")
}

func resetNamedReplica(s *servertest.Instance) {
	if s.Flavor == servertest.MariaDB {
		s.Exec("RESET SLAVE 'other' ALL")
		return
	}
	s.Exec("RESET REPLICA ALL FOR CHANNEL 'other'")
}
