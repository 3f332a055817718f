package schema

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
)

// Creator makes objects of the source on the target, in one session that does not
// write to the binlog.
type Creator struct {
	session *replication.Session
	dialect *dialect.Dialect
	source  *replication.Server
}

// NewCreator opens the session on the target. Close it after use.
func NewCreator(ctx context.Context, source, target *replication.Server) (*Creator, error) {
	d, err := target.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	session, err := target.Session(ctx, dialect.Unlogged, dialect.AsIs+", unique_checks = 0", d.AnyForeignKey())
	if err != nil {
		return nil, err
	}
	return &Creator{session, d, source}, nil
}

// Close ends the session.
func (c *Creator) Close() { c.session.Close() }

// Session is the session on the target.
func (c *Creator) Session() *replication.Session { return c.session }

// Exec runs a statement in the session on the target.
func (c *Creator) Exec(ctx context.Context, statement string) error {
	_, err := c.session.ExecContext(ctx, statement)
	return err
}

// Create makes an object with the settings that it was made with on the source.
func (c *Creator) Create(ctx context.Context, o Object) error {
	o, err := c.inCharset(ctx, o)
	if err != nil {
		return err
	}
	statement := o.Create
	if o.Kind == KindEvent {
		statement = o.withStatus(c.dialect.PassiveEvent(o.Status()))
	}
	settings := []string{"USE " + query.Quote(o.Schema)}
	if o.Charset != "" {
		settings = append(settings, "SET SESSION character_set_client = "+o.Charset+
			", character_set_results = "+o.Charset+", collation_connection = "+o.Collation)
	}
	if o.Kind != KindTable && o.Kind != KindSequence && o.Kind != KindView {
		settings = append(settings, "SET SESSION sql_mode = "+query.Literal(o.SQLMode))
	}
	if o.TimeZone != "" {
		settings = append(settings, "SET SESSION time_zone = "+query.Literal(o.TimeZone))
	}
	for _, setting := range settings {
		if err := c.Exec(ctx, setting); err != nil {
			return fmt.Errorf("create %s: %s: %w", o.Title(), setting, err)
		}
	}
	err = c.inCollation(ctx, o, func() error { return c.Exec(ctx, statement) })
	if len(settings) > 1 {
		err = cmp.Or(err, c.reset(ctx))
	}
	if err != nil {
		return fmt.Errorf("create %s: %w", o.Title(), err)
	}
	return nil
}

// reset sets the session back to what it was before an object's settings.
func (c *Creator) reset(ctx context.Context) error {
	err := c.Exec(ctx, "SET SESSION time_zone = '+00:00', sql_mode = '"+replication.SessionMode+"'")
	return cmp.Or(err, c.Exec(ctx, "SET NAMES utf8mb4 COLLATE utf8mb4_bin"))
}

// inCharset reads the object's text again in the character set of the client that
// made it, because it is sent to the target in that character set.
func (c *Creator) inCharset(ctx context.Context, o Object) (Object, error) {
	if o.Charset == "" || strings.HasPrefix(o.Charset, "utf8") {
		return o, nil
	}
	session, err := c.source.Session(ctx, "SET SESSION character_set_results = "+o.Charset)
	if err != nil {
		return o, err
	}
	defer session.Close()
	return ReadObject(ctx, session, o.Kind, o.Schema, o.Name)
}

// inCollation runs create while the schema has the collation that it had when the
// object was made: texts in programs get the schema's collation.
func (c *Creator) inCollation(ctx context.Context, o Object, create func() error) error {
	if o.SchemaCollation == "" {
		return create()
	}
	now, err := query.Text(ctx, c.session, "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?", o.Schema)
	if err != nil {
		return err
	}
	if now == o.SchemaCollation {
		return create()
	}
	if err := c.Exec(ctx, "ALTER DATABASE "+query.Quote(o.Schema)+" COLLATE "+o.SchemaCollation); err != nil {
		return err
	}
	err = create()
	return errors.Join(err, c.Exec(ctx, "ALTER DATABASE "+query.Quote(o.Schema)+" COLLATE "+now))
}

// CreateViews makes views, which may use each other: as long as a round makes at
// least one, the rest is tried again. A view that is broken on the source is left
// out, with a note.
func (c *Creator) CreateViews(ctx context.Context, views []Object) error {
	for len(views) > 0 {
		var left []Object
		var failed []error
		for _, view := range views {
			if err := c.Create(ctx, view); err != nil {
				left, failed = append(left, view), append(failed, err)
			}
		}
		if len(left) < len(views) {
			views = left
			continue
		}
		return c.explainViews(ctx, left, failed)
	}
	return nil
}

// explainViews notes the views that are broken on the source, and returns the errors
// of the others.
func (c *Creator) explainViews(ctx context.Context, views []Object, failed []error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	db, err := c.source.DB(ctx)
	if err != nil {
		return err
	}
	var wrong []error
	for i, view := range views {
		why, err := LeftOut(ctx, db, view)
		if err != nil || why == "" {
			wrong = append(wrong, failed[i], err)
			continue
		}
		report.Note(ctx, "%s is left out: %s", view.Title(), why)
	}
	return errors.Join(wrong...)
}

// CopySequence gives a MariaDB sequence the state that it has in the snapshot.
func (c *Creator) CopySequence(ctx context.Context, from *wire.Conn, o Object) error {
	r, err := from.Texts(ctx, "SELECT next_not_cached_value, cycle_count FROM "+query.QuoteTable(o.Schema, o.Name))
	if err != nil || len(r) == 0 || len(r[0]) != 2 {
		return fmt.Errorf("read %s: %w", o.Title(), ChangedError(cmp.Or(err, replication.ErrGone)))
	}
	statement := "SELECT SETVAL(" + query.QuoteTable(o.Schema, o.Name) + ", " + r[0][0] + ", 0, " + r[0][1] + ")"
	if _, err := query.Text(ctx, c.session, statement); err != nil {
		return fmt.Errorf("set %s: %w", o.Title(), err)
	}
	return nil
}

// IsData reports whether the object holds rows. Such objects are made before the
// rows are copied, all others afterwards.
func (o Object) IsData() bool { return o.Kind == KindTable || o.Kind == KindSequence }
