package seed

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// followOptions make a server leave the actions of foreign keys to InnoDB, which does not
// log them.
func followOptions(flavor servertest.Flavor) []servertest.Option {
	if flavor == servertest.MySQL {
		return []servertest.Option{servertest.Set("innodb_native_foreign_keys", "ON")}
	}
	return nil
}

// openRun begins a seed with an open reader of the log, for its parts to be called.
func openRun(t *testing.T, pair replication.Pair, options Options) *run {
	t.Helper()
	op, ok := StepWith(pair, options).Op.(*Op)
	require.True(t, ok)
	run := op.newRun()
	_, err := run.begin(t.Context())
	require.NoError(t, err)
	run.reader, err = binlog.Open(t.Context(), pair.Source)
	require.NoError(t, err)
	t.Cleanup(func() { _ = run.reader.Close(context.WithoutCancel(t.Context())) })
	return run
}

// copyOnly copies the rows of some tables.
func copyOnly(t *testing.T, run *run, names ...string) {
	t.Helper()
	require.NoError(t, run.eachBatch(t.Context(), func(ctx context.Context, b tableBatch) error {
		for id, note := range b.noted {
			if !slices.Contains(names, id.Schema+"."+id.Name) {
				note.parts = nil
			}
		}
		return run.copyRanges(ctx, b)
	}))
}

// chain is a case of foreign keys that act.
type chain struct {
	name   string
	tables []string   // statements; # is the schema
	first  []string   // tables that are copied before the first step, all others after it
	steps  [][]string // statements, and a round after each step
}

const (
	blogs = "CREATE TABLE #.blog (id INT PRIMARY KEY, code VARCHAR(20) UNIQUE, v INT)"
	posts = "CREATE TABLE #.post (id INT PRIMARY KEY, blog INT, v INT, FOREIGN KEY (blog) REFERENCES #.blog (id) ON DELETE CASCADE ON UPDATE CASCADE)"
	reply = "CREATE TABLE #.reply (id INT PRIMARY KEY, post INT, v INT, FOREIGN KEY (post) REFERENCES #.post (id) ON DELETE CASCADE ON UPDATE CASCADE)"
	likes = "CREATE TABLE #.likes (id INT PRIMARY KEY, reply INT, FOREIGN KEY (reply) REFERENCES #.reply (id) ON DELETE SET NULL ON UPDATE CASCADE)"
	other = "CREATE TABLE #.other (id INT PRIMARY KEY, v INT)"

	fillOther = "INSERT INTO #.other SELECT seq, 0 FROM numbers.n WHERE seq <= 20"
	changes20 = "UPDATE #.other SET v = v + 1"
)

var threeLevels = []string{
	blogs, posts, reply, likes, other, fillOther, "INSERT INTO #.blog SELECT seq, CONCAT('c', seq), 0 FROM numbers.n WHERE seq <= 9",
	"INSERT INTO #.post SELECT seq, seq, 0 FROM numbers.n WHERE seq <= 9", "INSERT INTO #.reply SELECT seq, seq, 0 FROM numbers.n WHERE seq <= 9",
	"INSERT INTO #.likes SELECT seq, seq FROM numbers.n WHERE seq <= 9",
}

var compositeLevels = []string{
	blogs, "CREATE TABLE #.post (blog INT, n INT, v INT, PRIMARY KEY (blog, n), FOREIGN KEY (blog) REFERENCES #.blog (id) ON DELETE CASCADE ON UPDATE CASCADE)",
	"CREATE TABLE #.reply (blog INT, n INT, m INT, v INT, PRIMARY KEY (blog, n, m), FOREIGN KEY (blog, n) REFERENCES #.post (blog, n) ON DELETE CASCADE ON UPDATE CASCADE)",
	"CREATE TABLE #.likes (id INT PRIMARY KEY, blog INT, n INT, m INT, KEY (blog, n, m), FOREIGN KEY (blog, n, m) REFERENCES #.reply (blog, n, m) ON DELETE CASCADE ON UPDATE CASCADE)",
	other, fillOther, "INSERT INTO #.blog SELECT seq, CONCAT('c', seq), 0 FROM numbers.n WHERE seq <= 9", "INSERT INTO #.post SELECT seq, seq, 0 FROM numbers.n WHERE seq <= 9",
	"INSERT INTO #.reply SELECT seq, seq, seq, 0 FROM numbers.n WHERE seq <= 9", "INSERT INTO #.likes SELECT seq, seq, seq, seq FROM numbers.n WHERE seq <= 9",
}

