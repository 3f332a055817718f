package seed

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/preflight"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
	"github.com/dcmigrate/migrate/wait"
)

// TestSeedRefusesStatementsInTheLog makes a session log statements while the seed copies.
// What their triggers did is not in the log at all (H4).
func TestSeedRefusesStatementsInTheLog(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		replicationtest.MakeBigTable(source)
		source.Exec("CREATE TABLE load1.audit (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(64))",
			"CREATE TRIGGER load1.seen AFTER UPDATE ON load1.posts FOR EACH ROW INSERT INTO load1.audit (what) VALUES (UUID())")
		rows := filepath.Join(source.Dir, "rows")
		require.NoError(t, os.WriteFile(rows, []byte("9001\t1\n"), 0o644))
		for what, statement := range map[string]string{
			"UPDATE": "UPDATE load1.posts SET title = 'by statement' WHERE id = 1",
			"LOAD":   "LOAD DATA INFILE '" + rows + "' INTO TABLE load1.counters",
		} {
			finish := startHeld(t, pair, source)
			source.Exec("SET SESSION binlog_format = 'STATEMENT'", "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", statement)
			replicationtest.RequireHint(t, finish(), "(H4)", what, "binlog_format", "begins the seed anew")
			require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'load1'"), "nothing of it is kept")
		}
		require.NoError(t, replicationtest.Apply(t, Step(pair)))
		require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"))
	})
}

// TestSeedOfBadInput gives a pair one kind of bad input after another. Each ends in one
// error with a hint, and the seed continues once the hint was followed. None needs
// local_infile.
func TestSeedOfBadInput(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor, servertest.Set("local_infile", "0"))
		source.Exec("CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, a LONGBLOB, b LONGBLOB)", "INSERT INTO app.t VALUES (2, 'small', 'row')")
		t.Run("wrong credentials", func(t *testing.T) { wrongCredentials(t, pair, source) })
		t.Run("a target that is not empty", func(t *testing.T) { notEmpty(t, pair, target) })
		t.Run("an account of another password", func(t *testing.T) {
			source.Exec("CREATE USER app@'%' IDENTIFIED BY 'one'")
			target.Exec("CREATE USER app@'%' IDENTIFIED BY 'two'")
			replicationtest.RequireHint(t, Step(pair).Op.Apply(t.Context()), "account `app`@`%` is on the target already", "drop the account")
			target.Exec("DROP USER app@'%'")
		})
		t.Run("a row larger than a packet", func(t *testing.T) {
			// The source's own limit does not matter.
			source.Exec("INSERT INTO app.t VALUES (1, REPEAT(x'00275c', 1000000), NULL)", "UPDATE app.t SET b = REPEAT('b', 3000000) WHERE id = 1",
				"SET GLOBAL max_allowed_packet = 4194304")
			target.Exec("SET GLOBAL max_allowed_packet = 4194304")
			replicationtest.RequireHint(t, Step(pair).Op.Apply(t.Context()), "write app.t", "max_allowed_packet of main (target), 4194304", "raise max_allowed_packet")
			target.Exec("SET GLOBAL max_allowed_packet = 1073741824")
		})
		require.NoError(t, replicationtest.Apply(t, Step(pair)))
		require.Equal(t, replicationtest.Checksums(t, source, "app"), replicationtest.Checksums(t, target, "app"))
		require.Equal(t, "0", target.Value("SELECT @@GLOBAL.local_infile"))
	})
}

// wrongCredentials has a password refused: the error names the setting, not the password.
func wrongCredentials(t *testing.T, pair replication.Pair, source *servertest.Instance) {
	source.Exec("SET sql_log_bin = 0", "CREATE USER mover@localhost IDENTIFIED BY 'right'", "GRANT ALL PRIVILEGES ON *.* TO mover@localhost WITH GRANT OPTION")
	defer source.Exec("SET sql_log_bin = 0", "DROP USER mover@localhost")
	for _, side := range []replication.Side{replication.Source, replication.Target} {
		wrong := pair
		network, address := pair.Of(side).Address()
		s := replication.NewServer(replication.ServerConfig{
			Name: "main (" + string(side) + ")", Side: side, Network: network, Address: address, User: "mover", Password: secret.New("hunter2"),
		})
		t.Cleanup(func() { _ = s.Close() })
		if side == replication.Source {
			wrong.Source = s
		} else {
			wrong.Target = s
		}
		err := Step(wrong).Op.Apply(t.Context())
		replicationtest.RequireHint(t, err, "on main ("+string(side)+")", "Access denied", "databases[]."+string(side)+".user and password_env")
		require.NotContains(t, err.Error()+report.Hint(err), "hunter2")
		_, err = preflight.Findings(t.Context(), wrong, preflight.Options{})
		replicationtest.RequireHint(t, err, "password_env")
	}
}

