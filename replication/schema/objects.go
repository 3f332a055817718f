package schema

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
)

// SystemSchemas belong to the server and are never moved.
var SystemSchemas = []string{"information_schema", "mysql", "performance_schema", "sys"}

// Kinds of schema objects, as SHOW CREATE spells them. Routines have the kinds that
// information_schema.ROUTINES tells: FUNCTION, PROCEDURE, PACKAGE ….
const (
	KindTable    = "TABLE"
	KindSequence = "SEQUENCE"
	KindView     = "VIEW"
	KindTrigger  = "TRIGGER"
	KindEvent    = "EVENT"
)

// Object is an object of a schema, with the settings that make its definition mean the
// same on another server.
type Object struct {
	Kind, Schema, Name string
	Create             string // the CREATE statement as the server prints it
	SQLMode            string // of programs, triggers and events: the mode in which they run
	Charset, Collation string // character_set_client and collation_connection when it was made
	SchemaCollation    string // the schema's collation when it was made
	TimeZone           string // events
}

// Title names the object for people.
func (o Object) Title() string {
	return strings.ToLower(o.Kind) + " " + o.Schema + "." + o.Name
}

// Names lists the schemas of a pair on a server: the configured ones, or else all but the
// system's and migrate's own.
func Names(ctx context.Context, q query.Queryer, configured []string) ([]string, error) {
	all, err := query.Strings(ctx, q, "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME")
	if err != nil {
		return nil, fmt.Errorf("list schemas: %w", err)
	}
	return slices.DeleteFunc(all, func(name string) bool {
		if len(configured) > 0 {
			return !slices.Contains(configured, name)
		}
		return name == replication.OwnSchema || slices.Contains(SystemSchemas, strings.ToLower(name))
	}), nil
}

// CreateStatements are the statements that create the server's schemas with their options,
// by name.
func CreateStatements(ctx context.Context, s *replication.Server) (map[string]string, error) {
	db, d, err := s.Open(ctx)
	if err != nil {
		return nil, err
	}
	records, err := query.All(ctx, db, d.SchemaOptions())
	if err != nil {
		return nil, s.Wrap("read schemas", err)
	}
	out := make(map[string]string, len(records))
	for _, r := range records {
		out[r["name"]] = "CREATE DATABASE IF NOT EXISTS " + query.Quote(r["name"]) + " " + r["options"]
	}
	return out, nil
}

// tableKinds maps information_schema.TABLES.TABLE_TYPE to what SHOW CREATE wants.
var tableKinds = map[string]string{
	"BASE TABLE": KindTable, "SYSTEM VERSIONED": KindTable, "SEQUENCE": KindSequence, "VIEW": KindView,
}

// objectLists list the objects of a schema: tables and sequences by the bytes of
// their names, views, programs, triggers (in the order in which they fire) and events.
var objectLists = []struct{ kind, query, order string }{
	{KindTable, "SELECT TABLE_TYPE AS kind, TABLE_NAME AS name FROM information_schema.TABLES WHERE " + isTable + " AND TABLE_SCHEMA = ", byBytes},
	{KindView, "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_TYPE = 'VIEW' AND TABLE_SCHEMA = ", " ORDER BY TABLE_NAME"},
	{"", "SELECT ROUTINE_TYPE AS kind, ROUTINE_NAME AS name FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ", " ORDER BY ROUTINE_TYPE, ROUTINE_NAME"},
	{
		KindTrigger, "SELECT TRIGGER_NAME AS name FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ",
		" ORDER BY EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER",
	},
	{KindEvent, "SELECT EVENT_NAME AS name FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ", " ORDER BY EVENT_NAME"},
}

// ReadObjects reads the objects of schemas whose kind is wanted, and calls take with each:
// some schemas at a time in the order of objectLists, at most limit tables of each, then
// the rest of the tables in pages of limit.
func ReadObjects(ctx context.Context, s *replication.Server, schemas []string, wanted func(kind string) bool, limit int, take func(Object) error) error {
	c, err := wire.OpenForQuestions(ctx, s)
	if err != nil {
		return err
	}
	defer c.Close()
	for group := range slices.Chunk(schemas, wire.StatementsAtOnce/len(objectLists)) {
		listed, more, err := listObjects(ctx, c, group, wanted, limit)
		if err != nil {
			return err
		}
		if err := ReadTexts(ctx, c, listed, take); err != nil {
			return err
		}
		for _, first := range more {
			for from := first.Name; from != ""; {
				tables, next, err := ListTables(ctx, c, first.Schema, from, limit)
				if err != nil {
					return err
				}
				if err := ReadTexts(ctx, c, tables, take); err != nil {
					return err
				}
				from = next
			}
		}
	}
	return nil
}

// IsDropped reports whether an error of a server says that the object, and not another one that it
// uses, does not exist any more.
func (o Object) IsDropped(err error) bool {
	switch query.ErrorNumber(err) {
	case 1049, 1305, 1360, 1539: // no such schema, routine, trigger, event
		return o.Kind != KindView
	case 1146:
		return o.IsData()
	}
	return false
}