var tree = []string{
	"CREATE TABLE #.node (id INT PRIMARY KEY, parent INT, v INT, FOREIGN KEY (parent) REFERENCES #.node (id) ON DELETE CASCADE)", other, fillOther,
	"INSERT INTO #.node VALUES (1, NULL, 0), (2, 1, 0), (9, 2, 0), (5, 9, 0), (7, 5, 0), (11, NULL, 0), (12, 11, 0), (13, 12, 0)",
}

func chains(flavor servertest.Flavor) []chain {
	out := []chain{
		{"an update of the middle long before the root is deleted", threeLevels, nil, [][]string{{"UPDATE #.post SET v = 1 WHERE id = 3", changes20, changes20, "DELETE FROM #.blog WHERE id = 3"}}},
		{"the middle is read before, the root deleted in another round", threeLevels, nil, [][]string{{"UPDATE #.reply SET v = 1 WHERE id = 3"}, {"UPDATE #.post SET v = 2", changes20, "DELETE FROM #.blog WHERE id IN (3, 4)", changes20}}},
		{"keys that change over all levels", compositeLevels, nil, [][]string{
			{"UPDATE #.post SET v = 1", changes20, "UPDATE #.blog SET id = id + 100 WHERE id < 5", changes20, "UPDATE #.reply SET v = 3", "UPDATE #.blog SET id = id + 100 WHERE id IN (101, 102)", "DELETE FROM #.blog WHERE id IN (201, 103)"},
			{"UPDATE #.reply SET v = 4 WHERE blog = 6", "UPDATE #.blog SET id = 506 WHERE id = 6", changes20, "UPDATE #.reply SET v = 5 WHERE blog = 506", "UPDATE #.blog SET id = 606 WHERE id = 506", changes20, "DELETE FROM #.blog WHERE id = 606"},
		}},
		{"a value that changes twice while its child is read in between", compositeLevels, nil, [][]string{
			{"UPDATE #.blog SET id = 70 WHERE id = 7"}, {"UPDATE #.reply SET v = 9 WHERE blog = 70", changes20, "DELETE FROM #.blog WHERE id = 70"},
		}},
		{"a value that another row takes", threeLevels, nil, [][]string{{
			"UPDATE #.post SET v = 1", changes20, "DELETE FROM #.blog WHERE id = 3", "INSERT INTO #.post VALUES (3, 4, 7)", changes20,
			"DELETE FROM #.blog WHERE id = 4", "INSERT INTO #.post VALUES (3, 5, 8), (4, 5, 8)", "INSERT INTO #.reply VALUES (40, 4, 1)",
		}}},
		{"a tree", tree, nil, [][]string{{"UPDATE #.node SET v = 1 WHERE id IN (2, 9)", changes20, changes20, "DELETE FROM #.node WHERE id = 1", "INSERT INTO #.node VALUES (9, 11, 0), (14, 9, 0)"}}},
		{"a tree whose leaves are copied first", tree, []string{"#.node"}, [][]string{{"DELETE FROM #.node WHERE id = 11"}, {"UPDATE #.node SET v = 2"}}},
		{"the leaves are copied, the root is deleted, the middle is copied", threeLevels, []string{"#.reply", "#.likes"}, [][]string{{"DELETE FROM #.blog WHERE id = 3", "UPDATE #.blog SET id = 50 WHERE id = 5"}, {changes20}}},
		{"the leaves are copied, keys change over all levels, the middle is copied", compositeLevels, []string{"#.reply", "#.likes"}, [][]string{
			{"UPDATE #.blog SET id = 30 WHERE id = 3", "UPDATE #.blog SET id = 40 WHERE id = 4", "DELETE FROM #.blog WHERE id IN (5, 40)"}, {changes20},
		}},
		{"ALTER of the root and then its changes", threeLevels, nil, [][]string{{
			"UPDATE #.post SET v = 1", changes20, "ALTER TABLE #.blog ADD COLUMN more INT FIRST", "DELETE FROM #.blog WHERE id = 3", "UPDATE #.blog SET id = 40 WHERE id = 4",
			"DELETE FROM #.blog WHERE id = 5", "INSERT INTO #.blog (id) VALUES (5)", "INSERT INTO #.post VALUES (5, 5, 5)",
		}}},
		{"ALTER of the middle and then changes of the root", threeLevels, nil, [][]string{{
			"ALTER TABLE #.post ADD COLUMN more INT FIRST", "DELETE FROM #.blog WHERE id = 3", "UPDATE #.blog SET id = 40 WHERE id = 4", "DELETE FROM #.post WHERE id = 6", "UPDATE #.post SET id = 70 WHERE id = 7",
		}}},
		{"the root has another name", threeLevels, nil, [][]string{{"RENAME TABLE #.blog TO #.site", "DELETE FROM #.site WHERE id = 3", "UPDATE #.site SET id = 40 WHERE id = 4"}, {"DELETE FROM #.site WHERE id = 6"}}},
		{"a foreign key that is dropped", threeLevels, nil, [][]string{{"UPDATE #.post SET v = 1", changes20, "DELETE FROM #.blog WHERE id = 3", "ALTER TABLE #.post DROP FOREIGN KEY post_ibfk_1", "DELETE FROM #.blog WHERE id = 4"}}},
		{"a foreign key that is added", threeLevels, nil, [][]string{
			{"ALTER TABLE #.other ADD COLUMN blog INT, ADD FOREIGN KEY (blog) REFERENCES #.blog (id) ON DELETE CASCADE", "UPDATE #.other SET blog = id WHERE id < 9", "DELETE FROM #.blog WHERE id = 3"},
			{"DELETE FROM #.blog WHERE id = 4"},
		}},
		{"a session without foreign keys", threeLevels, nil, [][]string{{
			"SET foreign_key_checks = 0", "UPDATE #.post SET v = 1", changes20, "DELETE FROM #.blog WHERE id = 3", "UPDATE #.post SET id = 40 WHERE id = 4", "SET foreign_key_checks = 1", "DELETE FROM #.blog WHERE id = 4",
		}}},
		{"TRUNCATE without foreign keys", threeLevels, nil, [][]string{{"SET foreign_key_checks = 0", "TRUNCATE #.post", "SET foreign_key_checks = 1", "INSERT INTO #.post VALUES (3, 3, 3)", "DELETE FROM #.blog WHERE id = 3"}}},
		{"an image without the value that is referred to", []string{
			blogs, "CREATE TABLE #.post (id INT PRIMARY KEY, blog VARCHAR(20), v INT, FOREIGN KEY (blog) REFERENCES #.blog (code) ON DELETE CASCADE ON UPDATE CASCADE)", reply,
			"INSERT INTO #.blog VALUES (1, 'a', 0), (2, 'b', 0), (3, 'c', 0)", "INSERT INTO #.post VALUES (1, 'a', 0), (2, 'b', 0), (3, 'c', 0)", "INSERT INTO #.reply VALUES (1, 1, 0), (2, 2, 0), (3, 3, 0)",
		}, nil, [][]string{{"SET binlog_row_image = 'MINIMAL'", "DELETE FROM #.blog WHERE id = 1", "UPDATE #.blog SET code = 'x' WHERE id = 2", "SET binlog_row_image = 'FULL'"}}},
		{"a text whose case changes", []string{
			blogs, "CREATE TABLE #.post (blog VARCHAR(20), id INT, v INT, PRIMARY KEY (blog, id), FOREIGN KEY (blog) REFERENCES #.blog (code) ON DELETE CASCADE ON UPDATE CASCADE)",
			"CREATE TABLE #.reply (id INT PRIMARY KEY, blog VARCHAR(20), post INT, KEY (blog, post), FOREIGN KEY (blog, post) REFERENCES #.post (blog, id) ON DELETE SET NULL ON UPDATE CASCADE)",
			"INSERT INTO #.blog VALUES (1, 'a', 0), (2, 'b ', 0), (3, 'ß', 0)", "INSERT INTO #.post VALUES ('A', 1, 0), ('B', 2, 0), ('ß', 3, 0)", "INSERT INTO #.reply VALUES (1, 'a', 1), (2, 'b', 2), (3, 'ß', 3)",
		}, nil, [][]string{{"UPDATE #.post SET v = 1", "UPDATE #.blog SET code = 'z' WHERE id = 1", "DELETE FROM #.blog WHERE id = 2", "UPDATE #.blog SET code = 'ss' WHERE id = 3"}}},
		{"a middle without a key", []string{
			blogs, "CREATE TABLE #.post (id INT UNIQUE, blog INT, v INT, FOREIGN KEY (blog) REFERENCES #.blog (id) ON DELETE CASCADE ON UPDATE CASCADE)", reply,
			"INSERT INTO #.blog VALUES (1, 'a', 0), (2, 'b', 0)", "INSERT INTO #.post VALUES (1, 1, 0), (2, 2, 0), (NULL, 2, 0)", "INSERT INTO #.reply VALUES (1, 1, 0), (2, 2, 0)",
		}, nil, [][]string{{"DELETE FROM #.blog WHERE id = 1"}}},
		{"a unique reference that another row takes", []string{
			blogs, "CREATE TABLE #.post (id INT PRIMARY KEY, blog INT UNIQUE, v INT, FOREIGN KEY (blog) REFERENCES #.blog (id) ON DELETE CASCADE ON UPDATE CASCADE)", reply, other, fillOther,
			"INSERT INTO #.blog VALUES (1, 'a', 0), (2, 'b', 0), (3, 'c', 0)", "INSERT INTO #.post VALUES (1, 1, 0), (2, 2, 0)", "INSERT INTO #.reply VALUES (1, 1, 0), (2, 2, 0)",
		}, nil, [][]string{{
			"UPDATE #.blog SET id = 20 WHERE id = 2", "UPDATE #.blog SET id = 2 WHERE id = 1", "INSERT INTO #.post VALUES (9, 3, 0)", changes20, "DELETE FROM #.blog WHERE id = 2",
			"INSERT INTO #.blog VALUES (1, 'd', 0)", "UPDATE #.post SET blog = 1 WHERE id = 9",
		}}},
		{"a circle", []string{
			"CREATE TABLE #.a (id INT PRIMARY KEY, b INT, v INT)", "CREATE TABLE #.b (id INT PRIMARY KEY, a INT, v INT, FOREIGN KEY (a) REFERENCES #.a (id) ON DELETE CASCADE)",
			"ALTER TABLE #.a ADD FOREIGN KEY (b) REFERENCES #.b (id) ON DELETE SET NULL", other, fillOther, "INSERT INTO #.a VALUES (1, NULL, 0), (2, NULL, 0)", "INSERT INTO #.b VALUES (1, 1, 0), (2, 2, 0)", "UPDATE #.a SET b = 3 - id",
		}, nil, [][]string{{"UPDATE #.b SET v = 1", changes20, "DELETE FROM #.a WHERE id = 1", "UPDATE #.a SET v = 1"}}},
		{"two schemas", []string{
			blogs, "CREATE TABLE #_two.post (id INT PRIMARY KEY, blog INT, v INT, FOREIGN KEY (blog) REFERENCES #.blog (id) ON DELETE CASCADE)",
			"CREATE TABLE #.reply (id INT PRIMARY KEY, post INT, v INT, FOREIGN KEY (post) REFERENCES #_two.post (id) ON DELETE CASCADE)", other, fillOther,
			"INSERT INTO #.blog VALUES (1, 'a', 0), (2, 'b', 0)", "INSERT INTO #_two.post VALUES (1, 1, 0), (2, 2, 0)", "INSERT INTO #.reply VALUES (1, 1, 0), (2, 2, 0)",
		}, nil, [][]string{{"UPDATE #_two.post SET v = 1", changes20, "DELETE FROM #.blog WHERE id = 1"}}},
	}
	return out
}

