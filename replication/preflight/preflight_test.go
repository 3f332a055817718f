package preflight

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/setting"
	"github.com/dcmigrate/migrate/report"
)

// hazards lists the findings of a severity, one per line.
func hazards(t *testing.T, pair replication.Pair, opts Options, severity Severity) string {
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
		pair, source, _ := replicationtest.Start(t, flavor)
		source.Exec("CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)")
		require.Empty(t, hazards(t, pair, Options{}, Refuse))
		plantest.Exercise(t, Step(pair, Options{}))
		plantest.Exercise(t, Step(pair, Options{SourceOnly: true, Dual: true}))
	})
}

// TestPreflightListsAllThatItRefuses has settings that only a server's start can make.
func TestPreflightListsAllThatItRefuses(t *testing.T) {
	s := servertest.Start(t, servertest.MariaDB, servertest.Set("binlog_do_db", "app"), servertest.Set("log_slave_updates", "0"),
		servertest.Set("slave_skip_errors", "1062"), servertest.Set("gtid_strict_mode", "0"))
	pair := replication.Pair{Name: "main", Source: replicationtest.Server(t, s, replication.Source, nil)}
	s.Exec("CREATE DATABASE app", "SET GLOBAL slave_run_triggers_for_rbr = 'YES'")
	require.Contains(t, hazards(t, pair, Options{SourceOnly: true}, Warn), "H13 main (source): gtid_strict_mode is off")
	err := Step(pair, Options{SourceOnly: true}).Op.Apply(t.Context())
	for _, want := range []string{
		"H18 main (source): binlog_do_db is set: app", "H12 main (source): log_slave_updates", "H23 main (source): slave_skip_errors is 1062",
		"H9 main (source): triggers would fire again",
	} {
		require.ErrorContains(t, err, want, "a refusal lists all")
	}
	require.NotEmpty(t, report.Hint(err))
}

func TestPreflightRefusesAnotherFlavor(t *testing.T) {
	source, target := servertest.Start(t, servertest.MariaDB), servertest.Start(t, servertest.MySQL)
	pair := replication.Pair{Name: "main", Source: replicationtest.Server(t, source, replication.Source, nil), Target: replicationtest.Server(t, target, replication.Target, nil)}
	require.Contains(t, hazards(t, pair, Options{}, Refuse), "H25 ")
}

func TestPreflightNamesThePrivilegesThatTheLoginLacks(t *testing.T) {
	s := servertest.Start(t, servertest.MariaDB)
	s.Exec("CREATE USER weak@localhost", "GRANT SELECT, REPLICA MONITOR, BINLOG MONITOR ON *.* TO weak@localhost")
	weak := replication.NewServer(replication.ServerConfig{Name: "db1", Side: replication.Source, Network: "unix", Address: s.Socket, User: "weak"})
	t.Cleanup(func() { _ = weak.Close() })
	require.Contains(t, hazards(t, replication.Pair{Name: "main", Source: weak}, Options{SourceOnly: true}, Refuse), "lacks SHOW VIEW, EVENT")
}

func TestStepsAreUnknownBeforeTheTargetIsMade(t *testing.T) {
	source := servertest.Start(t, servertest.MariaDB)
	pair := replication.Pair{Name: "main", Source: replicationtest.Server(t, source, replication.Source, nil), Target: replication.NewServer(replication.ServerConfig{
		Name: "main (target)", Side: replication.Target, Host: replicationtest.AbsentHost{}, Network: "unix", Address: "/none", User: "root",
	})}
	for _, step := range []plan.Step{seed.Step(pair), setting.ConfigureTarget(pair), Step(pair, Options{})} {
		state, err := step.Op.Check(t.Context())
		require.NoError(t, err, step.Name)
		require.True(t, state.Unknown, step.Name)
		require.NoError(t, step.Op.Undo(t.Context(), json.RawMessage(`{}`)), step.Name)
	}
}
