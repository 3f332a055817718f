package seed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
)

const (
	statementBytes = 1 << 20 // of one multi-row statement
	rowsSettings   = dialect.AsIs + ", unique_checks = 0, max_error_count = 65535"
)

// pump streams the rows of one query of the source into the target.
type pump struct {
	from, to *wire.Conn
	table    *sourceTable
	verb     string            // REPLACE if the rows may exist already, else INSERT
	onRead   func(bytes int64) // is called with the bytes that were read
	// wait, if set, is called between statements and may block.
	wait     func(context.Context) error
	limit    time.Duration // how long the statement may be open on the source; 0: no limit
	manyRows bool          // many rows are expected
	onKey    func(key table.Key)
}

// pumpResult describes the rows that a query returned.
type pumpResult struct {
	rows, bytes int64
	last        table.Key // of the last row
	cutOff      bool      // the time was up before the last row
}

// isLast reports whether a query for so many rows has returned all that there are.
func (p pumpResult) isLast(wanted int64) bool { return p.rows < wanted && !p.cutOff }

// run runs the query, whose list is the table's selectList, and writes its rows in the
// open transaction of the target. At most two statements are in memory: one is filled
// while the other is sent.
func (p *pump) run(ctx context.Context, query string) (pumpResult, error) {
	var out pumpResult
	format := newRowFormat(p.to, p.verb, p.table, p.manyRows)
	group, ctx := errgroup.WithContext(ctx)
	statements, buffers := make(chan wire.Request, 1), make(chan []byte, 2)
	buffers <- nil
	buffers <- nil
	group.Go(func() error {
		defer close(statements)
		filler := rowFiller{pump: p, statements: statements, buffers: buffers, format: format}
		filler.keyPosition, filler.key = make([]int, len(p.table.Columns)), make([][]byte, len(p.table.keyPositions))
		for k, at := range p.table.keyPositions {
			filler.keyPosition[at] = k + 1
		}
		err := p.read(ctx, query, &filler)
		if err != nil {
			return fmt.Errorf("read %s: %w", p.table.Title(), schema.ChangedError(err))
		}
		out = filler.pumpResult
		if filler.rows > 0 {
			out.last = filler.lastKey()
		}
		return filler.send(ctx)
	})
	group.Go(func() error {
		for statement := range statements {
			if err := p.write(ctx, statement); err != nil {
				return fmt.Errorf("write %s: %w", p.table.Title(), err)
			}
			buffer := statement.Buffer()
			if cap(buffer) > 4*statementBytes {
				buffer = nil
			}
			buffers <- buffer
		}
		return nil
	})
	err := group.Wait()
	return out, err
}

// errTimeUp ends a query whose time is up.
var errTimeUp = errors.New("the time of the query is up")

// read runs the query. When its time is up and rows have arrived, it closes the
// connection, whatever that is waiting for: the rows so far are complete.
func (p *pump) read(ctx context.Context, query string, filler *rowFiller) error {
	if p.limit == 0 {
		return p.from.Query(ctx, query, func(row []byte) error { return filler.add(ctx, row) })
	}
	if err := p.from.Restore(ctx); err != nil {
		return err
	}
	b := &watchdog{conn: p.from.NetConn()}
	b.arm(p.limit)
	err := p.from.Query(ctx, query, func(row []byte) error {
		if b.fired.Load() {
			return errTimeUp
		}
		b.sawRow.Store(true)
		return filler.add(ctx, row)
	})
	if !b.disarm() {
		return err
	}
	p.from.Close() // the watchdog has closed its network connection
	if err == nil || ctx.Err() != nil || filler.rows == 0 {
		return err
	}
	filler.cutOff = true
	return nil
}

// watchdog closes a connection when its time is up and a row has arrived.
type watchdog struct {
	conn          io.Closer
	sawRow, fired atomic.Bool

	mu      sync.Mutex
	stopped bool
	timer   *time.Timer
}

// watchdogRetryInterval is how often a watchdog whose time is up checks for a row.
const watchdogRetryInterval = 100 * time.Millisecond

func (w *watchdog) arm(after time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(after, w.fire)
}

func (w *watchdog) fire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.stopped:
	case !w.sawRow.Load():
		w.timer.Reset(watchdogRetryInterval)
	default:
		w.fired.Store(true)
		_ = w.conn.Close()
	}
}

// disarm stops the watchdog and reports whether it has closed the connection.
func (w *watchdog) disarm() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.timer.Stop()
	return w.fired.Load()
}

// rowFiller builds statements from rows.
type rowFiller struct {
	pumpResult
	pump        *pump
	statements  chan wire.Request
	buffers     chan []byte
	statement   []byte
	format      rowFormat
	counted     pumpResult
	keyPosition []int    // by column: its position in the key, from 1, or 0
	key         [][]byte // of the last row
}

