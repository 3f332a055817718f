package replication

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// hazards lists the findings of a severity as "H7 text".
func hazards(t *testing.T, pair Pair, opts PreflightOptions, severity Severity) string {
	findings, err := Findings(t.Context(), pair, opts)
	require.NoError(t, err)
	var lines []string
	for _, f := range findings {
		require.NotEmpty(t, f.Fix, f.Found)
		if f.Severity == severity {
			lines = append(lines, f.String())
		}
	}
	return strings.Join(lines, "\n")
}

func TestPreflightExercise(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, _ := startPair(t, flavor)
		source.Exec("CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)")
		require.Empty(t, hazards(t, pair, PreflightOptions{}, Refuse))
		plantest.Exercise(t, Preflight(pair, PreflightOptions{}))
		plantest.Exercise(t, Preflight(pair, PreflightOptions{SourceOnly: true, Dual: true}))
	})
}

func TestPreflightNamesEveryHazard(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		sourceOptions := []servertest.Option{servertest.Set("server_id", "5"), servertest.Set("binlog_row_image", "MINIMAL"), servertest.Set("sync_binlog", "0")}
		targetOptions := []servertest.Option{servertest.Set("server_id", "5"), servertest.Set("sql_mode", "ANSI")}
		if flavor == servertest.MariaDB {
			sourceOptions = append(sourceOptions, servertest.Set("binlog_format", "MIXED"), servertest.Set("gtid_domain_id", "3"), servertest.Set("binlog_do_db", "app"))
			targetOptions = append(targetOptions, servertest.Set("gtid_domain_id", "3"), servertest.Set("slave_exec_mode", "IDEMPOTENT"))
		}
		source, target := servertest.Start(t, flavor, sourceOptions...), servertest.Start(t, flavor, targetOptions...)
		pair := Pair{Name: "main", Source: server(t, Source, source), Target: server(t, Target, target)}
		source.Exec("CREATE DATABASE app", "CREATE TABLE app.keyless (a INT)", "CREATE TABLE app.my (id INT PRIMARY KEY) ENGINE=MyISAM",
			"CREATE TABLE app.p (id INT PRIMARY KEY)", "CREATE TABLE app.c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES app.p (id) ON DELETE CASCADE)",
			"CREATE USER gone@'%'", "CREATE DEFINER=gone@'%' VIEW app.v AS SELECT 1", "DROP USER gone@'%'",
			"CREATE USER boss@'%'", "GRANT ALL ON *.* TO boss@'%'")

		refused := hazards(t, pair, PreflightOptions{}, Refuse)
		for _, want := range []string{"H4 db1 (source): binlog_row_image", "H21 db1 (source): 1 tables", "app.my (MyISAM)", "H11 db1 (target): server_id is 5", "H17 db1 (target): sql_mode"} {
			require.Contains(t, refused, want)
		}
		warned := hazards(t, pair, PreflightOptions{}, Warn)
		require.Contains(t, warned, "H7 db1 (source): 1 tables have no primary key: app.keyless")
		require.Contains(t, warned, "H9 db1 (source): definers do not exist: view app.v")
		require.Contains(t, warned, "H20 ")
		require.Contains(t, hazards(t, pair, PreflightOptions{Dual: true}, Refuse), "H7 ")
		if flavor == servertest.MariaDB {
			for _, want := range []string{"H4 db1 (source): binlog_format", "H13 db1 (target)", "H14 db1 (source): these accounts write through read_only: 'boss'@'%'", "H18 db1 (source): binlog_do_db", "H23 db1 (target)"} {
				require.Contains(t, refused, want)
			}
			require.Contains(t, warned, "H10 db1 (source): cascades")
			require.NotContains(t, hazards(t, pair, PreflightOptions{Admins: []string{"boss"}}, Refuse), "H14")
		}
		err := Preflight(pair, PreflightOptions{}).Op.Apply(t.Context())
		require.ErrorContains(t, err, "H4 ")
		require.ErrorContains(t, err, "H21 ", "a refusal lists all")
	})
}

func TestPreflightRefusesAnotherFlavor(t *testing.T) {
	source, target := servertest.Start(t, servertest.MariaDB), servertest.Start(t, servertest.MySQL)
	pair := Pair{Name: "main", Source: server(t, Source, source), Target: server(t, Target, target)}
	require.Contains(t, hazards(t, pair, PreflightOptions{}, Refuse), "H25 ")
}

func TestPreflightNamesThePrivilegesThatTheLoginLacks(t *testing.T) {
	s := servertest.Start(t, servertest.MariaDB)
	s.Exec("CREATE USER weak@localhost", "GRANT SELECT, REPLICA MONITOR, BINLOG MONITOR ON *.* TO weak@localhost")
	weak := NewServer(ServerConfig{Name: "db1", Side: Source, Network: "unix", Address: s.Socket, User: "weak"})
	t.Cleanup(func() { _ = weak.Close() })
	require.Contains(t, hazards(t, Pair{Name: "main", Source: weak}, PreflightOptions{SourceOnly: true}, Refuse), "lacks CREATE USER")
}
