package verify

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// unlogged runs statements that do not reach the other side.
func unlogged(s *servertest.Instance, statements ...string) {
	s.Exec(append(append([]string{"SET sql_log_bin = 0, sql_mode = '', foreign_key_checks = 0"}, statements...),
		"SET sql_log_bin = 1, sql_mode = DEFAULT, foreign_key_checks = 1")...)
}

func TestVerifyFindsEveryDifference(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeTypeTables(t, flavor, source)
		source.Exec("CREATE USER app@'%' IDENTIFIED BY 'one'", "GRANT SELECT ON types.* TO app@'%'",
			"CREATE VIEW types.v AS SELECT 1 AS one", "CREATE TABLE types.pairs (a INT)", "INSERT INTO types.pairs VALUES (1),(1),(2)")
		require.NoError(t, seed.Step(pair).Op.Apply(t.Context()))
		replicationtest.Replicate(t, flavor, source, target)
		replicationtest.Settle(t, pair.Source, pair.Target)
		verify := func() Report {
			report, err := Run(t.Context(), pair, Options{ChunkRows: 2})
			require.NoError(t, err)
			return report
		}
		report := verify()
		require.True(t, report.Clean(), "%v", report.Differences)
		require.Positive(t, report.Accounts)
		require.NotEmpty(t, report.GTIDs)

		for _, tt := range []struct{ damage, object, what string }{
			{"UPDATE types.texts SET c = 'trail' , b = 'a' WHERE id = 1", "types.texts", "differs"},
			{"DELETE FROM types.times WHERE id = 3", "types.times", "missing on"},
			{"INSERT INTO types.numbers (id) VALUES (99)", "types.numbers", "only on"},
			{"INSERT INTO types.empty VALUES (1)", "types.empty", "only on"},
			{"UPDATE types.counter SET t = NULL WHERE id = 1", "types.counter", "differs"},
			{"UPDATE types.parts SET k = 'A' WHERE id = 1", "types.parts", "differs"},
			{"UPDATE types.shapes SET g = ST_GeomFromText('POINT(1 1)', 0) WHERE id = 1", "types.shapes", "differs"},
			{"UPDATE types.`odd ``names` SET `näme` = 0 WHERE `select` = 'y'", "types.odd `names", "differs"},
			{"UPDATE types.pairs SET a = 2 WHERE a = 1", "types.pairs", "no primary key"},
			{"UPDATE types.generated SET hidden = 6 WHERE a = 1", "types.generated", "no primary key"},
			{"CREATE OR REPLACE VIEW types.v AS SELECT 2 AS one", "view types.v", "defined otherwise"},
			{"ALTER USER app@'%' IDENTIFIED BY 'two'", "account `app`@`%`", "another password"},
			{"GRANT INSERT ON types.* TO app@'%'", "account `app`@`%`", "other grants"},
			{"CREATE USER stray@'%' IDENTIFIED BY 'x'", "account `stray`@`%`", "only on"},
			{"CREATE PROCEDURE types.stray() SELECT 1", "procedure types.stray", "only on"},
		} {
			unlogged(target, tt.damage)
			report, found := verify(), false
			for _, d := range report.Differences {
				found = found || d.Object == tt.object && strings.Contains(d.What, tt.what)
			}
			require.True(t, found, "%s: %v", tt.damage, report.Differences)
		}
		report = verify()
		require.Len(t, report.Differences, 14, "%v", report.Differences)
		capped, err := Run(t.Context(), pair, Options{MaxDifferences: 1})
		require.NoError(t, err)
		require.Len(t, capped.Differences, 1)
		require.Greater(t, capped.Found, int64(1))
	})
}

func TestVerifySeesOneBitOfAFloat(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		source.Exec("CREATE DATABASE f", "CREATE TABLE f.t (id INT PRIMARY KEY, f FLOAT)", "INSERT INTO f.t VALUES (1, 0.1)")
		require.NoError(t, seed.Step(pair).Op.Apply(t.Context()))
		replicationtest.Replicate(t, flavor, source, target)
		replicationtest.Settle(t, pair.Source, pair.Target)
		unlogged(target, "UPDATE f.t SET f = 0.10000000894069672e0")
		require.Equal(t, source.Value("SELECT CAST(f AS CHAR) FROM f.t"), target.Value("SELECT CAST(f AS CHAR) FROM f.t"), "its text hides it")
		report, err := Run(t.Context(), pair, Options{})
		require.NoError(t, err)
		require.Equal(t, []Difference{{Object: "f.t", Key: "1", What: "differs"}}, report.Differences)
	})
}

func TestVerifyFailsWhenTheLinkDoesNotRun(t *testing.T) {
	pair, source, _ := replicationtest.Start(t, servertest.MariaDB)
	replicationtest.MakeLoadSchema(source)
	require.NoError(t, seed.Step(pair).Op.Apply(t.Context()))
	source.Exec("INSERT INTO load1.counters VALUES (1, 1)")
	_, err := Run(t.Context(), pair, Options{Wait: 100 * time.Millisecond})
	require.ErrorContains(t, err, "has not executed")
}
