package enemy

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/dcmigrate/migrate/wait"
)

const clients = 3

// Errors of the servers that a client handles.
const (
	errDeadlock    = 1213
	errLockTimeout = 1205
	errReadOnly    = 1290
	errReadOnlyToo = 1836
)

// client is an application's session, or rather one session after another. The statements
// that it sends are drawn from its own numbers.
type client struct {
	*round
	number  int
	random  *rand.Rand
	conn    *sql.Conn
	server  int // the index in active of where conn leads to
	profile profile
	left    int // operations until it logs in anew
	n       int // its last write of the ledger
}

// profile is a kind of session.
type profile struct {
	name     string
	settings []string
	quoted   func(string) string // an identifier
	encoded  func(string) string // a statement in the session's character set
}

func same(s string) string { return s }

func doubleQuote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// latin1 encodes a text; it must have no other characters.
func latin1(s string) string {
	var b strings.Builder
	for _, c := range s {
		b.WriteByte(byte(c))
	}
	return b.String()
}

// drawProfile draws the kind of the client's next session.
func (c *client) drawProfile() profile {
	p := profile{"plain", []string{"SET NAMES utf8mb4"}, quote, same}
	switch c.random.IntN(8) {
	case 0:
		if c.does(charsets) {
			p = profile{"latin1", []string{"SET NAMES latin1"}, quote, latin1}
		}
	case 1:
		if c.does(rowImages) {
			p = profile{"images", []string{"SET NAMES utf8mb4", "SET SESSION binlog_row_image = " + among("MINIMAL", "NOBLOB", "MINIMAL")(c.random)}, quote, same}
		}
	case 2:
		if c.does(noChecks) {
			p = profile{"no checks", []string{"SET NAMES utf8mb4", "SET SESSION foreign_key_checks = 0"}, quote, same}
		}
	case 3:
		p = profile{"ANSI", []string{"SET NAMES utf8mb4", "SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'"}, doubleQuote, same}
	case 4:
		p = profile{"in shop", []string{"SET NAMES utf8mb4", "USE shop"}, quote, same}
	case 5:
		if c.does(brokenChecks) {
			p = profile{"no CHECK", []string{"SET NAMES utf8mb4", "SET SESSION check_constraint_checks = 0"}, quote, same}
		}
	case 6:
		p = profile{"elsewhere", []string{"SET NAMES utf8mb4", "SET SESSION time_zone = '+05:30'", "SET SESSION sql_mode = ''"}, quote, same}
	}
	return p
}

// traffic is the clients while they run.
type traffic struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// resume lets the clients go on, and the events of the side that takes the writes.
func (r *round) resume() {
	ctx, cancel := context.WithCancel(r.t.Context())
	r.traffic = &traffic{cancel: cancel}
	r.arena.servers()[r.active.Load()].Exec("SET GLOBAL event_scheduler = ON")
	for _, c := range r.clients {
		r.traffic.done.Go(func() { c.run(ctx) })
	}
}

// pause ends the clients' sessions and what they have prepared, and waits until no event
// runs.
func (r *round) pause() {
	if r.traffic == nil {
		return
	}
	r.traffic.cancel()
	r.traffic.done.Wait()
	r.traffic = nil
	r.finishPrepared()
	r.arena.servers()[r.active.Load()].Exec("SET GLOBAL event_scheduler = OFF")
}

// run runs operations until the end.
func (c *client) run(ctx context.Context) {
	defer c.leave()
	for ctx.Err() == nil {
		// A statement is not cut off by a pause: a server goes on with DDL whose client has left.
		if err := c.once(c.t.Context()); err != nil {
			c.leave()
			_ = wait.For(ctx, 20*time.Millisecond) // the server may be down, or fenced
		}
		_ = wait.For(ctx, time.Duration(2+c.random.IntN(24))*time.Millisecond)
	}
}

// once does one operation. An error ends the session.
func (c *client) once(ctx context.Context) error {
	if c.conn != nil && c.server != int(c.active.Load()) {
		c.leave()
	}
	if c.conn == nil {
		if err := c.login(ctx); err != nil {
			return err
		}
	}
	if c.left--; c.left <= 0 {
		defer c.leave()
	}
	return c.operate(ctx)
}

// login opens the next session. It reads the client's counter, which must be what was
// acknowledged.
func (c *client) login(ctx context.Context) (err error) {
	c.server = int(c.active.Load())
	if c.conn, err = c.pools[c.server].Conn(ctx); err != nil {
		return err
	}
	c.profile, c.left = c.drawProfile(), 15+c.random.IntN(30)
	for _, setting := range append(c.profile.settings, "SET SESSION lock_wait_timeout = 3") {
		if err := c.exec(ctx, setting); err != nil {
			return err
		}
	}
	var n int
	err = c.conn.QueryRowContext(ctx, "SELECT n FROM acked.counters WHERE client = ?", c.number).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	if err == nil {
		c.ledger.read(c.number, n, []string{"source", "target"}[c.server])
	}
	return err
}

