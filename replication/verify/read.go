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

// readLimit bounds a statement of verify, and with it its transaction, on the
// servers. A chunk that takes longer is split.
const readLimit = 4 * time.Second

// Tries of a chunk whose connection breaks.
const (
	readTries = 4
	readPause = time.Second
)

// sum is the hash of a set of rows.
type sum struct {
	Rows int64
	Hash string
}

// verifyWire is a connection of verify to one server. It is kept from chunk to
// chunk. Not for concurrent use.
type verifyWire struct {
	*wire.Conn
	dialect *dialect.Dialect
	limit   string // the statement that bounds its statements
}

// wire opens a connection that reads what is committed when a statement
// begins, and holds nothing when it ends.
func (v *verifier) wire(ctx context.Context, s *replication.Server, settings ...string) (*verifyWire, error) {
	dialect, err := s.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	mark := "SET " + replication.SessionMark + " = GET_LOCK(CONCAT('" + replication.SessionLock + "', CONNECTION_ID()), 0)"
	settings = append([]string{wire.ReadCommitted, "SET SESSION max_error_count = 64", rowVariable, dialect.ReadLimit(v.limit), mark}, settings...)
	w, err := wire.Open(ctx, s, settings...)
	if err != nil {
		return nil, err
	}
	return &verifyWire{w, dialect, dialect.ReadLimit(v.limit)}, nil
}

// tooLong recognises a statement that its limit has ended.
func tooLong(err error) bool {
	switch query.ErrorNumber(err) {
	case 1969, 3024, 1317: // MariaDB, MySQL, MySQL where it notices in the middle of some operations
		return true
	}
	return false
}

// read runs a query, again when the connection breaks. Begin is called before
// each try. What the query returns may be wrong where it is errHuge.
func (w *verifyWire) read(ctx context.Context, t *verifyTable, query string, begin func(), each func(row []byte) error) error {
	for try := 1; ; try++ {
		begin()
		err := w.Query(ctx, query, each)
		if err == nil && w.ResultWarnings() > 0 {
			err = w.explain(ctx)
		}
		var lost *report.TransientError
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &lost) || try == readTries:
			return w.Server().Wrap("read "+t.Title(), err)
		}
		report.Note(ctx, "verify of %s: again after %v (%d of %d)", t.Title(), err, try, readTries)
		if err := wait.For(ctx, readPause); err != nil {
			return err
		}
	}
}

// errHuge is a row that does not fit in a packet of the server, which leaves it
// out of a hash with no more than a warning.
var errHuge = errors.New("a row does not fit in max_allowed_packet")

// explain looks through the warnings for rows that were left out.
func (w *verifyWire) explain(ctx context.Context) error {
	warnings, err := w.Texts(ctx, "SHOW WARNINGS") // level, code, message
	if err != nil {
		return err
	}
	for _, line := range warnings {
		if len(line) > 2 && line[1] == "1301" {
			return report.WithHint(fmt.Errorf("%w: %s", errHuge, line[2]), "raise max_allowed_packet on %s", w.Server().Name())
		}
	}
	return nil
}

// fitting runs do, which hashes rows of the table, again with long values by
// their hashes where a row does not fit in a packet otherwise.
func (t *verifyTable) fitting(do func() error) error {
	inline := !t.huge.Load()
	err := do()
	if inline && errors.Is(err, errHuge) {
		t.huge.Store(true)
		return do()
	}
	return err
}

// hash hashes the rows where condition holds.
func (w *verifyWire) hash(ctx context.Context, t *verifyTable, condition string) (out sum, err error) {
	err = w.read(ctx, t, t.hashQuery(w.dialect, condition), func() {}, func(row []byte) error {
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

// leastOffset is how many rows are passed over in any case.
const leastOffset = 16

// key finds a key that n rows of a span come before, or fewer where n take too
// long; nil: there are not that many.
func (w *verifyWire) key(ctx context.Context, t *verifyTable, lower, upper table.Key, n int) (found table.Key, err error) {
	read := func() error {
		return w.read(ctx, t, t.keyQuery(lower, upper, n), func() { found = nil }, func(row []byte) (err error) {
			found, _, _, err = t.parseRow(row)
			return err
		})
	}
	for err = read(); tooLong(err) && n > leastOffset; err = read() {
		n /= 4
	}
	if tooLong(err) {
		err = w.unlimited(ctx, read)
	}
	return found, err
}

// unlimited runs do without the limit of statements.
func (w *verifyWire) unlimited(ctx context.Context, do func() error) error {
	if _, err := w.Exec(ctx, w.dialect.NoLimits()); err != nil {
		return w.Server().Wrap("lift the limit of statements", err)
	}
	err := do()
	if _, restore := w.Exec(ctx, w.limit); restore != nil {
		err = errors.Join(err, w.Server().Wrap("set the limit of statements", restore))
	}
	return err
}

// rowState is a row as one side has it.
type rowState struct {
	key   table.Key
	title string // its key for people
	hash  string // "" stands for no row
}

// each reads the rows where condition holds, by key.
func (w *verifyWire) each(ctx context.Context, t *verifyTable, condition string) (out map[string]rowState, err error) {
	err = w.read(ctx, t, t.rowsQuery(w.dialect, condition), func() { out = map[string]rowState{} }, func(row []byte) error {
		key, shown, hash, err := t.parseRow(row)
		out[strings.Join(key, ",")] = rowState{key, t.keyTitle(key, shown), hash}
		return err
	})
	return out, err
}

// parseRow takes a row of the key's columns and more apart: the key as
// literals, as texts, and the rest.
func (t *verifyTable) parseRow(row []byte) (key table.Key, shown []string, rest string, err error) {
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

// both is a worker's connections.
type both struct{ from, to *verifyWire }

func (v *verifier) both(ctx context.Context) (both, error) {
	from, err := v.wire(ctx, v.from)
	if err != nil {
		return both{}, err
	}
	to, err := v.wire(ctx, v.to)
	if err != nil {
		from.Close()
		return both{}, err
	}
	return both{from, to}, nil
}

func (b both) close() { b.from.Close(); b.to.Close() }

// hash hashes the same rows on both sides at once.
func (b both) hash(ctx context.Context, t *verifyTable, condition string) (here, there sum, err error) {
	// Not the group's context: a side whose statement is too long must not break the other's connection.
	var group errgroup.Group
	group.Go(func() (err error) { here, err = b.from.hash(ctx, t, condition); return err })
	group.Go(func() (err error) { there, err = b.to.hash(ctx, t, condition); return err })
	return here, there, group.Wait()
}

// hashMany hashes whole tables by one statement.
func (w *verifyWire) hashMany(ctx context.Context, list []span) (out []sum, err error) {
	parts := make([]string, len(list))
	for i, sp := range list {
		parts[i] = fmt.Sprintf("SELECT %d,%s FROM %s", i, sp.run.chunkHash(w.dialect), sp.run.Quoted())
	}
	begin := func() { out = make([]sum, len(list)) }
	err = w.read(ctx, list[0].run.verifyTable, strings.Join(parts, " UNION ALL "), begin, func(row []byte) error {
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
func (b both) hashMany(ctx context.Context, list []span) (here, there []sum, err error) {
	var group errgroup.Group
	group.Go(func() (err error) { here, err = b.from.hashMany(ctx, list); return err })
	group.Go(func() (err error) { there, err = b.to.hashMany(ctx, list); return err })
	return here, there, group.Wait()
}
