package verify

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// readLimit bounds the time of a statement of verify on the servers, and with it the
// time of its transaction. A chunk that takes longer is split.
const readLimit = 4 * time.Second

// Tries of a query whose connection is lost.
const (
	readTries = 4
	readPause = time.Second
)

// digest is the number of a set of rows and their hash.
type digest struct {
	Rows int64
	Hash string
}

// conn is verify's connection to one server, kept from chunk to chunk. Not for
// concurrent use.
type conn struct {
	*wire.Conn
	dialect *dialect.Dialect
	limit   string // the setting that bounds its statements
}

// openConn opens a connection whose statements read what is committed when they begin,
// and hold nothing when they end.
func (v *verifier) openConn(ctx context.Context, s *replication.Server, settings ...string) (*conn, error) {
	dialect, err := s.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	settings = append([]string{wire.ReadCommitted, "SET SESSION max_error_count = 64", rowVariable, dialect.ReadLimit(v.limit), replication.MarkSession}, settings...)
	w, err := wire.Open(ctx, s, settings...)
	if err != nil {
		return nil, err
	}
	return &conn{w, dialect, dialect.ReadLimit(v.limit)}, nil
}

// isTooLong reports whether err means that the limit has ended a statement.
func isTooLong(err error) bool {
	switch query.ErrorNumber(err) {
	case 1969, 3024, 1317: // MariaDB, MySQL, MySQL where it notices in the middle of some operations
		return true
	}
	return false
}

// read runs a query, again when the connection is lost. It calls begin before each
// try. With errRowTooLarge, what the query has returned may be wrong.
func (c *conn) read(ctx context.Context, t *tableShape, query string, begin func(), each func(row []byte) error) error {
	for try := 1; ; try++ {
		begin()
		err := c.Query(ctx, query, each)
		if err == nil && c.ResultWarnings() > 0 {
			err = c.checkWarnings(ctx)
		}
		var lost *report.TransientError
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &lost) || try == readTries:
			return c.Server().Wrap("read "+t.Title(), err)
		}
		report.Note(ctx, "verify of %s: again after %v (%d of %d)", t.Title(), err, try, readTries)
		if err := wait.For(ctx, readPause); err != nil {
			return err
		}
	}
}

// errRowTooLarge means that a row does not fit in a packet of the server, which leaves
// it out of a hash with only a warning.
var errRowTooLarge = errors.New("a row does not fit in max_allowed_packet")

// checkWarnings returns errRowTooLarge if the warnings tell of a row that was left out.
func (c *conn) checkWarnings(ctx context.Context) error {
	warnings, err := c.Texts(ctx, "SHOW WARNINGS") // level, code, message
	if err != nil {
		return err
	}
	for _, line := range warnings {
		if len(line) > 2 && line[1] == "1301" {
			return report.WithHint(fmt.Errorf("%w: %s", errRowTooLarge, line[2]), "raise max_allowed_packet on %s", c.Server().Name())
		}
	}
	return nil
}

// withHugeRows runs do, which hashes rows of the table. If a row does not fit in a
// packet, it runs do again with the hashes of long values in place of the values.
func (t *tableShape) withHugeRows(do func() error) error {
	inline := !t.hugeRow.Load()
	err := do()
	if inline && errors.Is(err, errRowTooLarge) {
		t.hugeRow.Store(true)
		return do()
	}
	return err
}

// hash hashes the rows where condition holds.
func (c *conn) hash(ctx context.Context, t *tableShape, condition string) (out digest, err error) {
	err = c.read(ctx, t, t.hashQuery(c.dialect, condition), func() {}, func(row []byte) error {
		count, rest, err := wire.NextValue(row)
		if err != nil {
			return err
		}
		hash, _, err := wire.NextValue(rest)
		if err != nil {
			return err
		}
		out.Hash = string(hash)
		out.Rows, err = strconv.ParseInt(string(count), 10, 64)
		return err
	})
	return out, err
}

// minOffset is the least number of rows that a search for a key skips.
const minOffset = 16

// key finds a key behind n rows of a span, or behind fewer if n rows take too long. It
// is nil if the span has not that many rows.
func (c *conn) key(ctx context.Context, t *tableShape, lower, upper table.Key, n int) (found table.Key, err error) {
	read := func() error {
		return c.read(ctx, t, t.keyQuery(lower, upper, n), func() { found = nil }, func(row []byte) (err error) {
			found, _, _, err = t.parseRow(row)
			return err
		})
	}
	for err = read(); isTooLong(err) && n > minOffset; err = read() {
		n /= 4
	}
	if isTooLong(err) {
		err = c.unlimited(ctx, read)
	}
	return found, err
}

