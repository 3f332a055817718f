package enemy

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/wait"
)

// mayDefine reports whether DDL may run now: one at a time, and seldom enough that a seed can
// end.
func (c *client) mayDefine() bool {
	next, now := c.ddlNext.Load(), time.Now().UnixNano()
	return c.does(ddl) && now > next && c.ddlNext.CompareAndSwap(next, now+c.ddlInterval.Load()) && c.ddlLeft.Add(-1) >= 0
}

// alter is DDL on tables, in one of the spellings.
func (c *client) alter(ctx context.Context) error {
	for _, s := range c.definition() {
		if err := c.exec(ctx, c.spelled(c.requoted(s))); err != nil {
			return err
		}
	}
	return nil
}

// definition draws statements that define things. What changes rows of a table follows
// sometimes, so that the rows that were copied before are wrong.
func (c *client) definition() []string {
	t := c.tableToDefine()
	if t.kin {
		return c.kinDefinition(t)
	}
	n := c.random.IntN(1000)
	other := func(name string) string { return quote(t.schema) + "." + quote(name) }
	beside := other(fmt.Sprintf("new%d", n%7))
	refill := t.insert(c.random, "INSERT IGNORE", 5)
	switch c.random.IntN(30) { // what changes rows as a whole comes more often
	case 0, 17, 20, 21, 22:
		return []string{t.empty("TRUNCATE TABLE "), refill}
	case 1, 18, 23, 24:
		return []string{t.empty("TRUNCATE ")}
	case 2:
		return []string{"DROP TABLE " + t.path(), "CREATE TABLE " + t.path() + t.create, refill}
	case 3:
		return []string{"CREATE TABLE IF NOT EXISTS " + t.path() + t.create}
	case 4:
		return []string{"DROP TABLE IF EXISTS " + other("never there")}
	case 5, 19, 25, 26: // a swap by name
		return []string{
			"CREATE TABLE " + beside + " LIKE " + t.path(), strings.Replace(refill, t.path(), beside, 1),
			"RENAME TABLE " + t.path() + " TO " + other("aside") + ", " + beside + " TO " + t.path() + ", " + other("aside") + " TO " + beside, "DROP TABLE " + beside,
		}
	case 6:
		return []string{"CREATE TABLE " + beside + " LIKE " + t.path(), "INSERT INTO " + beside + " SELECT * FROM " + t.path()}
	case 7:
		return []string{"CREATE TABLE " + beside + " AS SELECT * FROM " + t.path(), "DROP TABLE IF EXISTS " + beside}
	case 8:
		extra := quote(fmt.Sprintf("x%d", n%3))
		return []string{"ALTER TABLE " + t.path() + " ADD COLUMN " + extra + " INT DEFAULT 7", "UPDATE " + t.path() + " SET " + extra + " = 8 WHERE n > 4"}
	case 9:
		return []string{"ALTER TABLE " + t.path() + " DROP COLUMN " + quote(fmt.Sprintf("x%d", n%3))}
	case 10:
		return []string{"ALTER TABLE " + t.path() + " COMMENT = 'as orders'"}
	case 11:
		return []string{"ALTER TABLE " + t.path() + " ADD INDEX " + quote(fmt.Sprintf("i%d", n%3)) + " (n)"}
	case 12:
		return []string{"CREATE OR REPLACE VIEW " + other("view") + " AS SELECT n FROM " + t.path()}
	case 13:
		return []string{"CALL shop.empty_audit()"}
	case 14:
		return []string{"ALTER TABLE " + t.path() + " TRUNCATE PARTITION p0", "ALTER TABLE " + t.path() + " MODIFY n BIGINT NOT NULL DEFAULT 0"}
	case 15:
		if c.does(schemaDDL) {
			return []string{"CREATE DATABASE IF NOT EXISTS shop", "CREATE DATABASE shop_test", "DROP DATABASE shop_test"}
		}
		return []string{"CREATE INDEX " + quote(fmt.Sprintf("i%d", n%3)) + " ON " + t.path() + " (n)"}
	default:
		if c.flavor == servertest.MariaDB {
			return []string{"CREATE OR REPLACE TABLE " + t.path() + t.create, refill}
		}
		return []string{"DROP INDEX " + quote(fmt.Sprintf("i%d", n%3)) + " ON " + t.path()}
	}
}

