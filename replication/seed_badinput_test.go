package replication

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
	"github.com/dcmigrate/migrate/wait"
)

// requireHint is an error that the operator can act on, and that no retry hides.
func requireHint(t *testing.T, err error, parts ...string) {
	t.Helper()
	require.Error(t, err)
	require.NotEmpty(t, report.Hint(err), "%v", err)
	var transient *report.TransientError
	require.False(t, errors.As(err, &transient), "%v", err)
	for _, part := range parts {
		require.Contains(t, err.Error()+"\nhint: "+report.Hint(err), part)
	}
}

// TestSeedRefusesStatementsInTheLog has a session log statements in the seed's
// window: what a trigger of theirs did is not in the log at all (H4).
func TestSeedRefusesStatementsInTheLog(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := startPair(t, flavor)
		makeLoadSchema(source)
		makeBig(source)
		source.Exec("CREATE TABLE load1.audit (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(64))",
			"CREATE TRIGGER load1.seen AFTER UPDATE ON load1.posts FOR EACH ROW INSERT INTO load1.audit (what) VALUES (UUID())")
		rows := filepath.Join(source.Dir, "rows")
		require.NoError(t, os.WriteFile(rows, []byte("9001\t1\n"), 0o644))
		for what, statement := range map[string]string{
			"UPDATE": "UPDATE load1.posts SET title = 'by statement' WHERE id = 1",
			"LOAD":   "LOAD DATA INFILE '" + rows + "' INTO TABLE load1.counters",
		} {
			goOn := seedHeld(t, pair, source)
			source.Exec("SET SESSION binlog_format = 'STATEMENT'", "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", statement)
			requireHint(t, goOn(), "(H4)", what, "binlog_format", "begins the seed anew")
			require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'load1'"), "nothing of it is kept")
		}
		require.NoError(t, apply(t, Seed(pair)))
		require.Equal(t, checksums(t, source, "load1"), checksums(t, target, "load1"))
	})
}

// TestSeedOfASourceWithoutBinlog ends before anything is made, and says what to set.
func TestSeedOfASourceWithoutBinlog(t *testing.T) {
	without := map[string][]servertest.Option{
		"mariadb without a binlog": {servertest.Unset("log_bin")},
		"mysql without a binlog": {
			servertest.Unset("log_bin"), servertest.Set("disable_log_bin", "1"), servertest.Unset("log_replica_updates"),
			servertest.Set("gtid_mode", "OFF"),
		},
		"mysql without GTIDs": {servertest.Set("gtid_mode", "OFF")},
	}
	targets := map[servertest.Flavor]*servertest.Instance{}
	for _, flavor := range servertest.Flavors() {
		targets[flavor] = servertest.Start(t, flavor)
	}
	for name, options := range without {
		t.Run(name, func(t *testing.T) {
			kind, _, _ := strings.Cut(name, " ")
			flavor := servertest.Flavor(kind)
			source, target := servertest.Start(t, flavor, options...), targets[flavor]
			pair := Pair{Name: "main", Source: testServer(t, source, Source, nil), Target: testServer(t, target, Target, nil)}
			source.Exec("CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)")
			hazard, variable := "H4 ", "log_bin"
			if strings.HasSuffix(name, "GTIDs") {
				hazard, variable = "H12 ", "gtid_mode"
			}
			refused := hazards(t, pair, PreflightOptions{SourceOnly: true}, Refuse)
			require.Contains(t, refused, hazard)
			require.Contains(t, refused, variable)
			requireHint(t, Seed(pair).Op.Apply(t.Context()), variable, "option file")
			require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME IN ('app', 'migrate')"))
		})
	}
}

