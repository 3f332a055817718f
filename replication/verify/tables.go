package verify

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
)

// verifyTable is what comparing needs of a table's shape.
type verifyTable struct {
	table.Table
	rows      int64           // the server's estimate
	versioned bool            // keeps its rows' history
	hashed    []table.Column  // all that is stored: Columns, and stored generated ones
	nullable  map[string]bool // by column
	huge      atomic.Bool     // a row of it does not fit in a packet
	crc32c    bool            // both servers have that function
	keyName   string
	keyCols   []table.Column // of the key by which its rows are told apart, in its order; none: keyless
}

// readVerifyTables reads the shapes of a wave's tables, sorted by name: by three
// queries a schema however many they are, or a table where the wave is a part of one:
// MariaDB opens all tables of a schema for anything but a single name.
func readVerifyTables(ctx context.Context, s *replication.Server, w schema.Batch) ([]*verifyTable, error) {
	var queries []string
	var asked []string // the schemas, by every three
	ask := func(schema, of string) {
		asked, queries = append(asked, schema), append(queries, verifyQueries(of)...)
	}
	if w.WholeSchemas() {
		for _, schema := range w.Schemas {
			ask(schema, query.Literal(schema))
		}
	} else {
		for _, id := range table.SortNames(slices.Collect(maps.Keys(w.Kinds))) {
			ask(id.Schema, query.Literal(id.Schema)+" AND TABLE_NAME = "+query.Literal(id.Name))
		}
	}
	var tables []*verifyTable
	byName := map[string]*verifyTable{} // of the queries at hand
	err := wire.Ask(ctx, s, queries, func(i int, rows []query.Record, err error) error {
		schema := asked[i/3]
		switch {
		case err != nil:
			return s.Wrap("read the tables of "+schema, err)
		case i%3 == 0:
			clear(byName)
			for _, r := range rows {
				if t := newVerifyTable(schema, r); w.Kinds[table.Name{Schema: schema, Name: t.Name}] != "" {
					tables, byName[t.Name] = append(tables, t), t
				}
			}
		case i%3 == 1:
			takeVerifyColumns(byName, rows)
		default:
			takeVerifyKeys(byName, rows)
		}
		return nil
	})
	return tables, err
}

// verifyQueries ask for the tables of a schema, or one, their columns and their unique keys.
func verifyQueries(of string) []string {
	return []string{
		`SELECT TABLE_NAME AS name, TABLE_TYPE AS kind, COALESCE(DATA_LENGTH, 0) AS bytes, COALESCE(TABLE_ROWS, 0) AS n
			FROM information_schema.TABLES WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_SCHEMA = ` + of + " ORDER BY TABLE_NAME",
		`SELECT TABLE_NAME AS name, COLUMN_NAME AS col, LOWER(DATA_TYPE) AS type, COLUMN_TYPE AS full_type, CHARACTER_SET_NAME AS charset,
			IS_NULLABLE AS nullable, COALESCE(GENERATION_EXPRESSION, '') <> '' AS is_generated, EXTRA AS extra
			FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ` + of + " ORDER BY TABLE_NAME, ORDINAL_POSITION",
		`SELECT TABLE_NAME AS tbl, INDEX_NAME AS name, COALESCE(COLUMN_NAME, '') AS col,
			SUB_PART IS NOT NULL OR COALESCE(NULLABLE, '') = 'YES' OR INDEX_TYPE <> 'BTREE' AS unfit
			FROM information_schema.STATISTICS WHERE NON_UNIQUE = 0 AND TABLE_SCHEMA = ` + of + `
			ORDER BY TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX`,
	}
}

func newVerifyTable(schema string, r query.Record) *verifyTable {
	return &verifyTable{
		Table: table.Table{Schema: schema, Name: r["name"], Bytes: query.Number(r["bytes"])},
		rows:  query.Number(r["n"]), versioned: r["kind"] == "SYSTEM VERSIONED", nullable: map[string]bool{},
	}
}

// takeVerifyColumns takes the stored columns. Virtual ones are left out: they
// are nowhere, and those that they are made of are compared. A stored generated
// one is not written by a copy, but may differ.
func takeVerifyColumns(tables map[string]*verifyTable, records []query.Record) {
	for _, r := range records {
		t, ok := tables[r["name"]]
		if !ok {
			continue
		}
		c := table.Column{Name: r["col"], Type: r["type"], FullType: r["full_type"], Charset: r["charset"]}
		stored := strings.Contains(strings.ToUpper(r["extra"]), "STORED GENERATED")
		if r["is_generated"] == "1" && !stored {
			continue
		}
		if !stored {
			t.Columns = append(t.Columns, c)
		}
		t.hashed = append(t.hashed, c)
		t.nullable[c.Name] = r["nullable"] == "YES"
	}
}

// takeVerifyKeys chooses the keys by which the tables' rows are told apart: the
// primary key, or else the shortest unique key without NULLs, expressions,
// prefixes and generated columns.
func takeVerifyKeys(tables map[string]*verifyTable, records []query.Record) {
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

// offerKey takes a unique key where it fits and is better than the one at hand.
func (t *verifyTable) offerKey(parts []query.Record) {
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

// keyTitle is a key for people: texts that are UTF-8 as they are, the rest as
// the literals that they are.
func (t *verifyTable) keyTitle(key table.Key, shown []string) string {
	parts := make([]string, len(key))
	for i, c := range t.keyCols {
		parts[i] = key[i]
		if (c.Type == "char" || c.Type == "varchar") && (strings.HasPrefix(c.Charset, "utf8") || c.Charset == "ascii") {
			parts[i] = query.Literal(shown[i])
		}
	}
	return strings.Join(parts, ",")
}