// tableToDefine draws a table, mostly one that no DDL has changed in this stage: whatever is
// wrong with it would be made good if it were copied again because of another statement.
func (c *client) tableToDefine() *tableModel {
	c.definedMutex.Lock()
	defer c.definedMutex.Unlock()
	t := c.anyTable()
	for range 20 {
		if !c.defined[t] && !t.kin {
			break
		}
		t = c.anyTable()
	}
	c.defined[t] = true
	return t
}

// holdCopy keeps a seed by rows from ending its copy, until all other tables are copied and
// some are changed as a whole after that. What it has overlooked then stays wrong. The
// result is closed when the copy is held no longer.
func (r *round) holdCopy() (done chan struct{}) {
	done = make(chan struct{})
	if !r.does(heldCopy) || r.does(byFiles) {
		close(done)
		return done
	}
	lock, err := r.source.Root().Conn(r.t.Context())
	require.NoError(r.t, err)
	_, err = lock.ExecContext(r.t.Context(), "LOCK TABLES zz.held WRITE")
	require.NoError(r.t, err)
	c := &client{round: r, number: clients + 1, random: rand.New(rand.NewPCG(r.seed, 99))}
	go func() {
		defer close(done)
		defer lock.Close()
		r.waitCopied()
		c.changeWhole(r.t.Context())
		_, err := lock.ExecContext(r.t.Context(), "UNLOCK TABLES")
		r.log.note("the copy is held no longer: %v", err)
	}()
	return done
}

// waitCopied waits until the largest table is copied, which is among the last, but not for
// long.
func (r *round) waitCopied() {
	deadline := time.Now().Add(5 * time.Second)
	for time.Now().Before(deadline) {
		var n int
		if err := r.target.Root().QueryRow("SELECT COUNT(*) FROM ballast.b").Scan(&n); err == nil && n == 1024 {
			return
		}
		_ = wait.For(r.t.Context(), 20*time.Millisecond)
	}
}

// changeWhole changes some tables as a whole, each in one of the spellings.
func (c *client) changeWhole(ctx context.Context) {
	var err error
	if c.conn, err = c.pools[0].Conn(ctx); err != nil {
		return // the server was killed
	}
	defer c.leave()
	c.profile = c.drawProfile()
	for _, setting := range append(c.profile.settings, "SET SESSION lock_wait_timeout = 3") {
		if c.exec(ctx, setting) != nil {
			return
		}
	}
	for range 2 + c.random.IntN(3) {
		t := c.tableToDefine()
		if t.kin {
			continue
		}
		aside := quote(t.schema) + ".`left aside`"
		statements := [][]string{
			{t.empty("TRUNCATE TABLE ")},
			{t.empty("TRUNCATE ")},
			{"RENAME TABLE " + t.path() + " TO " + aside, "CREATE TABLE " + t.path() + t.create, "DROP TABLE " + aside},
			{"DROP TABLE " + t.path(), "CREATE TABLE " + t.path() + t.create},
			{"ALTER TABLE " + t.path() + " RENAME TO " + aside, "CREATE TABLE " + t.path() + " LIKE " + aside, "DROP TABLE IF EXISTS " + aside},
		}[c.random.IntN(5)]
		for _, s := range statements {
			if c.exec(ctx, c.spelled(c.requoted(s))) != nil {
				return
			}
		}
	}
}