func (c *client) leave() {
	if c.conn != nil {
		_ = c.conn.Raw(func(any) error { return driver.ErrBadConn })
		c.conn = nil
	}
}

// exec runs one statement. Only an error that ends the session is returned: the others are
// answers that an application gets.
func (c *client) exec(ctx context.Context, statement string) error {
	_, err := c.conn.ExecContext(ctx, c.profile.encoded(statement))
	c.log.add(c.number, c.profile.name, statement, err)
	return endsSession(err)
}

// endsSession returns errors but those of statements.
func endsSession(err error) error {
	var answer *mysql.MySQLError
	if errors.As(err, &answer) && !slices.Contains([]uint16{errReadOnly, errReadOnlyToo, 1053, 1317}, answer.Number) {
		return nil
	}
	return err
}

// operate draws an operation and does it.
func (c *client) operate(ctx context.Context) error {
	switch n := c.random.IntN(100); {
	case n < 20:
		return c.write(ctx)
	case n < 70 && c.mayDefine():
		return c.alter(ctx)
	case n < 40 && c.does(xa):
		return c.prepare(ctx)
	case n < 46 && c.does(temporary):
		return c.all(ctx, c.temporaryTable())
	case n < 50 && c.does(loads):
		return c.load(ctx)
	case n < 53 && c.does(bursts):
		return c.all(ctx, c.burst())
	case n < 56 && c.does(sequences):
		return c.exec(ctx, among("DO NEXT VALUE FOR shop.numbers", "SELECT SETVAL(shop.numbers, 500)", "ALTER SEQUENCE shop.numbers RESTART 11", "DO NEXT VALUE FOR shop.numbers")(c.random))
	case n < 62 && len(c.drawn) > 0:
		return c.all(ctx, []string{"SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'", c.drawn[c.random.IntN(len(c.drawn))]})
	case n < 70 && c.does(chains):
		return c.all(ctx, c.actThrough())
	case n < 80:
		return c.transaction(ctx)
	}
	return c.exec(ctx, c.change(c.anyTable()))
}

