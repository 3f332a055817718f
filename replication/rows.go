package replication

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/plan"
)

const (
	batchBytes   = 1 << 20 // of one multi-row INSERT
	rowWriters   = 2
	insertTries  = 5
	reportEvery  = 500 * time.Millisecond
	rowsSettings = "SET SESSION foreign_key_checks = 0, unique_checks = 0, max_error_count = 65535"
)

// rowCopy streams tables out of a snapshot into the target: one reader, a few
// writers, at most a few batches in memory.
type rowCopy struct {
	from    *snapshot
	target  *Server
	total   int64 // bytes, the source's estimate
	done    atomic.Int64
	rows    atomic.Int64
	started time.Time
	shown   time.Time
}

// batch is a statement ready to be sent.
type batch struct {
	table     table
	statement string
}

// copyTables copies every row of the tables that the callback yields.
func (c *rowCopy) copyTables(ctx context.Context, tables func(yield func(table) error) error) error {
	group, ctx := errgroup.WithContext(ctx)
	batches := make(chan batch)
	group.Go(func() error {
		defer close(batches)
		return tables(func(t table) error { return c.readTable(ctx, t, batches) })
	})
	for range rowWriters {
		group.Go(func() error { return c.write(ctx, batches) })
	}
	return group.Wait()
}

func (c *rowCopy) readTable(ctx context.Context, t table, batches chan<- batch) error {
	expressions := make([]string, len(t.Columns))
	for i, column := range t.Columns {
		expressions[i] = column.selected()
	}
	rows, err := c.from.QueryContext(ctx, "SELECT "+strings.Join(expressions, ",")+" FROM "+t.quoted())
	if err != nil {
		return fmt.Errorf("read %s: %w", t.title(), changedError(err))
	}
	defer rows.Close()
	values := make([]sql.RawBytes, len(t.Columns))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	head := "INSERT INTO " + t.quoted() + " (" + quoteList(names(t.Columns)) + ") VALUES "
	statement := make([]byte, 0, batchBytes+batchBytes/4)
	send := func() error {
		if len(statement) == 0 {
			return nil
		}
		b := batch{t, string(statement)}
		statement = statement[:0]
		select {
		case batches <- b:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("read %s: %w", t.title(), err)
		}
		if len(statement) == 0 {
			statement = append(statement, head...)
		} else {
			statement = append(statement, ',')
		}
		statement = appendRow(statement, t.Columns, values)
		c.rows.Add(1)
		if len(statement) >= batchBytes {
			if err := send(); err != nil {
				return err
			}
			c.report(ctx, t)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", t.title(), changedError(err))
	}
	return send()
}

func appendRow(out []byte, columns []column, values []sql.RawBytes) []byte {
	out = append(out, '(')
	for i, column := range columns {
		if i > 0 {
			out = append(out, ',')
		}
		out = column.appendValue(out, values[i])
	}
	return append(out, ')')
}

// errSchemaChanged says that DDL ran in the seed's window; it begins again.
var errSchemaChanged = errors.New("the schema changed during the seed (H3)")

// changedError recognises what a snapshot says of a table that DDL has changed since.
func changedError(err error) error {
	switch errorNumber(err) {
	case 1412, 1146, 1054: // ER_TABLE_DEF_CHANGED, no such table, no such column
		return errors.Join(errSchemaChanged, err)
	}
	return err
}

func (c *rowCopy) report(ctx context.Context, t table) {
	now := time.Now()
	if now.Sub(c.shown) < reportEvery {
		return
	}
	c.shown = now
	done := c.done.Load()
	what := fmt.Sprintf("%s, %d rows", t.title(), c.rows.Load())
	if elapsed := now.Sub(c.started); done > 0 && c.total > done {
		left := time.Duration(float64(elapsed) * float64(c.total-done) / float64(done))
		what += ", about " + left.Round(time.Second).String() + " left"
	}
	plan.Report(ctx, plan.Progress{Done: done, Total: max(c.total, done), Unit: "B", What: what})
}

// write sends batches until there are no more.
func (c *rowCopy) write(ctx context.Context, batches <-chan batch) error {
	session, err := c.target.Session(ctx, rowSession, Unlogged, rowsSettings)
	if err != nil {
		return err
	}
	defer session.Close()
	for b := range batches {
		if err := insert(ctx, session, b); err != nil {
			return fmt.Errorf("write %s: %w", b.table.title(), err)
		}
		c.done.Add(int64(len(b.statement)))
	}
	return nil
}

// insert sends one batch. A deadlock or lock wait rolls the whole statement
// back, so that it can be sent again.
func insert(ctx context.Context, session *Session, b batch) error {
	for try := 1; ; try++ {
		_, err := session.ExecContext(ctx, b.statement)
		switch {
		case err == nil:
			return checkWarnings(ctx, session, b.table)
		case errors.Is(err, mysql.ErrPktTooLarge) || errorNumber(err) == 1153:
			return plan.WithHint(err, "raise max_allowed_packet on the target: a row of the table does not fit")
		case errorNumber(err) != 1213 && errorNumber(err) != 1205 || try == insertTries:
			return err
		}
		plan.Note(ctx, "%s: insert again after %v (%d of %d)", b.table.title(), err, try, insertTries)
	}
}

// checkWarnings makes an error of every warning: the session's sql_mode is
// permissive so that nothing valid is refused, and a warning there is a value
// that was bent. Only an ENUM's number 0 (a value once refused, stored as an empty text)
// always warns and is stored exactly.
func checkWarnings(ctx context.Context, session *Session, t table) error {
	count, err := queryText(ctx, session, "SELECT @@warning_count")
	if err != nil || count == "0" {
		return err
	}
	warnings, err := queryRecords(ctx, session, "SHOW WARNINGS")
	if err != nil {
		return err
	}
	for _, w := range warnings {
		if w["Level"] == "Note" || w["Code"] == "1265" && t.mentionsEnum(w["Message"]) {
			continue
		}
		return fmt.Errorf("the target bends a value: %s (%s)", w["Message"], w["Code"])
	}
	return nil
}

func (t table) mentionsEnum(message string) bool {
	for _, c := range t.Columns {
		if c.Type == "enum" && strings.Contains(message, "'"+c.Name+"'") {
			return true
		}
	}
	return false
}