// TestSeedOfBadInput gives one pair after another kind of bad input, each of
// which ends in one error with a hint, and goes on once that was heeded. None
// needs local_infile.
func TestSeedOfBadInput(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := startPair(t, flavor, servertest.Set("local_infile", "0"))
		source.Exec("CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, a LONGBLOB, b LONGBLOB)", "INSERT INTO app.t VALUES (2, 'small', 'row')")
		t.Run("wrong credentials", func(t *testing.T) { wrongCredentials(t, pair, source) })
		t.Run("a target that is not empty", func(t *testing.T) { notEmpty(t, pair, target) })
		t.Run("an account of another password", func(t *testing.T) {
			source.Exec("CREATE USER app@'%' IDENTIFIED BY 'one'")
			target.Exec("CREATE USER app@'%' IDENTIFIED BY 'two'")
			requireHint(t, Seed(pair).Op.Apply(t.Context()), "account `app`@`%` is on the target already", "drop the account")
			target.Exec("DROP USER app@'%'")
		})
		t.Run("a row larger than a packet", func(t *testing.T) {
			// The source's own limit does not matter.
			source.Exec("INSERT INTO app.t VALUES (1, REPEAT(x'00275c', 1000000), NULL)", "UPDATE app.t SET b = REPEAT('b', 3000000) WHERE id = 1",
				"SET GLOBAL max_allowed_packet = 4194304")
			target.Exec("SET GLOBAL max_allowed_packet = 4194304")
			requireHint(t, Seed(pair).Op.Apply(t.Context()), "write app.t", "max_allowed_packet of main (target), 4194304", "raise max_allowed_packet")
			target.Exec("SET GLOBAL max_allowed_packet = 1073741824")
		})
		require.NoError(t, apply(t, Seed(pair)))
		require.Equal(t, checksums(t, source, "app"), checksums(t, target, "app"))
		require.Equal(t, "0", target.Value("SELECT @@GLOBAL.local_infile"))
	})
}

// wrongCredentials has a password refused: the error names the setting, not the password.
func wrongCredentials(t *testing.T, pair Pair, source *servertest.Instance) {
	source.Exec("SET sql_log_bin = 0", "CREATE USER mover@localhost IDENTIFIED BY 'right'", "GRANT ALL PRIVILEGES ON *.* TO mover@localhost WITH GRANT OPTION")
	defer source.Exec("SET sql_log_bin = 0", "DROP USER mover@localhost")
	for _, side := range []Side{Source, Target} {
		wrong := pair
		s := NewServer(ServerConfig{
			Name: "main (" + string(side) + ")", Side: side, Network: "unix", Address: pair.Of(side).cfg.Address, User: "mover", Password: secret.New("hunter2"),
		})
		t.Cleanup(func() { _ = s.Close() })
		if side == Source {
			wrong.Source = s
		} else {
			wrong.Target = s
		}
		err := Seed(wrong).Op.Apply(t.Context())
		requireHint(t, err, "on main ("+string(side)+")", "Access denied", "databases[]."+string(side)+".user and password_env")
		require.NotContains(t, err.Error()+report.Hint(err), "hunter2")
		_, err = Findings(t.Context(), wrong, PreflightOptions{})
		requireHint(t, err, "password_env")
	}
}

// notEmpty has the target hold somebody's schema: it is named, and not touched.
func notEmpty(t *testing.T, pair Pair, target *servertest.Instance) {
	target.Exec("CREATE DATABASE app", "CREATE TABLE app.theirs (id INT PRIMARY KEY)", "INSERT INTO app.theirs VALUES (7)")
	requireHint(t, Seed(pair).Op.Apply(t.Context()), "already holds app, which migrate did not make", "drop those schemas")
	require.Equal(t, "7", target.Value("SELECT id FROM app.theirs"))
	require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'migrate'"))
	target.Exec("DROP DATABASE app")
}