// notEmpty gives the target a schema of somebody else: the error names it, and it stays as
// it is.
func notEmpty(t *testing.T, pair replication.Pair, target *servertest.Instance) {
	target.Exec("CREATE DATABASE app", "CREATE TABLE app.theirs (id INT PRIMARY KEY)", "INSERT INTO app.theirs VALUES (7)")
	replicationtest.RequireHint(t, Step(pair).Op.Apply(t.Context()), "already holds app, which migrate did not make", "drop those schemas")
	require.Equal(t, "7", target.Value("SELECT id FROM app.theirs"))
	require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'migrate'"))
	target.Exec("DROP DATABASE app")
}

// TestSeedReadsCompressedAndEncryptedLogs changes rows during the copy of a source that
// compresses its transactions, and on MariaDB encrypts its binlog.
func TestSeedReadsCompressedAndEncryptedLogs(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		options := []servertest.Option{servertest.Set("binlog_transaction_compression", "ON")}
		if flavor == servertest.MariaDB {
			options = append(replicationtest.EncryptedBinlog(t), servertest.Set("log_bin_compress", "ON"), servertest.Set("log_bin_compress_min_len", "10"))
		}
		source, target := servertest.Start(t, flavor, options...), servertest.Start(t, flavor)
		pair := replication.Pair{Name: "main", Source: replicationtest.Server(t, source, replication.Source, nil), Target: replicationtest.Server(t, target, replication.Target, nil)}
		replicationtest.MakeLoadSchema(source)
		replicationtest.MakeBigTable(source)
		finish := startHeld(t, pair, source)
		source.Exec("UPDATE load1.posts SET title = CONCAT(REPEAT('changed ', 8), id) WHERE id < 2000", "DELETE FROM load1.posts WHERE id BETWEEN 3000 AND 3500",
			"INSERT INTO load1.counters SELECT id, id FROM load1.posts WHERE id < 1000")
		require.NoError(t, finish())
		require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"))
		replicationtest.Replicate(t, flavor, source, target)
		source.Exec("UPDATE load1.posts SET title = REPEAT('after ', 10) WHERE id < 100")
		replicationtest.Settle(t, pair.Source, pair.Target)
		require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"))
	})
}

// TestSeedOutlivesKilledSessions kills every session of migrate on either server, again
// and again, while the source is written to.
func TestSeedOutlivesKilledSessions(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		replicationtest.MakeBigTable(source)
		stop := replicationtest.Load(t, source)
		t.Cleanup(func() { stop() })
		ctx, cancel := context.WithCancel(t.Context())
		var killer sync.WaitGroup
		killer.Go(func() {
			for n := 0; n < 16 && wait.For(ctx, 150*time.Millisecond) == nil; n++ {
				killOwn(ctx, []*servertest.Instance{source, target}[n%2])
			}
		})
		tries := 0
		for ; ; tries++ {
			err := StepWith(pair, Options{BytesPerSecond: 8 << 20}).Op.Apply(t.Context())
			if err == nil {
				break
			}
			var transient *report.TransientError
			require.ErrorAs(t, err, &transient, "a retry is right, and is shown: %v", err)
			require.Less(t, tries, 40)
		}
		cancel()
		killer.Wait()
		t.Logf("%d tries", tries+1)
		require.Positive(t, tries, "no session was killed")
		require.NoError(t, Step(pair).Op.Verify(t.Context()))
		replicationtest.Replicate(t, flavor, source, target)
		stop()
		replicationtest.Settle(t, pair.Source, pair.Target)
		require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"))
	})
}

// killOwn kills migrate's sessions on a server.
func killOwn(ctx context.Context, s *servertest.Instance) {
	ids, err := query.Strings(ctx, s.Root(), `SELECT ID FROM information_schema.PROCESSLIST
		WHERE (USER LIKE 'migrate%' OR IS_USED_LOCK(CONCAT(?, ID)) = ID OR INFO LIKE '%`+"`load1`.`big`"+`%' OR COMMAND LIKE 'Binlog Dump%') AND ID <> CONNECTION_ID()`, replication.SessionLock)
	if err != nil {
		return
	}
	for _, id := range ids {
		_, _ = s.Root().ExecContext(ctx, fmt.Sprintf("KILL %s", id)) // it may have ended
	}
}
