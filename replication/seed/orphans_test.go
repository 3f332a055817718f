package seed

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/table"
)

// TestSeedFindsOrphansOfParentsThatItNeverSaw gives the target children whose parent came and
// went on the source before its row was read: the children were read in between. The values
// of such parents are in the log.
func TestSeedFindsOrphansOfParentsThatItNeverSaw(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor, followOptions(flavor)...)
		source.Exec("CREATE DATABASE numbers", "CREATE TABLE numbers.n (seq INT PRIMARY KEY)", "INSERT INTO numbers.n VALUES (1), (2), (3), (4)", "CREATE DATABASE app")
		for _, s := range threeLevels {
			source.Exec(strings.ReplaceAll(s, "#", "app"))
		}
		run := openRun(t, pair, Options{})
		require.NoError(t, run.copyAll(t.Context()))
		_, err := run.round(t.Context(), true)
		require.NoError(t, err)

		workers, err := run.openWorkerConns(t.Context())
		require.NoError(t, err)
		defer func() {
			for _, w := range workers {
				w.close()
			}
		}()
		c := &rowSync{changes: newChanges(run.known, run.schemas, run.mismatches, run.prepared, run.copiedSince), segmentKeys: 3, workers: workers, orphaned: run.orphaned}
		post, _ := run.known.get(table.Name{Schema: "app", Name: "post"})
		reply, _ := run.known.get(table.Name{Schema: "app", Name: "reply"})
		k := &run.known.cascades[post.id()][slices.IndexFunc(run.known.cascades[post.id()], func(k cascade) bool { return k.child == reply.id() })]
		segment := func(values ...string) *logSegment {
			s := newLogSegment(run.known)
			for _, v := range values {
				s.addReference(reply, reference{cascade: k, value: table.Key{v}, orphansOf: post})
			}
			return s
		}

		target.Exec("SET SESSION foreign_key_checks = 0", "INSERT INTO app.reply VALUES (101, 50, 0), (102, 50, 0), (103, 50, 0), (104, 50, 0), (105, 51, 0)",
			"INSERT INTO app.likes VALUES (201, 101), (202, 3)")
		source.Exec("INSERT INTO app.likes VALUES (202, 3)")
		require.NoError(t, c.syncSegment(t.Context(), segment("50", "51", "3")))
		require.Empty(t, c.orphaned)
		requireSameKeyed(t, run, "app", source, target)

		// A child whose parent is missing on the target only is looked for again in the next segment.
		source.Exec("INSERT INTO app.post VALUES (60, 1, 0)", "INSERT INTO app.reply VALUES (106, 60, 0)")
		target.Exec("SET SESSION foreign_key_checks = 0", "INSERT INTO app.reply VALUES (106, 60, 0)")
		require.NoError(t, c.syncSegment(t.Context(), segment("60")))
		require.Len(t, c.orphaned, 1)
		source.Exec("DELETE FROM app.post WHERE id = 60")
		require.NoError(t, c.syncSegment(t.Context(), newLogSegment(run.known)))
		require.Empty(t, c.orphaned)
		requireSameKeyed(t, run, "app", source, target)
	})
}