// kinDefinition is DDL of a table with foreign keys, and changes that act on its children.
func (c *client) kinDefinition(t *tableModel) []string {
	if !c.does(ddlOfParents) {
		return []string{c.change(t)}
	}
	key := t.columns[0]
	return []string{
		among("ALTER TABLE "+t.path()+" ADD COLUMN extra INT DEFAULT 1", "ALTER TABLE "+t.path()+" COMMENT = 'again'", "ALTER TABLE "+t.path()+" DROP COLUMN extra",
			"ALTER TABLE "+t.path()+" ENGINE = InnoDB")(c.random),
		"DELETE FROM " + t.path() + " WHERE " + quote(key.name) + " = " + key.value(c.random),
		"UPDATE IGNORE " + t.path() + " SET " + quote(key.name) + " = " + key.value(c.random) + " WHERE " + quote(key.name) + " = " + key.value(c.random),
	}
}

// spelled writes DDL in one of the flavor's spellings.
func (c *client) spelled(s string) string {
	if !c.does(spellings) || c.profile.name == "ANSI" && c.random.IntN(2) == 0 {
		return s
	}
	forms := []func(*rand.Rand, string) string{
		func(_ *rand.Rand, s string) string { return s },
		func(r *rand.Rand, s string) string { return mixedCase(r, s) },
		func(_ *rand.Rand, s string) string { return "/* shop.t0 */ " + s },
		func(_ *rand.Rand, s string) string { return "\n\t " + s + " -- of shop.t1" },
		func(_ *rand.Rand, s string) string { return "/*! " + s + " */" },
		func(_ *rand.Rand, s string) string { return "/*!50101 " + s + " */ /* done */" },
		func(_ *rand.Rand, s string) string { return strings.Replace(s, " TABLE ", " /* a */ TABLE # b\n ", 1) },
		func(_ *rand.Rand, s string) string { return strings.Replace(s, " TABLE ", " /*!TABLE*/ ", 1) },
	}
	if c.flavor == servertest.MariaDB {
		forms = append(forms,
			func(r *rand.Rand, s string) string {
				return mixedCase(r, "SET STATEMENT lock_wait_timeout = 3 FOR ") + s
			},
			func(_ *rand.Rand, s string) string {
				return "/* x */ SET STATEMENT lock_wait_timeout=3,sort_buffer_size=100000 FOR\n" + s
			},
			func(_ *rand.Rand, s string) string {
				return "SET STATEMENT max_statement_time = 60, lock_wait_timeout = 3 FOR /*! " + s + " */"
			},
			func(_ *rand.Rand, s string) string { return "/*M!100100 " + s + " */" },
			func(_ *rand.Rand, s string) string { return "/*M! " + s + " */" },
			func(_ *rand.Rand, s string) string { return "/*M!050500 " + s + " */ # done" },
			func(_ *rand.Rand, s string) string { return "BEGIN NOT ATOMIC " + s + "; END" },
		)
	}
	return forms[c.random.IntN(len(forms))](c.random, s)
}

// mixedCase changes the case of words outside of quotes.
func mixedCase(random *rand.Rand, s string) string {
	var out strings.Builder
	var within rune
	for _, c := range s {
		switch {
		case within != 0:
			if c == within {
				within = 0
			}
		case c == '`' || c == '\'' || c == '"':
			within = c
		case random.IntN(2) == 0 && c < 128:
			// Names of schemas stand in quotes, but for shop.
			out.WriteString(strings.ToLower(string(c)))
			continue
		}
		out.WriteRune(c)
	}
	return out.String()
}

// freezeDDL ends DDL for the rest of the stage.
func (r *round) freezeDDL() { r.ddlNext.Store(math.MaxInt64) }

// allowDDL lets the clients define things again, from some time on.
func (r *round) allowDDL() {
	r.definedMutex.Lock()
	r.defined = map[*tableModel]bool{}
	r.definedMutex.Unlock()
	r.ddlLeft.Store(int32(1 + r.random.IntN(9)))
	r.ddlInterval.Store(int64(time.Duration(30+r.random.IntN(150)) * time.Millisecond))
	r.ddlNext.Store(time.Now().UnixNano() + int64(r.random.IntN(300))*int64(time.Millisecond))
}
