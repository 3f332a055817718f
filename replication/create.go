package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/report"
)

// errGone says that something was listed and then was not there any more.
var errGone = errors.New("it is not there any more")

// firstError is err, or other when err is nil.
func firstError(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// creator makes objects of the source on the target, in one session that
// nothing of reaches the binlog.
type creator struct {
	session *Session
	dialect *Dialect
	source  *Server
}

func newCreator(ctx context.Context, source, target *Server) (*creator, error) {
	d, err := target.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	session, err := target.Session(ctx, Unlogged, "SET SESSION foreign_key_checks = 0, unique_checks = 0")
	if err != nil {
		return nil, err
	}
	return &creator{session, d, source}, nil
}

func (c *creator) close() { c.session.Close() }

func (c *creator) exec(ctx context.Context, statement string) error {
	_, err := c.session.ExecContext(ctx, statement)
	return err
}

// create makes one object the way it was made on its own server.
func (c *creator) create(ctx context.Context, o object) error {
	o, err := c.inCharset(ctx, o)
	if err != nil {
		return err
	}
	statement := o.Create
	if o.Kind == kindEvent {
		statement = o.withStatus(c.dialect.PassiveEvent(o.status()))
	}
	settings := []string{"USE " + Quote(o.Schema)}
	if o.Charset != "" {
		settings = append(settings, "SET SESSION character_set_client = "+o.Charset+
			", character_set_results = "+o.Charset+", collation_connection = "+o.Collation)
	}
	if o.Kind != kindTable && o.Kind != kindSequence && o.Kind != kindView {
		settings = append(settings, "SET SESSION sql_mode = "+literal(o.SQLMode))
	}
	if o.TimeZone != "" {
		settings = append(settings, "SET SESSION time_zone = "+literal(o.TimeZone))
	}
	for _, setting := range settings {
		if err := c.exec(ctx, setting); err != nil {
			return fmt.Errorf("create %s: %s: %w", o.title(), setting, err)
		}
	}
	err = c.inCollation(ctx, o, func() error { return c.exec(ctx, statement) })
	if len(settings) > 1 {
		err = firstError(err, c.reset(ctx))
	}
	if err != nil {
		return fmt.Errorf("create %s: %w", o.title(), err)
	}
	return nil
}

// reset takes back what an object wanted of the session.
func (c *creator) reset(ctx context.Context) error {
	err := c.exec(ctx, "SET SESSION time_zone = '+00:00', sql_mode = '"+sessionMode+"'")
	return firstError(err, c.exec(ctx, "SET NAMES utf8mb4 COLLATE utf8mb4_bin"))
}

// inCharset reads the object's text again in the character set of the client
// that made it, because it is sent under that character set.
func (c *creator) inCharset(ctx context.Context, o object) (object, error) {
	if o.Charset == "" || strings.HasPrefix(o.Charset, "utf8") {
		return o, nil
	}
	session, err := c.source.Session(ctx, "SET SESSION character_set_results = "+o.Charset)
	if err != nil {
		return o, err
	}
	defer session.Close()
	return readObject(ctx, session, o.Kind, o.Schema, o.Name)
}

// inCollation runs create while the schema has the collation that it had when the
// object was made: text in programs takes it over.
func (c *creator) inCollation(ctx context.Context, o object, create func() error) error {
	if o.SchemaCollation == "" {
		return create()
	}
	now, err := queryText(ctx, c.session, "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?", o.Schema)
	if err != nil {
		return err
	}
	if now == o.SchemaCollation {
		return create()
	}
	if err := c.exec(ctx, "ALTER DATABASE "+Quote(o.Schema)+" COLLATE "+o.SchemaCollation); err != nil {
		return err
	}
	err = create()
	return errors.Join(err, c.exec(ctx, "ALTER DATABASE "+Quote(o.Schema)+" COLLATE "+now))
}

// createViews makes views that may stand on each other: as long as a round
// makes at least one, the rest is tried again. A view that is broken on its own
// server is left out, visibly.
func (c *creator) createViews(ctx context.Context, views []object) error {
	for len(views) > 0 {
		var left []object
		var failed []error
		for _, view := range views {
			if err := c.create(ctx, view); err != nil {
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

func (c *creator) explainViews(ctx context.Context, views []object, failed []error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	db, err := c.source.DB(ctx)
	if err != nil {
		return err
	}
	var wrong []error
	for i, view := range views {
		if _, err := queryText(ctx, db, "SELECT 1 FROM "+QuoteTable(view.Schema, view.Name)+" LIMIT 0"); err == nil {
			wrong = append(wrong, failed[i])
			continue
		}
		report.Note(ctx, "%s is broken on the source and is left out: %v", view.title(), failed[i])
	}
	return errors.Join(wrong...)
}

// copySequence gives a MariaDB sequence the state that it has in the snapshot.
func (c *creator) copySequence(ctx context.Context, from *wire, o object) error {
	r, err := from.texts(ctx, "SELECT next_not_cached_value, cycle_count FROM "+QuoteTable(o.Schema, o.Name))
	if err != nil || len(r) == 0 || len(r[0]) != 2 {
		return fmt.Errorf("read %s: %w", o.title(), changedError(firstError(err, errGone)))
	}
	statement := "SELECT SETVAL(" + QuoteTable(o.Schema, o.Name) + ", " + r[0][0] + ", 0, " + r[0][1] + ")"
	if _, err := queryText(ctx, c.session, statement); err != nil {
		return fmt.Errorf("set %s: %w", o.title(), err)
	}
	return nil
}

// isData reports whether the object holds rows, and so is made before them;
// all else is made after them.
func (o object) isData() bool { return o.Kind == kindTable || o.Kind == kindSequence }

// isSeedTable is migrate's own marker and notes, which are never copied.
func (o object) isSeedTable() bool {
	return o.Schema == ownSchema && slices.ContainsFunc([]string{markerTable, notesTables, notesParts, controlTable},
		func(name string) bool { return strings.EqualFold(o.Name, name) })
}