// ReadTexts reads the definitions of listed objects, and calls take with each. It leaves
// out those that were dropped after they were listed.
func ReadTexts(ctx context.Context, c *wire.Conn, listed []Object, take func(Object) error) error {
	for group := range slices.Chunk(listed, wire.StatementsAtOnce) {
		queries := make([]string, len(group))
		for i, o := range group {
			queries[i] = ShowCreate(o.Kind, table.Name{Schema: o.Schema, Name: o.Name})
		}
		err := c.Ask(ctx, queries, func(i int, rows []query.Record, err error) error {
			o := group[i]
			if o.IsDropped(err) {
				return nil
			}
			if err != nil || len(rows) == 0 {
				return fmt.Errorf("read %s: %w", o.Title(), cmp.Or(ChangedError(err), replication.ErrGone))
			}
			if o, err = NewObject(o.Kind, table.Name{Schema: o.Schema, Name: o.Name}, rows[0]); err != nil {
				return err
			}
			return take(o)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// listObjects lists the objects that are wanted, without their definitions. more has the
// first of the tables that are left out, for each schema with more than limit tables.
func listObjects(ctx context.Context, c *wire.Conn, schemas []string, wanted func(kind string) bool, limit int) (out []Object, more []table.Name, err error) {
	type list struct {
		schema, kind string
		tables       bool
	}
	var queries []string
	var lists []list
	for _, schema := range schemas {
		for _, l := range objectLists {
			if l.kind != "" && !wanted(l.kind) {
				continue
			}
			query := l.query + query.Literal(schema) + l.order
			if l.kind == KindTable {
				query += fmt.Sprintf(" LIMIT %d", limit+1)
			}
			queries, lists = append(queries, query), append(lists, list{schema, l.kind, l.kind == KindTable})
		}
	}
	err = c.Ask(ctx, queries, func(i int, rows []query.Record, err error) error {
		l := lists[i]
		if err != nil {
			return fmt.Errorf("list the objects of %s: %w", l.schema, err)
		}
		if l.tables {
			tables, next, err := pageOf(c, l.schema, "", rows, limit)
			if next != "" {
				more = append(more, table.Name{Schema: l.schema, Name: next})
			}
			out = append(out, tables...)
			return err
		}
		for _, r := range rows {
			if kind := cmp.Or(l.kind, r["kind"]); wanted(kind) {
				out = append(out, Object{Kind: kind, Schema: l.schema, Name: r["name"]})
			}
		}
		return nil
	})
	return out, more, err
}

// byBytes sorts tables by the bytes of their names, as Go compares strings.
const byBytes = " ORDER BY CAST(TABLE_NAME AS BINARY)"

// ListTables lists at most limit tables and sequences of a schema, without their
// definitions, sorted by the bytes of their names, beginning at from. next is the first
// name that is left out; "" is none.
func ListTables(ctx context.Context, c *wire.Conn, schema, from string, limit int) (tables []Object, next string, err error) {
	statement := objectLists[0].query + query.Literal(schema)
	if from != "" {
		statement += fmt.Sprintf(" AND CAST(TABLE_NAME AS BINARY) >= 0x%X", from)
	}
	err = c.Ask(ctx, []string{statement + byBytes + fmt.Sprintf(" LIMIT %d", limit+1)}, func(_ int, rows []query.Record, err error) error {
		if err == nil {
			tables, next, err = pageOf(c, schema, from, rows, limit)
		}
		return err
	})
	return tables, next, report.Wrap("list the tables of "+schema, err)
}

// pageOf is a page of tables, and the name that begins the next page. It checks the order:
// in another order some tables would be skipped.
func pageOf(c *wire.Conn, schema, from string, rows []query.Record, limit int) (tables []Object, next string, err error) {
	last := ""
	for i, r := range rows {
		name := r["name"]
		if name < from || i > 0 && name <= last {
			return nil, "", fmt.Errorf("%s does not sort them by the bytes of their names: %q", c.Server().Name(), name)
		}
		if last = name; i == limit {
			return tables, name, nil
		}
		tables = append(tables, Object{Kind: tableKinds[r["kind"]], Schema: schema, Name: name})
	}
	return tables, "", nil
}

// AnyKind is true for all kinds of objects.
func AnyKind(string) bool { return true }

// IsProgram reports whether a kind is not TABLE or SEQUENCE: views are programs here.
func IsProgram(kind string) bool { return !(Object{Kind: kind}).IsData() }

// ShowCreate is the statement that shows an object's definition.
func ShowCreate(kind string, id table.Name) string {
	return "SHOW CREATE " + kind + " " + query.QuoteTable(id.Schema, id.Name)
}

// ReadObject reads an object's definition.
func ReadObject(ctx context.Context, q query.Queryer, kind, schema, name string) (Object, error) {
	r, ok, err := query.One(ctx, q, ShowCreate(kind, table.Name{Schema: schema, Name: name}))
	if err != nil || !ok {
		return Object{}, fmt.Errorf("read %s: %w", Object{Kind: kind, Schema: schema, Name: name}.Title(), cmp.Or(err, replication.ErrGone))
	}
	return NewObject(kind, table.Name{Schema: schema, Name: name}, r)
}

// NewObject is the object in the answer to ShowCreate.
func NewObject(kind string, id table.Name, shown query.Record) (Object, error) {
	o := Object{Kind: kind, Schema: id.Schema, Name: id.Name}
	for column, value := range shown {
		switch {
		case strings.HasPrefix(column, "Create ") || column == "SQL Original Statement":
			o.Create = value
		case column == "sql_mode":
			o.SQLMode = value
		case column == "character_set_client":
			o.Charset = value
		case column == "collation_connection":
			o.Collation = value
		case column == "Database Collation":
			o.SchemaCollation = value
		case column == "time_zone":
			o.TimeZone = value
		}
	}
	if o.Create == "" {
		return o, fmt.Errorf("read %s: the server does not show its text; the login lacks the privilege", o.Title())
	}
	return o, nil
}

var (
	autoIncrement = regexp.MustCompile(` AUTO_INCREMENT=\d+`)
	eventStatus   = regexp.MustCompile(`( ON COMPLETION (?:NOT )?PRESERVE )(ENABLE|DISABLE ON SLAVE|DISABLE ON REPLICA|DISABLE)\b`)
)

// Definition is the object's text without what may differ between two servers that hold
// the same: counters, and whether an event is on.
func (o Object) Definition() string {
	create := o.Create
	switch o.Kind {
	case KindTable:
		if end := strings.LastIndex(create, "\n)"); end >= 0 {
			create = withoutCharsets(create[:end]) + autoIncrement.ReplaceAllString(create[end:], "")
		}
	case KindEvent:
		create = o.withStatus("")
	}
	return strings.Join([]string{create, o.SQLMode, o.Charset, o.Collation, o.SchemaCollation, o.TimeZone}, "\x00")
}

// charsetClause is what a server prints before the collation of a column if the character
// set was given when the column was made. The collation says as much.
var charsetClause = regexp.MustCompile(`^ CHARACTER SET \w+( COLLATE )`)

// withoutCharsets takes the character sets of columns out of a table's definition. MySQL
// prints them depending on how the column was made: a table that is made from its printed
// definition is printed with more of them.
func withoutCharsets(create string) string {
	if !strings.Contains(create, " CHARACTER SET ") {
		return create
	}
	var b strings.Builder
	for i := 0; i < len(create); i++ {
		switch c := create[i]; c {
		case '\'', '`', '"':
			end := i + 1
			for end < len(create) && create[end] != c {
				if create[end] == '\\' && c != '`' {
					end++
				}
				end++
			}
			end = min(end+1, len(create))
			b.WriteString(create[i:end])
			i = end - 1
		case ' ':
			if m := charsetClause.FindStringSubmatchIndex(create[i:]); m != nil {
				i += m[2] // before COLLATE
			}
			b.WriteByte(create[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Difference says in which respect two definitions of an object differ. It does not show
// texts: some hold passwords.
func (o Object) Difference(other Object) string {
	for _, r := range []struct{ name, here, there string }{
		{"sql_mode", o.SQLMode, other.SQLMode},
		{"character_set_client", o.Charset, other.Charset},
		{"collation_connection", o.Collation, other.Collation},
		{"the schema's collation when it was made", o.SchemaCollation, other.SchemaCollation},
		{"time_zone", o.TimeZone, other.TimeZone},
	} {
		if r.here != r.there {
			return fmt.Sprintf("%s is %q, not %q", r.name, r.there, r.here)
		}
	}
	return "the text of its SHOW CREATE " + o.Kind
}

// withStatus is an event's CREATE statement with another status.
func (o Object) withStatus(status string) string {
	head, tail := o.afterName()
	at := eventStatus.FindStringSubmatchIndex(tail)
	if at == nil {
		return o.Create
	}
	return head + tail[:at[4]] + status + tail[at[5]:]
}

// Status is the status in an event's CREATE statement: ENABLE, DISABLE, …; "" is none.
func (o Object) Status() string {
	_, tail := o.afterName()
	if m := eventStatus.FindStringSubmatch(tail); m != nil {
		return m[2]
	}
	return ""
}

// afterName cuts an event's statement behind the event's name, so that no name is taken for
// a clause.
func (o Object) afterName() (head, tail string) {
	name := "EVENT " + query.Quote(o.Name)
	if at := strings.Index(o.Create, name); at >= 0 {
		return o.Create[:at+len(name)], o.Create[at+len(name):]
	}
	return "", o.Create
}
