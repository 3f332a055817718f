package replication

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
)

// ownMark is the comment of every table of migrate's own schema. It tells them from an
// application's tables in a schema of the same name, which migrate never touches.
const ownMark = "kept by migrate until the move is finished"

// ownCollation is the collation of migrate's own schema. An empty schema of this name with
// another one is somebody else's. A crash between the making of the schema and of its first
// table leaves an empty one of ours.
const ownCollation = "utf8mb4_bin"

// CreateOwnSchema is the statement that makes migrate's own schema if there is none.
const CreateOwnSchema = "CREATE DATABASE IF NOT EXISTS `" + OwnSchema + "` CHARACTER SET utf8mb4 COLLATE " + ownCollation

// ErrForeignSchema is wrapped if a server has a schema of the name of migrate's own that
// holds what migrate did not make.
var ErrForeignSchema = fmt.Errorf("the schema %s is not migrate's", OwnSchema)

// queryExecer is a connection that reads and writes.
type queryExecer interface {
	query.Queryer
	query.Execer
}

// MakeOwnTable makes a table of migrate's own schema, and the schema if it is missing.
// columns are the definitions of columns and keys. A schema that is not migrate's is left
// as it is: the error wraps ErrForeignSchema.
func MakeOwnTable(ctx context.Context, session queryExecer, name, columns string) error {
	if err := MakeOwnSchema(ctx, session); err != nil {
		return err
	}
	_, err := session.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+query.QuoteTable(OwnSchema, name)+" ("+columns+
		") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT="+query.Literal(ownMark))
	return report.Wrap("make the table "+OwnSchema+"."+name, err)
}

// MakeOwnSchema makes migrate's own schema if it is missing. A schema that is not
// migrate's is left as it is: the error wraps ErrForeignSchema.
func MakeOwnSchema(ctx context.Context, session queryExecer) error {
	if err := RequireOwnSchema(ctx, session); err != nil {
		return err
	}
	_, err := session.ExecContext(ctx, CreateOwnSchema)
	return report.Wrap("make the schema "+OwnSchema, err)
}

// RequireOwnSchema returns an error that wraps ErrForeignSchema if the server has a schema
// of the name of migrate's own that migrate did not make, or that holds something else.
func RequireOwnSchema(ctx context.Context, q query.Queryer) error {
	_, foreign, err := InOwnSchema(ctx, q)
	if err != nil || len(foreign) == 0 {
		return err
	}
	return report.WithHint(report.Permanent(fmt.Errorf("%w: it holds %s", ErrForeignSchema, phrase.FirstOf(5, foreign))),
		"migrate keeps its notes in a schema of that name: rename the application's schema, or drop it if nobody needs it")
}

// InOwnSchema lists what the schema of the name of migrate's own holds: the tables that
// migrate made, by their names, and everything else, in words: tables without migrate's
// mark, views, sequences, routines, events and triggers. Both are empty if the schema is
// not there.
func InOwnSchema(ctx context.Context, q query.Queryer) (own, foreign []string, err error) {
	objects, err := query.All(ctx, q, `SELECT LOWER(TABLE_TYPE) AS kind, TABLE_NAME AS name, TABLE_COMMENT AS mark FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?
		UNION ALL SELECT LOWER(ROUTINE_TYPE), ROUTINE_NAME, '' FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ?
		UNION ALL SELECT 'event', EVENT_NAME, '' FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ?
		UNION ALL SELECT 'trigger', TRIGGER_NAME, '' FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ?`,
		OwnSchema, OwnSchema, OwnSchema, OwnSchema)
	if err != nil {
		return nil, nil, fmt.Errorf("read what the schema %s holds: %w", OwnSchema, err)
	}
	for _, o := range objects {
		if o["mark"] == ownMark && o["kind"] == "base table" {
			own = append(own, o["name"])
		} else {
			foreign = append(foreign, strings.TrimPrefix(o["kind"], "base ")+" "+o["name"])
		}
	}
	slices.Sort(foreign)
	if len(objects) > 0 {
		return own, foreign, nil
	}
	collation, err := query.Text(ctx, q, "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?", OwnSchema)
	if err != nil {
		return nil, nil, fmt.Errorf("look for the schema %s: %w", OwnSchema, err)
	}
	if collation != "" && collation != ownCollation {
		foreign = append(foreign, "nothing, and migrate did not make it")
	}
	return own, foreign, nil
}

// DropOwnTables drops tables of migrate's own schema, or all of them if none is named, and
// then the schema if nothing is left in it. It drops nothing without migrate's mark. A
// schema that is not there is no error.
func DropOwnTables(ctx context.Context, session queryExecer, names ...string) error {
	own, foreign, err := InOwnSchema(ctx, session)
	if err != nil {
		return err
	}
	left := len(own) + len(foreign)
	for _, name := range own {
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		if _, err := session.ExecContext(ctx, "DROP TABLE IF EXISTS "+query.QuoteTable(OwnSchema, name)); err != nil {
			return fmt.Errorf("drop the table %s.%s: %w", OwnSchema, name, err)
		}
		left--
	}
	if left > 0 {
		return nil
	}
	_, err = session.ExecContext(ctx, "DROP DATABASE IF EXISTS "+query.Quote(OwnSchema))
	return report.Wrap("drop the schema "+OwnSchema, err)
}
