package verify

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
)

// fencedPair is a seeded, linked pair whose target is fenced.
func fencedPair(t *testing.T, flavor servertest.Flavor, fill func(source *servertest.Instance)) *replicationtest.Pair {
	t.Helper()
	p := replicationtest.StartApp(t, flavor)
	p.Schemas = nil
	for _, s := range []*servertest.Instance{p.SourceInstance, p.TargetInstance} {
		s.Exec(dialect.Unlogged, "DROP USER writer@'%', writer@localhost", "SET SESSION sql_log_bin = 1") // their salts differ
	}
	require.NoError(t, replicationtest.Apply(t, link.Start(p.Source, p.Target)))
	require.NoError(t, replicationtest.Apply(t, link.Start(p.Target, p.Source)))
	fill(p.SourceInstance)
	replicationtest.Settle(t, p.Source, p.Target)
	require.NoError(t, fence.Set(p.Target, fence.Options{}).Op.Apply(t.Context()))
	return p
}

// plant changes the fenced target without its binlog, as no application can.
func plant(t *testing.T, p *replicationtest.Pair, statements ...string) {
	t.Helper()
	settings := []string{dialect.Unlogged, wire.ReadCommitted, "SET SESSION foreign_key_checks = 0, sql_mode = ''"}
	require.NoError(t, account.AsAdmin(t.Context(), p.Target, settings, func(ctx context.Context, s *replication.Session) error {
		for _, statement := range statements {
			if _, err := s.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}))
}

func TestRepairWritesWhatDiffersAndNothingElse(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := fencedPair(t, flavor, func(s *servertest.Instance) {
			replicationtest.MakeTypeTables(t, flavor, s)
			s.Exec("CREATE TABLE app.uniques (id INT PRIMARY KEY, u INT UNIQUE)", "INSERT INTO app.uniques VALUES (1,10),(2,20),(3,30)",
				"CREATE TABLE app.words (w VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, n INT, PRIMARY KEY (w))", "INSERT INTO app.words VALUES ('A', 1), ('b', 2), ('ü\\'x', 3)",
				"CREATE TABLE app.heap (a INT)", "INSERT INTO app.heap VALUES (1),(2)",
				"CREATE TABLE app.fires (id INT PRIMARY KEY, n INT)", "INSERT INTO app.fires VALUES (1,1)",
				"CREATE TRIGGER app.fires_in BEFORE INSERT ON app.fires FOR EACH ROW SET NEW.n = NEW.n + 1")
		})
		plant(t, p, "UPDATE types.texts SET c = 'bad' WHERE id IN (1, 4, 5)", "DELETE FROM types.numbers WHERE id IN (1, 6, 8)", "INSERT INTO types.times (id) VALUES (99)",
			"UPDATE types.times SET d = NULL", "UPDATE types.shapes SET g = NULL, j = NULL", "DELETE FROM types.parts", "UPDATE types.`odd ``names` SET `näme` = 7",
			"UPDATE app.uniques SET u = NULL", "UPDATE app.uniques SET u = 20 WHERE id = 1", "UPDATE app.uniques SET u = 10 WHERE id = 2",
			"UPDATE app.words SET w = 'a' WHERE w = 'A'", "UPDATE app.words SET n = 9 WHERE n = 3",
			"DELETE FROM app.heap WHERE a = 2", "UPDATE app.fires SET n = 5")
		binlogs := func() [2]string {
			return [2]string{executedText(t, p.Source), executedText(t, p.Target)}
		}
		before := binlogs()
		var told, said []string
		report, err := Repair(t.Context(), p.Pair, RepairOptions{
			Found: func(r Report) error {
				require.Empty(t, said, "what differs is said before anything is written")
				for _, d := range r.Differences {
					told = append(told, d.String())
				}
				return nil
			},
			Writes: func(text string) error { said = append(said, text); return nil },
		})
		require.NoError(t, err)
		require.Equal(t, before, binlogs(), "a repair is in no binlog")
		require.Len(t, told, int(report.Before.Found))
		require.NotEmpty(t, said)
		require.Len(t, report.Left, 2, "%v", report.Left)
		require.Contains(t, report.Left[0].String(), "app.fires key 1: not repaired: its trigger fires_in would fire")
		require.Contains(t, report.Left[1].String(), "app.heap: not repaired: no key")
		require.Len(t, report.After.Differences, 2, "%v", report.After.Differences)
		require.Equal(t, int(report.Before.Found)-2, len(report.Written), "%v", report.Written)
		require.Equal(t, "5", p.TargetInstance.Value("SELECT n FROM app.fires"))
		require.Equal(t, "1", p.TargetInstance.Value("SELECT COUNT(*) FROM app.heap"))
		plant(t, p, "DROP TRIGGER app.fires_in", "DELETE FROM app.fires", "INSERT INTO app.fires VALUES (1,1)", "INSERT INTO app.heap VALUES (2)")
		replicationtest.RequireSameRows(t, "types", p.SourceInstance, p.TargetInstance)
		replicationtest.RequireSameRows(t, "app", p.SourceInstance, p.TargetInstance)
		closed, err := fence.ReadRunning(t.Context(), p.Target)
		require.NoError(t, err)
		require.True(t, closed.Closed, "still fenced")
		p.SourceInstance.Exec("UPDATE types.texts SET c = 'goes on'", "DELETE FROM types.numbers WHERE id = 1", "INSERT INTO app.uniques VALUES (4, 40)")
		replicationtest.Settle(t, p.Source, p.Target)
		replicationtest.Settle(t, p.Target, p.Source)
		replicationtest.RequireSameRows(t, "types", p.SourceInstance, p.TargetInstance)
	})
}

