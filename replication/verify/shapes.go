package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
)

// tableShape is what comparing needs to know about a table.
type tableShape struct {
	table.Table
	rows      int64           // the server's estimate
	versioned bool            // keeps its rows' history
	history   []string        // of a versioned table: the columns of its rows' validity, which are compared; nil: they are not
	hashed    []table.Column  // Columns and the stored generated ones
	nullable  map[string]bool // by column
	hugeRow   atomic.Bool     // a row does not fit in a packet
	crc32c    bool            // both servers have the function CRC32C
	computes  bool            // it has generated columns

	versions         string // of a versioned table whose history is compared: what asks for all versions
	dependsOnSession bool   // its rows are repaired with the source's settings
	keyName          string
	keyCols          []table.Column // of the key that tells its rows apart, in the key's order; none: keyless
}

// readShapes reads the shapes of a batch's tables, sorted by name: by three queries a
// schema however many tables it has, or by three a table if the batch is a part of a
// schema. MariaDB opens all tables of a schema for anything but a single name.
func readShapes(ctx context.Context, s *replication.Server, b schema.Batch) ([]*tableShape, error) {
	var queries []string
	var schemas []string // by every three queries
	ask := func(schema, of string) {
		schemas, queries = append(schemas, schema), append(queries, shapeQueries(of)...)
	}
	if b.WholeSchemas() {
		for _, schema := range b.Schemas {
			ask(schema, query.Literal(schema))
		}
	} else {
		for _, id := range table.SortNames(slices.Collect(maps.Keys(b.Kinds))) {
			ask(id.Schema, query.Literal(id.Schema)+" AND TABLE_NAME = "+query.Literal(id.Name))
		}
	}
	var tables []*tableShape
	byName := map[string]*tableShape{} // of the three queries whose answers are being read
	err := wire.Ask(ctx, s, queries, func(i int, rows []query.Record, err error) error {
		schema := schemas[i/3]
		switch {
		case err != nil:
			return s.Wrap("read the tables of "+schema, err)
		case i%3 == 0:
			clear(byName)
			for _, r := range rows {
				if t := newShape(schema, r); b.Kinds[table.Name{Schema: schema, Name: t.Name}] != "" {
					tables, byName[t.Name] = append(tables, t), t
				}
			}
		case i%3 == 1:
			addColumns(byName, rows)
		default:
			chooseKeys(byName, rows)
		}
		return nil
	})
	if err == nil {
		err = requireColumns(tables)
	}
	if err == nil {
		err = addHistory(ctx, s, tables)
	}
	return tables, err
}

// requireColumns refuses shapes that were read while DDL ran: a table that was dropped, or
// made anew, between two of the queries has no columns, and its rows would not be compared.
func requireColumns(tables []*tableShape) error {
	for _, t := range tables {
		if len(t.nullable) == 0 {
			return report.WithHint(report.Transient(fmt.Errorf("%s: %w", t.Title(), errDefinedMeanwhile), 0), "run it again; freeze schema changes meanwhile")
		}
	}
	return nil
}

// errDefinedMeanwhile means that DDL ran while a verify read definitions.
var errDefinedMeanwhile = errors.New("the table was dropped or made anew while verify read its definition")

// addHistory has the history of versioned tables compared: all versions of a row, each with
// the time of its end as a part of the key.
func addHistory(ctx context.Context, s *replication.Server, tables []*tableShape) error {
	d, err := s.Dialect(ctx)
	if err != nil || !d.CopiesHistory() {
		return err
	}
	for _, t := range tables {
		if t.history == nil {
			continue
		}
		for _, name := range t.history {
			t.hashed = append(t.hashed, table.Column{Name: name, Type: "timestamp", FullType: "timestamp(6)"})
		}
		if len(t.keyCols) > 0 {
			t.keyCols = append(slices.Clone(t.keyCols), t.hashed[len(t.hashed)-1])
		}
		t.versions = " FOR SYSTEM_TIME ALL"
	}
	return nil
}

// setPeriod takes the name of a column of a versioned table's period. Versions that are
// told by transactions have numbers that differ between servers: they are not compared.
func (t *tableShape) setPeriod(role string, c table.Column) {
	switch {
	case c.Type != "timestamp":
		t.history = nil
	case t.history != nil && role == "ROW START":
		t.history[0] = c.Name
	case t.history != nil:
		t.history[1] = c.Name
	}
}

// from is the table as a FROM clause takes it, with all versions of its rows.
func (t *tableShape) from() string { return t.Quoted() + t.versions }

