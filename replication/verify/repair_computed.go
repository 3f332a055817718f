package verify

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/table"
)

// errNotTaken means that the target has made another row of what was written.
var errNotTaken = errors.New("the target does not take the row as it is")

// dependsOnSession reports whether the table computes something: that may depend on the time
// zone and the sql_mode. Such rows are repaired with the source's settings, with which they
// were most likely computed: a delete with others does not find the row in an index of
// computed values, and MySQL ends itself.
func (r *repairer) dependsOnSession(ctx context.Context, t *tableShape) (bool, error) {
	if t.computes {
		return true, nil
	}
	db, err := r.v.to.DB(ctx)
	if err != nil {
		return false, err
	}
	functional, err := query.Strings(ctx, db, "SELECT INDEX_NAME FROM information_schema.STATISTICS WHERE COLUMN_NAME IS NULL AND TABLE_SCHEMA = ? AND TABLE_NAME = ?", t.Schema, t.Name)
	if err != nil {
		return false, r.v.to.Wrap("look for functional keys of "+t.Title(), err)
	}
	return len(functional) > 0, nil
}

func isTimestamp(c table.Column) bool { return c.Type == "timestamp" }

// asSource runs do while the session computes as the source does, if the table depends on
// that. All else is read in UTC.
func (r *repairer) asSource(ctx context.Context, c *conn, t *tableShape, do func() error) error {
	if !t.dependsOnSession {
		return do()
	}
	db, err := r.v.from.DB(ctx)
	if err != nil {
		return err
	}
	settings, err := replication.ReadComputing(ctx, db)
	if err != nil {
		return r.v.from.Wrap("read its time zone and sql_mode", err)
	}
	if _, err := c.Exec(ctx, settings.Statement()); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err // the session ends with it
	}
	_, err = c.Exec(ctx, replication.ResetComputing)
	return err
}

// appendInstant appends a TIMESTAMP that was read in UTC, for a session in another zone. In
// the hour that a change of clocks repeats it may become the other instant: what was
// written is read back.
func appendInstant(out, value []byte) []byte {
	at, err := time.Parse("2006-01-02 15:04:05.999999", string(value))
	if value == nil || err != nil { // NULL, and what is no instant, as 0000-00-00
		out, _ = table.Column{Type: "timestamp"}.AppendValue(out, value) //nolint:errcheck // only JSON has errors
		return out
	}
	_, fraction, _ := strings.Cut(string(value), ".")
	if fraction != "" {
		fraction = "." + fraction
	}
	return append(append(append(out, "FROM_UNIXTIME("...), strconv.FormatInt(at.Unix(), 10)+fraction...), ')')
}