func TestRepairIsRefusedWhileTheTargetIsOpen(t *testing.T) {
	p := replicationtest.StartApp(t, servertest.MariaDB)
	require.NoError(t, replicationtest.Apply(t, link.Start(p.Source, p.Target)))
	unlogged(p.TargetInstance, "INSERT INTO app.notes (text) VALUES ('stray')")
	_, err := Repair(t.Context(), p.Pair, RepairOptions{})
	require.ErrorContains(t, err, "is not fenced")
	require.NotEmpty(t, report.Hint(err))
	require.Equal(t, "1", p.TargetInstance.Value("SELECT COUNT(*) FROM app.notes"))
}

// TestRepairAfterAKilledRepair: a repair of MySQL that is killed leaves read_only alone;
// the next repair completes the fence.
func TestRepairAfterAKilledRepair(t *testing.T) {
	p := fencedPair(t, servertest.MySQL, func(*servertest.Instance) {})
	plant(t, p, "INSERT INTO app.notes (text) VALUES ('stray')")
	p.TargetInstance.Exec("SET GLOBAL super_read_only = 0")
	report, err := Repair(t.Context(), p.Pair, RepairOptions{})
	require.NoError(t, err)
	require.True(t, report.After.Clean())
	require.Equal(t, "1", p.TargetInstance.Value("SELECT @@GLOBAL.super_read_only"))
	p.TargetInstance.Exec("SET GLOBAL super_read_only = 0", "RESET PERSIST super_read_only")
	_, err = Repair(t.Context(), p.Pair, RepairOptions{})
	require.ErrorContains(t, err, "is not fenced", "somebody has let clients in on purpose")
}

func TestRepairEndsWhenItCannotReport(t *testing.T) {
	p := fencedPair(t, servertest.MariaDB, func(*servertest.Instance) {})
	plant(t, p, "INSERT INTO app.notes (text) VALUES ('stray')")
	broken := errors.New("the journal is full")
	_, err := Repair(t.Context(), p.Pair, RepairOptions{Found: func(Report) error { return broken }})
	require.ErrorIs(t, err, broken)
	_, err = Repair(t.Context(), p.Pair, RepairOptions{Writes: func(string) error { return broken }})
	require.ErrorIs(t, err, broken)
	require.Equal(t, "1", p.TargetInstance.Value("SELECT COUNT(*) FROM app.notes"))
}

// TestRepairUnderLoad damages rows while writers change, delete and insert the same rows,
// and the repair runs beside the link's applier: the link must not stop, and both sides
// agree in the end.
func TestRepairUnderLoad(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := fencedPair(t, flavor, func(s *servertest.Instance) { replicationtest.MakeLoadSchema(s) })
		stop := replicationtest.Load(t, p.SourceInstance)
		defer stop()
		written := 0
		for round := range 3 {
			// Rows that the writers change and delete, too; a row that was missing then would stop the link by itself.
			var damage []string
			for id := range 100 {
				damage = append(damage, fmt.Sprintf("UPDATE load1.posts SET title = 'bad' WHERE id = %d", 10*id+round))
			}
			plant(t, p, append(damage, fmt.Sprintf("DELETE FROM load1.posts WHERE id IN (3%d01, 3%[1]d02, 3%[1]d03)", round), fmt.Sprintf("INSERT INTO load1.posts (id) VALUES (100000%d)", round))...)
			report, err := Repair(t.Context(), p.Pair, RepairOptions{})
			require.NoError(t, err)
			written += len(report.Written)
			t.Logf("round %d: found %d, wrote %d, left %v", round, report.Before.Found, len(report.Written), report.Left)
		}
		require.Positive(t, stop())
		require.Positive(t, written)
		replicationtest.Settle(t, p.Source, p.Target)
		report, err := Repair(t.Context(), p.Pair, RepairOptions{})
		require.NoError(t, err)
		require.True(t, report.After.Clean(), "%v", report.After.Differences)
		replicationtest.RequireSameRows(t, "load1", p.SourceInstance, p.TargetInstance)
	})
}

func executedText(t *testing.T, s *replication.Server) string {
	set, err := replication.Executed(t.Context(), s)
	require.NoError(t, err)
	return set.String()
}