// TestSeedFollowsChainsOfForeignKeys changes rows whose foreign keys act over several
// levels, in segments of a few rows.
func TestSeedFollowsChainsOfForeignKeys(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor, followOptions(flavor)...)
		source.Exec("CREATE DATABASE numbers", "CREATE TABLE numbers.n (seq INT PRIMARY KEY)")
		for i := 1; i <= 20; i++ {
			source.Exec(fmt.Sprintf("INSERT INTO numbers.n VALUES (%d)", i))
		}
		cases := chains(flavor)
		in := func(i int, statements []string) (out []string) {
			for _, s := range statements {
				out = append(out, strings.ReplaceAll(s, "#", fmt.Sprintf("s%d", i)))
			}
			return out
		}
		var first []string
		steps := 0
		for i, c := range cases {
			source.Exec(in(i, []string{"CREATE DATABASE # COLLATE utf8mb4_general_ci", "CREATE DATABASE #_two"})...)
			source.Exec(in(i, c.tables)...)
			first, steps = append(first, in(i, c.first)...), max(steps, len(c.steps))
		}
		run := openRun(t, pair, Options{SegmentKeys: 5, Workers: 2})
		copyOnly(t, run, first...)
		for step := range steps {
			for i, c := range cases {
				if len(c.first) > 0 && step < len(c.steps) {
					source.Exec(in(i, c.steps[step])...)
				}
			}
			if step == 0 {
				require.NoError(t, run.copyAll(t.Context()))
			}
			for i, c := range cases {
				if len(c.first) == 0 && step < len(c.steps) {
					source.Exec(in(i, c.steps[step])...)
				}
			}
			_, err := run.round(t.Context(), true)
			require.NoError(t, err)
			if len(run.dirty) > 0 {
				require.NoError(t, run.copyAll(t.Context()))
			}
		}
		for i, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				for _, schema := range in(i, []string{"#", "#_two"}) {
					requireSameKeyed(t, run, schema, source, target)
				}
			})
		}
	})
}