// shapeQueries ask for tables, their columns and their unique keys; of is the end of the
// condition on the schema.
func shapeQueries(of string) []string {
	return []string{
		`SELECT TABLE_NAME AS name, TABLE_TYPE AS kind, COALESCE(DATA_LENGTH, 0) AS bytes, COALESCE(TABLE_ROWS, 0) AS n
			FROM information_schema.TABLES WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_SCHEMA = ` + of + " ORDER BY TABLE_NAME",
		`SELECT TABLE_NAME AS name, COLUMN_NAME AS col, LOWER(DATA_TYPE) AS type, COLUMN_TYPE AS full_type, CHARACTER_SET_NAME AS charset,
			IS_NULLABLE AS nullable, COALESCE(GENERATION_EXPRESSION, '') <> '' AS is_generated, EXTRA AS extra,
			IF(GENERATION_EXPRESSION IN ('ROW START', 'ROW END'), GENERATION_EXPRESSION, '') AS period
			FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ` + of + " ORDER BY TABLE_NAME, ORDINAL_POSITION",
		`SELECT TABLE_NAME AS tbl, INDEX_NAME AS name, COALESCE(COLUMN_NAME, '') AS col,
			SUB_PART IS NOT NULL OR COALESCE(NULLABLE, '') = 'YES' OR INDEX_TYPE <> 'BTREE' AS unfit
			FROM information_schema.STATISTICS WHERE NON_UNIQUE = 0 AND TABLE_SCHEMA = ` + of + `
			ORDER BY TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX`,
	}
}

// newShape is a table without its columns and keys.
func newShape(schema string, r query.Record) *tableShape {
	t := &tableShape{
		Table: table.Table{Schema: schema, Name: r["name"], Bytes: query.Number(r["bytes"])},
		rows:  query.Number(r["n"]), versioned: r["kind"] == "SYSTEM VERSIONED", nullable: map[string]bool{},
	}
	if t.versioned {
		t.history = []string{"row_start", "row_end"} // the names in a table that names none
	}
	return t
}

// addColumns adds the stored columns to the tables. Virtual columns are left out: they
// are not stored, and the columns that they are computed from are compared. A copy does
// not write stored generated columns, but they may differ.
func addColumns(tables map[string]*tableShape, records []query.Record) {
	for _, r := range records {
		t, ok := tables[r["name"]]
		if !ok {
			continue
		}
		t.nullable[r["col"]] = r["nullable"] == "YES"
		c := table.Column{Name: r["col"], Type: r["type"], FullType: r["full_type"], Charset: r["charset"]}
		if r["period"] != "" && t.versioned {
			t.setPeriod(r["period"], c)
			continue
		}
		stored := strings.Contains(strings.ToUpper(r["extra"]), "STORED GENERATED")
		t.computes = t.computes || r["is_generated"] == "1"
		if r["is_generated"] == "1" && !stored {
			continue
		}
		if !stored {
			t.Columns = append(t.Columns, c)
		}
		t.hashed = append(t.hashed, c)
	}
}

// chooseKeys chooses the key that tells a table's rows apart: the primary key, or else
// the shortest unique key without NULLs, expressions, prefixes and generated columns.
func chooseKeys(tables map[string]*tableShape, records []query.Record) {
	for len(records) > 0 {
		n := 1
		for n < len(records) && records[n]["tbl"] == records[0]["tbl"] && records[n]["name"] == records[0]["name"] {
			n++
		}
		if t, ok := tables[records[0]["tbl"]]; ok {
			t.offerKey(records[:n])
		}
		records = records[n:]
	}
}

// offerKey takes a unique key if it fits and is better than the key so far.
func (t *tableShape) offerKey(parts []query.Record) {
	if t.keyName == "PRIMARY" || t.keyName != "" && len(parts) >= len(t.keyCols) {
		return
	}
	var key []table.Column
	for _, r := range parts {
		at := slices.IndexFunc(t.Columns, func(c table.Column) bool { return c.Name == r["col"] })
		if at < 0 || r["unfit"] == "1" || !t.Columns[at].FitsKey() {
			return
		}
		key = append(key, t.Columns[at])
	}
	t.keyName, t.keyCols = parts[0]["name"], key
}

// keyTitle is a key for people: UTF-8 texts as they are, other values as literals.
func (t *tableShape) keyTitle(key table.Key, shown []string) string {
	parts := make([]string, len(key))
	for i, c := range t.keyCols {
		parts[i] = key[i]
		if (c.Type == "char" || c.Type == "varchar") && (strings.HasPrefix(c.Charset, "utf8") || c.Charset == "ascii") {
			parts[i] = query.Literal(shown[i])
		}
	}
	return strings.Join(parts, ",")
}