func (f *rowFiller) add(ctx context.Context, row []byte) error {
	if f.statement != nil && len(row) > statementBytes {
		if err := f.send(ctx); err != nil {
			return err
		}
	}
	if f.statement == nil {
		select {
		case f.statement = <-f.buffers:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if f.statement == nil {
			f.statement = make([]byte, 0, statementBytes+statementBytes/8)
		}
		f.statement = f.format.begin(wire.NewPacket(f.statement))
	}
	f.statement = f.format.open(f.statement)
	rest := row
	for i := range f.pump.table.Columns {
		value, next, err := wire.NextValue(rest)
		if err != nil {
			return err
		}
		if f.statement, err = f.format.value(f.statement, i, value); err != nil {
			return fmt.Errorf("column %s: %w", f.pump.table.Columns[i].Name, err)
		}
		rest = next
		if k := f.keyPosition[i]; k > 0 {
			f.key[k-1] = append(f.key[k-1][:0], value...)
		}
	}
	f.statement = f.format.close(f.statement)
	f.rows++
	f.bytes += int64(len(row))
	if f.pump.onKey != nil {
		f.pump.onKey(f.lastKey())
	}
	if f.format.full(f.statement) {
		return f.send(ctx)
	}
	return nil
}

// send hands the statement that is being filled to the writer.
func (f *rowFiller) send(ctx context.Context) error {
	if f.statement == nil {
		return nil
	}
	select {
	case f.statements <- f.format.request(f.statement):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if cap(f.statement) > 4*statementBytes { // it was a huge row: read nothing while it is sent
		f.statement = nil
		if err := f.waitForWriter(ctx); err != nil {
			return err
		}
	}
	f.statement = nil
	f.pump.onRead(f.bytes - f.counted.bytes)
	f.counted = f.pumpResult
	if f.pump.wait == nil {
		return nil
	}
	return f.pump.wait(ctx)
}

// waitForWriter waits until the writer has sent everything.
func (f *rowFiller) waitForWriter(ctx context.Context) error {
	for range cap(f.buffers) {
		select {
		case <-f.buffers:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for range cap(f.buffers) {
		f.buffers <- nil
	}
	return nil
}

// lastKey returns the last row's key.
func (f *rowFiller) lastKey() table.Key {
	var key table.Key
	for i, c := range f.pump.table.keyCols {
		key = append(key, c.WireLiteral(f.key[i]))
	}
	return key
}

// write sends one statement.
func (p *pump) write(ctx context.Context, statement wire.Request) error {
	warnings, err := p.to.Send(ctx, statement)
	switch {
	case query.ErrorNumber(err) == 1153 || query.ErrorNumber(err) == 1301:
		return report.WithHint(err, "raise max_allowed_packet on the target: a row of the table does not fit")
	case query.ErrorNumber(err) == 3141:
		return report.WithHint(err, "a JSON document holds a value of a type that only an older server makes: write the document anew on the source")
	case query.ErrorNumber(err) == 3819:
		return report.WithHint(err, "a row breaks a CHECK that MySQL enforces on every write: on the source, ALTER TABLE %s ALTER CHECK … NOT ENFORCED, or mend the row", p.table.Title())
	case err != nil || warnings == 0:
		return err
	}
	return p.explainWarnings(ctx)
}

// explainWarnings turns every warning into an error. The session's sql_mode is permissive,
// so that nothing valid is refused, and a warning there means an altered value. There are
// two exceptions. An ENUM's number 0 (a value that was once refused, stored as an empty
// text) always warns and is stored exactly. And an expression of the table warns again each
// time that it is computed.
func (p *pump) explainWarnings(ctx context.Context) error {
	warnings, err := p.to.Texts(ctx, "SHOW WARNINGS") // level, code, message
	if err != nil {
		return err
	}
	for _, w := range warnings {
		if len(w) < 3 || w[0] == "Note" || p.table.computed.MayWarn(p.table.Columns, w[2]) || w[1] == "1265" && mentionsEnum(p.table.Table, w[2]) {
			continue
		}
		return fmt.Errorf("the target bends a value: %s (%s)", w[2], w[1])
	}
	if len(warnings) >= maxWarnings {
		report.Note(ctx, "%s: the target warned of more than %d computed values in one statement; verify compares them", p.table.Title(), maxWarnings)
	}
	return nil
}

// maxWarnings is max_error_count of rowsSettings: the most warnings that a server keeps of a
// statement.
const maxWarnings = 65535

func mentionsEnum(t table.Table, message string) bool {
	for _, c := range t.Columns {
		if c.Type == "enum" && strings.Contains(message, "'"+c.Name+"'") {
			return true
		}
	}
	return false
}