func (c *client) all(ctx context.Context, statements []string) error {
	for _, s := range statements {
		if err := c.exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) anyTable() *tableModel { return c.tables[c.random.IntN(len(c.tables))] }

// change is a statement that changes rows of a table.
func (c *client) change(t *tableModel) string {
	key, other := t.columns[0], t.columns[c.random.IntN(len(t.columns))]
	if c.profile.name == "no CHECK" && !t.kin && c.random.IntN(3) == 0 {
		return "UPDATE " + t.path() + " SET n = -1 LIMIT 2"
	}
	where := " WHERE " + quote(key.name) + among(" = ", " = ", " = ", " > ", " <= ")(c.random) + key.value(c.random)
	limit := fmt.Sprintf(" ORDER BY %s LIMIT %d", quote(key.name), 1+c.random.IntN(4))
	var s string
	switch c.random.IntN(10) {
	case 0, 1:
		s = t.insert(c.random, "INSERT IGNORE", 1+c.random.IntN(6))
	case 2:
		s = t.insert(c.random, "INSERT", 1+c.random.IntN(2))
	case 3:
		s = t.insert(c.random, c.replace(), 1+c.random.IntN(3))
	case 4:
		s = t.insert(c.random, "INSERT", 2) + " ON DUPLICATE KEY UPDATE " + quote(other.name) + " = " + other.value(c.random)
	case 5, 6:
		s = "UPDATE IGNORE " + t.path() + " SET " + quote(other.name) + " = " + other.value(c.random) + where + limit
	case 7: // the key itself
		s = "UPDATE IGNORE " + t.path() + " SET " + quote(key.name) + " = " + key.value(c.random) + where + " LIMIT 1"
	case 8:
		s = "UPDATE " + t.path() + " SET " + quote(other.name) + " = " + other.value(c.random) + where
	default:
		s = "DELETE FROM " + t.path() + where + limit
	}
	return c.requoted(s)
}

// requoted writes the identifiers as the session's mode has them.
func (c *client) requoted(s string) string {
	if c.profile.name == "in shop" {
		return strings.ReplaceAll(s, "`shop`.", "")
	}
	if c.profile.name != "ANSI" {
		return s
	}
	var out strings.Builder
	for i, part := range strings.Split(strings.ReplaceAll(s, "``", "\x00"), "`") {
		if i%2 == 1 {
			part = doubleQuote(strings.ReplaceAll(part, "\x00", "`"))
		}
		out.WriteString(part)
	}
	return out.String()
}

// write is a transaction of the ledger, with other changes beside.
func (c *client) write(ctx context.Context) error {
	if err := c.exec(ctx, "START TRANSACTION"); err != nil {
		return err
	}
	n := c.n + 1
	statements := []string{
		fmt.Sprintf("INSERT INTO acked.writes VALUES (%d, %d)", c.number, n),
		fmt.Sprintf("INSERT INTO acked.counters VALUES (%d, %d) ON DUPLICATE KEY UPDATE n = %d", c.number, n, n),
	}
	for range c.random.IntN(3) {
		statements = append(statements, c.change(c.anyTable()))
	}
	for i, s := range statements {
		_, err := c.conn.ExecContext(ctx, c.profile.encoded(s))
		c.log.add(c.number, c.profile.name, s, err)
		if ended := endsSession(err); ended != nil {
			return ended
		}
		if err != nil && (i < 2 || isNumber(err, errDeadlock, errLockTimeout)) {
			return c.exec(ctx, "ROLLBACK")
		}
	}
	c.n = n
	c.ledger.attempt(c.number, n)
	_, err := c.conn.ExecContext(ctx, "COMMIT")
	c.log.add(c.number, c.profile.name, "COMMIT", err)
	switch {
	case err == nil:
		c.ledger.acknowledge(c.number, n)
	case isNumber(err, errReadOnly, errReadOnlyToo, errDeadlock, errLockTimeout):
		c.ledger.refuse(c.number, n)
	}
	return err
}

func isNumber(err error, numbers ...uint16) bool {
	var answer *mysql.MySQLError
	return errors.As(err, &answer) && slices.Contains(numbers, answer.Number)
}

// transaction is one with savepoints, or one that is rolled back.
func (c *client) transaction(ctx context.Context) error {
	t := c.anyTable()
	out := []string{among("START TRANSACTION", "BEGIN")(c.random), c.change(t)}
	if c.random.IntN(2) == 0 {
		out = append(out, "SAVEPOINT s1", c.change(c.anyTable()), c.change(t), "ROLLBACK TO SAVEPOINT s1")
	}
	for range 1 + c.random.IntN(4) {
		out = append(out, c.change(c.anyTable()))
	}
	return c.all(ctx, append(out, among("COMMIT", "COMMIT", "COMMIT", "ROLLBACK")(c.random)))
}

// burst changes more rows than a segment of the seed's holds.
func (c *client) burst() []string {
	from := c.random.IntN(300)
	return []string{
		"START TRANSACTION",
		fmt.Sprintf("UPDATE shop.many SET v = v + %d WHERE id BETWEEN %d AND %d", 1+c.random.IntN(9), from, from+100),
		fmt.Sprintf("DELETE FROM shop.many WHERE id BETWEEN %d AND %d", from, from+5), "COMMIT",
	}
}

// temporaryTable is a temporary table with the name of a real one.
func (c *client) temporaryTable() []string {
	t := c.anyTable()
	return []string{
		"CREATE TEMPORARY TABLE " + c.requoted(t.path()) + c.requoted(t.create),
		c.requoted(t.insert(c.random, "INSERT IGNORE", 5)), c.requoted(t.empty(among("TRUNCATE TABLE ", "DELETE FROM ")(c.random))),
		"DROP TEMPORARY TABLE IF EXISTS " + c.requoted(t.path()), c.change(t),
	}
}

// replace is the verb of a REPLACE. MariaDB leaves the columns that are not named out of a
// MINIMAL image, though they get their defaults: its own replication loses that, and so
// clients with such images do without.
func (c *client) replace() string {
	if c.profile.name == "images" && c.mariadb() {
		return "INSERT IGNORE"
	}
	return "REPLACE"
}

// load is LOAD DATA of a few rows.
func (c *client) load(ctx context.Context) error {
	t := c.anyTable()
	name := fmt.Sprintf("enemy-%d", c.number)
	content := fmt.Sprintf("%s\t%d\n%s\t%d\n", strings.Trim(t.columns[0].value(c.random), "'"), c.random.IntN(60), strings.Trim(t.columns[0].value(c.random), "'"), c.random.IntN(60))
	mysql.RegisterReaderHandler(name, func() io.Reader { return strings.NewReader(content) })
	defer mysql.DeregisterReaderHandler(name)
	columns := []string{quote(t.columns[0].name), quote(t.columns[len(t.columns)-1].name)}
	duplicates := strings.TrimPrefix(among(c.replace(), "INSERT IGNORE")(c.random), "INSERT ")
	return c.exec(ctx, "LOAD DATA LOCAL INFILE 'Reader::"+name+"' "+duplicates+" INTO TABLE "+c.requoted(t.path())+" ("+c.requoted(strings.Join(columns, ", "))+")")
}
