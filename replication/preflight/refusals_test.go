package preflight

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/setting"
	"github.com/dcmigrate/migrate/secret"
)

// TestSeedOfASourceWithoutBinlog: the seed ends before it makes anything, and names the
// setting.
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
			pair := replication.Pair{Name: "main", Source: replicationtest.Server(t, source, replication.Source, nil), Target: replicationtest.Server(t, target, replication.Target, nil)}
			source.Exec("CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)")
			hazard, variable := "H4 ", "log_bin"
			if strings.HasSuffix(name, "GTIDs") {
				hazard, variable = "H12 ", "gtid_mode"
			}
			refused := hazards(t, pair, Options{SourceOnly: true}, Refuse)
			require.Contains(t, refused, hazard)
			require.Contains(t, refused, variable)
			replicationtest.RequireHint(t, seed.Step(pair).Op.Apply(t.Context()), variable, "option file")
			require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME IN ('app', 'migrate')"))
		})
	}
}

// TestGrantOfThePreflightIsAllThatIsNeeded runs the statement that the preflight names, and
// then seeds and links with that login.
func TestGrantOfThePreflightIsAllThatIsNeeded(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		p.SourceInstance.Exec("INSERT INTO app.notes (text) VALUES ('a row')", "CREATE EVENT app.e ON SCHEDULE EVERY 1 YEAR DO SET @x = 1",
			"CREATE PROCEDURE app.p() SQL SECURITY INVOKER SELECT 1", "CREATE VIEW app.v AS SELECT * FROM app.notes")
		p.TargetInstance.Exec("DROP SCHEMA app", "DROP USER writer@'%'", "DROP USER writer@localhost")
		login := func(s *servertest.Instance, side replication.Side) *replication.Server {
			name := "mover_" + string(side) // the source's is copied like every account
			s.Exec("SET sql_log_bin = 0", "CREATE USER "+name+"@localhost IDENTIFIED BY 'pw'")
			out := replication.NewServer(replication.ServerConfig{
				Name: "main (" + string(side) + ")", Side: side, Network: "unix", Address: s.Socket, User: name, Password: secret.New("pw"),
				Endpoint: func(context.Context) (replication.Endpoint, error) {
					return replication.Endpoint{Host: "127.0.0.1", Port: s.Port}, nil
				},
			})
			t.Cleanup(func() { _ = out.Close() })
			return out
		}
		pair := replication.Pair{Name: "main", Source: login(p.SourceInstance, replication.Source), Target: login(p.TargetInstance, replication.Target), Schemas: []string{"app"}}
		require.NoError(t, p.Source.Close())
		require.NoError(t, p.Target.Close())

		replicationtest.RequireHint(t, seed.Step(pair).Op.Apply(t.Context()))
		for _, s := range []*servertest.Instance{p.SourceInstance, p.TargetInstance} {
			findings, err := Findings(t.Context(), pair, Options{})
			require.NoError(t, err)
			last := findings[len(findings)-1]
			require.Equal(t, "H30", last.Hazard)
			require.Contains(t, last.Found, "lacks SELECT, ")
			grant, _, ok := strings.Cut(last.Fix, ";")
			require.True(t, ok)
			require.Contains(t, grant, "GRANT ")
			s.Exec("SET sql_log_bin = 0", grant)
			for _, server := range []*replication.Server{pair.Source, pair.Target} { // a session keeps what it had
				require.NoError(t, server.Close())
			}
		}
		require.NotContains(t, hazards(t, pair, Options{}, Refuse), "H30")
		for _, step := range []plan.Step{
			setting.ConfigureSource(pair), seed.Step(pair), link.Start(pair.Source, pair.Target), link.Start(pair.Target, pair.Source), link.HeartbeatTable(pair),
			link.Increment(pair.Source), link.Increment(pair.Target), link.RoundTrip(pair.Source, pair.Target), schema.Events(pair.Source, pair.Schemas, false),
			fence.Set(pair.Source, fence.Options{Admins: []string{"mover_source"}}), fence.Lift(pair.Source),
		} {
			require.NoError(t, replicationtest.Apply(t, step), step.Name)
		}
		require.Equal(t, "1", p.TargetInstance.Value("SELECT COUNT(*) FROM app.notes"))
	})
}

// TestSeedOfWhatTheTargetLacks has a table that needs what the target lacks; the seed
// continues once the target has it.
func TestSeedOfWhatTheTargetLacks(t *testing.T) {
	t.Run("a parser of MySQL", func(t *testing.T) {
		pair, source, target := replicationtest.Start(t, servertest.MySQL)
		const install = "INSTALL PLUGIN simple_parser SONAME 'mypluglib.so'"
		source.Exec(install, "CREATE DATABASE app", "CREATE TABLE app.ft (id INT PRIMARY KEY, t TEXT, FULLTEXT KEY t (t) WITH PARSER simple_parser)",
			"INSERT INTO app.ft VALUES (1, 'some words')")
		replicationtest.RequireHint(t, seed.Step(pair).Op.Apply(t.Context()), "app.ft", "simple_parser", "H21")
		target.Exec(install)
		require.NoError(t, replicationtest.Apply(t, seed.Step(pair)))
		require.Equal(t, "1", target.Value("SELECT COUNT(*) FROM app.ft WHERE MATCH (t) AGAINST ('words')"))
	})
	t.Run("encryption of MariaDB", func(t *testing.T) {
		source, target := servertest.Start(t, servertest.MariaDB, replicationtest.EncryptedBinlog(t)...), servertest.Start(t, servertest.MariaDB)
		pair := replication.Pair{Name: "main", Source: replicationtest.Server(t, source, replication.Source, nil), Target: replicationtest.Server(t, target, replication.Target, nil)}
		source.Exec("CREATE DATABASE app", "CREATE TABLE app.secret (id INT PRIMARY KEY) ENCRYPTED=YES", "INSERT INTO app.secret VALUES (1)")
		require.Contains(t, hazards(t, pair, Options{}, Refuse), "H21 main (target): it has no key management, and these tables are encrypted: app.secret")
		replicationtest.RequireHint(t, seed.Step(pair).Op.Apply(t.Context()), "app.secret", "H21")
		require.Equal(t, "ON", source.Value("SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME = 'encrypt_binlog'"))
	})
}