// TestGrantOfThePreflightIsAllThatIsNeeded runs the very statement that the
// preflight names, and then seeds and links under that login.
func TestGrantOfThePreflightIsAllThatIsNeeded(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := startApp(t, flavor)
		p.source.Exec("INSERT INTO app.notes (text) VALUES ('a row')", "CREATE EVENT app.e ON SCHEDULE EVERY 1 YEAR DO SET @x = 1",
			"CREATE PROCEDURE app.p() SQL SECURITY INVOKER SELECT 1", "CREATE VIEW app.v AS SELECT * FROM app.notes")
		p.target.Exec("DROP SCHEMA app", "DROP USER writer@'%'", "DROP USER writer@localhost")
		login := func(s *servertest.Instance, side Side) *Server {
			name := "mover_" + string(side) // the source's is copied like every account
			s.Exec("SET sql_log_bin = 0", "CREATE USER "+name+"@localhost IDENTIFIED BY 'pw'")
			out := NewServer(ServerConfig{
				Name: "main (" + string(side) + ")", Side: side, Network: "unix", Address: s.Socket, User: name, Password: secret.New("pw"),
				Endpoint: func(context.Context) (Endpoint, error) { return Endpoint{"127.0.0.1", s.Port}, nil },
			})
			t.Cleanup(func() { _ = out.Close() })
			return out
		}
		pair := Pair{Name: "main", Source: login(p.source, Source), Target: login(p.target, Target), Schemas: []string{"app"}}
		require.NoError(t, p.Source.Close())
		require.NoError(t, p.Target.Close())

		requireHint(t, Seed(pair).Op.Apply(t.Context()))
		for _, s := range []*servertest.Instance{p.source, p.target} {
			findings, err := Findings(t.Context(), pair, PreflightOptions{})
			require.NoError(t, err)
			last := findings[len(findings)-1]
			require.Equal(t, "H30", last.Hazard)
			require.Contains(t, last.Found, "lacks SELECT, ")
			grant, _, ok := strings.Cut(last.Fix, ";")
			require.True(t, ok)
			require.Contains(t, grant, "GRANT ")
			s.Exec("SET sql_log_bin = 0", grant)
			for _, server := range []*Server{pair.Source, pair.Target} { // a session keeps what it had
				require.NoError(t, server.Close())
			}
		}
		require.NotContains(t, hazards(t, pair, PreflightOptions{}, Refuse), "H30")
		for _, step := range []plan.Step{
			ConfigureSource(pair), Seed(pair), Link(pair.Source, pair.Target), Link(pair.Target, pair.Source), HeartbeatTable(pair),
			Increment(pair.Source), Increment(pair.Target), RoundTrip(pair.Source, pair.Target), Events(pair.Source, pair.Schemas, false),
			Fence(pair.Source, FenceOptions{Admins: []string{"mover_source"}}), Unfence(pair.Source),
		} {
			require.NoError(t, apply(t, step), step.Name)
		}
		require.Equal(t, "1", p.target.Value("SELECT COUNT(*) FROM app.notes"))
	})
}

// TestSeedOfWhatTheTargetDoesNotKnow has a table that names something of its
// server which the target lacks, and goes on once that is there.
func TestSeedOfWhatTheTargetDoesNotKnow(t *testing.T) {
	t.Run("a parser of MySQL", func(t *testing.T) {
		pair, source, target := startPair(t, servertest.MySQL)
		const install = "INSTALL PLUGIN simple_parser SONAME 'mypluglib.so'"
		source.Exec(install, "CREATE DATABASE app", "CREATE TABLE app.ft (id INT PRIMARY KEY, t TEXT, FULLTEXT KEY t (t) WITH PARSER simple_parser)",
			"INSERT INTO app.ft VALUES (1, 'some words')")
		requireHint(t, Seed(pair).Op.Apply(t.Context()), "app.ft", "simple_parser", "H21")
		target.Exec(install)
		require.NoError(t, apply(t, Seed(pair)))
		require.Equal(t, "1", target.Value("SELECT COUNT(*) FROM app.ft WHERE MATCH (t) AGAINST ('words')"))
	})
	t.Run("encryption of MariaDB", func(t *testing.T) {
		source, target := servertest.Start(t, servertest.MariaDB, withKeys(t)...), servertest.Start(t, servertest.MariaDB)
		pair := Pair{Name: "main", Source: testServer(t, source, Source, nil), Target: testServer(t, target, Target, nil)}
		source.Exec("CREATE DATABASE app", "CREATE TABLE app.secret (id INT PRIMARY KEY) ENCRYPTED=YES", "INSERT INTO app.secret VALUES (1)")
		require.Contains(t, hazards(t, pair, PreflightOptions{}, Refuse), "H21 main (target): it has no key management, and these tables are encrypted: app.secret")
		requireHint(t, Seed(pair).Op.Apply(t.Context()), "app.secret", "H21")
		require.Equal(t, "ON", source.Value("SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME = 'encrypt_binlog'"))
	})
}