// requireSameKeyed compares the rows of the tables that the rounds keep up to date.
func requireSameKeyed(t *testing.T, run *run, schema string, source, target *servertest.Instance) {
	t.Helper()
	for _, id := range slices.Collect(maps.Keys(run.known.tables[schema])) {
		statement := "SELECT * FROM " + schema + "." + id
		want, got := replicationtest.Rows(t, source.Root(), statement), replicationtest.Rows(t, target.Root(), statement)
		slices.Sort(want)
		slices.Sort(got)
		require.Equal(t, want, got, schema+"."+id)
	}
}

// randomChains is the number of schemas of TestSeedFollowsRandomChains.
const randomChains = 12

// TestSeedFollowsRandomChains changes rows of random tables whose foreign keys act, while
// some are copied and others are not, in small segments, to positions that are behind the
// source's rows.
func TestSeedFollowsRandomChains(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor, followOptions(flavor)...)
		requireRandomChains(t, pair, source, target, 0)
	})
}

func requireRandomChains(t *testing.T, pair replication.Pair, source, target *servertest.Instance, seed int) {
	t.Helper()
	var all []replicationtest.RandomChain
	var first []string
	most := 0
	in := func(i int, s string) string { return strings.ReplaceAll(s, "#", fmt.Sprintf("s%d", i)) }
	session, err := source.Root().Conn(t.Context())
	require.NoError(t, err)
	defer session.Close()
	var done []string
	run := func(i int, statements []string) {
		for _, s := range statements {
			if _, err := session.ExecContext(t.Context(), in(i, s)); err == nil {
				done = append(done, in(i, s))
			}
		}
	}
	for i := range randomChains {
		c := replicationtest.DrawChain().Example(seed + i)
		all, most = append(all, c), max(most, len(c.Steps))
		source.Exec(in(i, "CREATE DATABASE #"))
		for _, s := range c.Create {
			_, err := session.ExecContext(t.Context(), in(i, s))
			require.NoError(t, err, in(i, s))
		}
		for n, name := range c.Tables {
			if i%2 == 0 && n > i%len(c.Tables) {
				first = append(first, in(i, "#.")+name)
			}
		}
	}
	r := openRun(t, pair, Options{SegmentKeys: 4, Workers: 2})
	copyOnly(t, r, first...)
	for step := range most {
		for _, half := range []int{0, 1} {
			for i, c := range all {
				if step < len(c.Steps) {
					n := len(c.Steps[step]) / 2
					run(i, [][]string{c.Steps[step][:n], c.Steps[step][n:]}[half])
				}
			}
			if step == 0 && half == 0 {
				require.NoError(t, r.copyTables(t.Context()))
			}
			if half == 0 {
				goal, err := visiblePosition(t.Context(), pair.Source)
				require.NoError(t, err)
				for i, c := range all { // the source is ahead of the goal
					if step < len(c.Steps) {
						run(i, c.Steps[step][:len(c.Steps[step])/2])
					}
				}
				workers, err := r.openWorkerConns(t.Context())
				require.NoError(t, err)
				err = r.catchUp(t.Context(), workers, goal, nil, false)
				for _, w := range workers {
					w.close()
				}
				require.NoError(t, err)
			}
		}
		_, err := r.round(t.Context(), true)
		require.NoError(t, err)
		require.NoError(t, r.copyAll(t.Context()))
		for i := range all {
			schema := in(i, "#")
			if names := differentKeyed(t, r, schema, source, target); len(names) > 0 {
				t.Fatalf("step %d of %d: %v differ\n%s\n%s", step, seed+i, names, in(i, strings.Join(all[i].Create, ";\n")), strings.Join(slices.DeleteFunc(done, func(s string) bool { return !strings.Contains(s, schema+".") }), ";\n"))
			}
		}
	}
}

// differentKeyed lists the tables that the rounds keep up to date and whose rows differ.
func differentKeyed(t *testing.T, run *run, schema string, source, target *servertest.Instance) (names []string) {
	t.Helper()
	for id := range run.known.tables[schema] {
		statement := "SELECT * FROM " + schema + "." + id
		want, got := replicationtest.Rows(t, source.Root(), statement), replicationtest.Rows(t, target.Root(), statement)
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			names = append(names, fmt.Sprintf("%s: %v, copied: %v", id, want, got))
		}
	}
	return names
}