// unlimited runs do without the limit of statements.
func (c *conn) unlimited(ctx context.Context, do func() error) error {
	if _, err := c.Exec(ctx, c.dialect.NoLimits()); err != nil {
		return c.Server().Wrap("lift the limit of statements", err)
	}
	err := do()
	if _, restore := c.Exec(ctx, c.limit); restore != nil {
		err = errors.Join(err, c.Server().Wrap("set the limit of statements", restore))
	}
	return err
}

// rowState is a row as one side has it.
type rowState struct {
	key   table.Key
	title string // its key for people
	hash  string // "" means that the row is missing
}

// each reads the keys and hashes of the rows where condition holds, by key.
func (c *conn) each(ctx context.Context, t *tableShape, condition string) (out map[string]rowState, err error) {
	err = c.read(ctx, t, t.rowsQuery(c.dialect, condition), func() { out = map[string]rowState{} }, func(row []byte) error {
		key, shown, hash, err := t.parseRow(row)
		out[strings.Join(key, ",")] = rowState{key, t.keyTitle(key, shown), hash}
		return err
	})
	return out, err
}

// parseRow splits a row that begins with the key's columns: the key as literals, the key
// as texts, and the rest.
func (t *tableShape) parseRow(row []byte) (key table.Key, shown []string, rest string, err error) {
	for i := 0; len(row) > 0; i++ {
		var value []byte
		if value, row, err = wire.NextValue(row); err != nil {
			return nil, nil, "", err
		}
		if i < len(t.keyCols) {
			key, shown = append(key, t.keyCols[i].WireLiteral(value)), append(shown, string(value))
			continue
		}
		rest += string(value) + " "
	}
	return key, shown, strings.TrimSpace(rest), nil
}

// workerConns are a worker's connections to the writer's side and the other one.
type workerConns struct{ from, to *conn }

func (v *verifier) openConns(ctx context.Context) (workerConns, error) {
	from, err := v.openConn(ctx, v.from)
	if err != nil {
		return workerConns{}, err
	}
	to, err := v.openConn(ctx, v.to)
	if err != nil {
		from.Close()
		return workerConns{}, err
	}
	return workerConns{from, to}, nil
}

func (w workerConns) close() { w.from.Close(); w.to.Close() }

// hash hashes the same rows on both sides at once.
func (w workerConns) hash(ctx context.Context, t *tableShape, condition string) (here, there digest, err error) {
	// Not the group's context: a statement that is too long on one side must not end the other side's connection.
	var group errgroup.Group
	group.Go(func() (err error) { here, err = w.from.hash(ctx, t, condition); return err })
	group.Go(func() (err error) { there, err = w.to.hash(ctx, t, condition); return err })
	return here, there, group.Wait()
}

// hashMany hashes whole tables by one statement.
func (c *conn) hashMany(ctx context.Context, list []span) (out []digest, err error) {
	parts := make([]string, len(list))
	for i, sp := range list {
		parts[i] = fmt.Sprintf("SELECT %d,%s FROM %s", i, sp.run.chunkHash(c.dialect), sp.run.from())
	}
	begin := func() { out = make([]digest, len(list)) }
	err = c.read(ctx, list[0].run.tableShape, strings.Join(parts, " UNION ALL "), begin, func(row []byte) error {
		var values [3]string
		for i := range values {
			value, rest, err := wire.NextValue(row)
			if err != nil {
				return err
			}
			values[i], row = string(value), rest
		}
		at, err := strconv.Atoi(values[0])
		if err != nil || at < 0 || at >= len(out) {
			return fmt.Errorf("hash tables: row %q of %d", values[0], len(out))
		}
		out[at].Hash = values[2]
		out[at].Rows, err = strconv.ParseInt(values[1], 10, 64)
		return err
	})
	return out, err
}

// hashMany hashes the same tables on both sides at once.
func (w workerConns) hashMany(ctx context.Context, list []span) (here, there []digest, err error) {
	var group errgroup.Group
	group.Go(func() (err error) { here, err = w.from.hashMany(ctx, list); return err })
	group.Go(func() (err error) { there, err = w.to.hashMany(ctx, list); return err })
	return here, there, group.Wait()
}