// withKeys lets a MariaDB server encrypt what it writes, its binlog included.
func withKeys(t *testing.T) []servertest.Option {
	file := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(file, []byte("1;"+strings.Repeat("0123456789abcdef", 4)+"\n"), 0o600))
	return []servertest.Option{
		servertest.Set("plugin_load_add", "file_key_management"), servertest.Set("file_key_management_filename", file), servertest.Set("encrypt_binlog", "1"),
	}
}

// TestSeedReadsCompressedAndEncryptedLogs changes rows in the window of a source
// that compresses its transactions, and on MariaDB encrypts its binlog.
func TestSeedReadsCompressedAndEncryptedLogs(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		options := []servertest.Option{servertest.Set("binlog_transaction_compression", "ON")}
		if flavor == servertest.MariaDB {
			options = append(withKeys(t), servertest.Set("log_bin_compress", "ON"), servertest.Set("log_bin_compress_min_len", "10"))
		}
		source, target := servertest.Start(t, flavor, options...), servertest.Start(t, flavor)
		pair := Pair{Name: "main", Source: testServer(t, source, Source, nil), Target: testServer(t, target, Target, nil)}
		makeLoadSchema(source)
		makeBig(source)
		goOn := seedHeld(t, pair, source)
		source.Exec("UPDATE load1.posts SET title = CONCAT(REPEAT('changed ', 8), id) WHERE id < 2000", "DELETE FROM load1.posts WHERE id BETWEEN 3000 AND 3500",
			"INSERT INTO load1.counters SELECT id, id FROM load1.posts WHERE id < 1000")
		require.NoError(t, goOn())
		require.Equal(t, checksums(t, source, "load1"), checksums(t, target, "load1"))
		replicate(t, flavor, source, target)
		source.Exec("UPDATE load1.posts SET title = REPEAT('after ', 10) WHERE id < 100")
		settle(t, pair.Source, pair.Target)
		require.Equal(t, checksums(t, source, "load1"), checksums(t, target, "load1"))
	})
}

// TestSeedOutlivesKilledSessions has every session of migrate on either server
// killed, again and again, while the source is written to.
func TestSeedOutlivesKilledSessions(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := startPair(t, flavor)
		makeLoadSchema(source)
		makeBig(source)
		stop := load(t, source)
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
			err := SeedWith(pair, SeedOptions{BytesPerSecond: 8 << 20}).Op.Apply(t.Context())
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
		require.NoError(t, Seed(pair).Op.Verify(t.Context()))
		replicate(t, flavor, source, target)
		stop()
		settle(t, pair.Source, pair.Target)
		require.Equal(t, checksums(t, source, "load1"), checksums(t, target, "load1"))
	})
}

// killOwn kills every session on a server that is migrate's.
func killOwn(ctx context.Context, s *servertest.Instance) {
	ids, err := queryStrings(ctx, s.Root(), `SELECT ID FROM information_schema.PROCESSLIST
		WHERE (USER LIKE 'migrate%' OR IS_USED_LOCK(CONCAT(?, ID)) = ID OR INFO LIKE '%`+"`load1`.`big`"+`%' OR COMMAND LIKE 'Binlog Dump%') AND ID <> CONNECTION_ID()`, sessionLock)
	if err != nil {
		return
	}
	for _, id := range ids {
		_, _ = s.Root().ExecContext(ctx, fmt.Sprintf("KILL %s", id)) // it may have ended
	}
}
