package replication

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	logevent "github.com/go-mysql-org/go-mysql/replication"
)

// logColumn is a column as the binlog needs it told: an event has places and
// plain types only.
type logColumn struct {
	name, kind         string // kind is DATA_TYPE, lower case
	bits               int    // of an unsigned integer; 0: not one
	charset, collation string
	virtual            bool
}

// keyColumn is a column of a key.
type keyColumn struct {
	at     int // in the table's columns
	prefix int // characters of it that count; 0: all
}

// logKey is a key of a table: by whose values two writes are of the same row,
// or collide.
type logKey struct {
	name    string // "PRIMARY", a unique key, or "" for all of a row without a primary key
	columns []keyColumn
}

// logTable is a table's shape.
type logTable struct {
	title   string
	hidden  bool // events may have more columns at their end
	columns []logColumn
	keys    []logKey // the first tells rows apart
	unused  []string // unique keys that the log cannot tell
}

// What is asked of a table's columns and keys.
const (
	logColumnsOf = `SELECT COLUMN_NAME AS name, LOWER(DATA_TYPE) AS kind, COLUMN_TYPE AS type, COALESCE(CHARACTER_SET_NAME, '') AS charset,
		COALESCE(COLLATION_NAME, '') AS collation, UPPER(EXTRA) AS extra, COALESCE(GENERATION_EXPRESSION, '') AS expression
		FROM information_schema.COLUMNS`
	logKeysOf = `SELECT INDEX_NAME AS name, COALESCE(COLUMN_NAME, '') AS col, COALESCE(SUB_PART, 0) AS prefix,
		SUB_PART IS NOT NULL OR COALESCE(NULLABLE, '') = 'YES' OR INDEX_TYPE <> 'BTREE' AS unfit
		FROM information_schema.STATISTICS`
)

// readLogTable reads a table's columns and unique keys.
func readLogTable(ctx context.Context, q queryer, dialect *Dialect, schema, name string) (*logTable, error) {
	columns, err := queryRecords(ctx, q, logColumnsOf+" WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION", schema, name)
	if err != nil {
		return nil, fmt.Errorf("read the columns of %s.%s: %w", schema, name, err)
	}
	keys, err := queryRecords(ctx, q, logKeysOf+` WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND NON_UNIQUE = 0
		ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX`, schema, name)
	if err != nil {
		return nil, fmt.Errorf("read the keys of %s.%s: %w", schema, name, err)
	}
	return newLogTable(tableName{schema, name}, dialect, columns, keys)
}

// newLogTable is the table's shape by what the server says of its columns and unique keys.
func newLogTable(id tableName, dialect *Dialect, columns, keys []record) (*logTable, error) {
	t := &logTable{title: id.schema + "." + id.name, hidden: dialect.HidesKeyColumns()}
	for _, r := range columns {
		c := logColumn{
			name: r["name"], kind: r["kind"], charset: r["charset"], collation: r["collation"],
			virtual: strings.Contains(r["extra"], "VIRTUAL GENERATED"),
		}
		if strings.Contains(strings.ToLower(r["type"]), "unsigned") {
			c.bits = map[string]int{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}[c.kind]
		}
		t.columns = append(t.columns, c)
	}
	return t, t.addKeys(keys)
}

func (t *logTable) addKeys(records []record) error {
	if len(records) == 0 || records[0]["name"] != "PRIMARY" {
		all := logKey{}
		for i := range t.columns {
			all.columns = append(all.columns, keyColumn{at: i})
		}
		t.keys = append(t.keys, all)
	}
	for _, r := range records {
		if len(t.keys) == 0 || t.keys[len(t.keys)-1].name != r["name"] {
			t.keys = append(t.keys, logKey{name: r["name"]})
		}
		prefix, err := strconv.Atoi(r["prefix"])
		if err != nil {
			return fmt.Errorf("read the keys of %s: %w", t.title, err)
		}
		at := slices.IndexFunc(t.columns, func(c logColumn) bool { return c.name == r["col"] })
		key := &t.keys[len(t.keys)-1]
		key.columns = append(key.columns, keyColumn{at, prefix}) // -1: an expression
	}
	t.keys = slices.DeleteFunc(t.keys, func(k logKey) bool {
		unknown := k.name != "" && slices.ContainsFunc(k.columns, func(c keyColumn) bool { return c.at < 0 || t.columns[c.at].virtual })
		if unknown {
			t.unused = append(t.unused, k.name)
		}
		return unknown
	})
	return nil
}

// places maps the table's columns to those of an event; -1 is one that the
// event lacks. ok is false when the event is of another shape: DDL has run.
func (t *logTable) places(e *logevent.RowsEvent) (places []int, ok bool) {
	stored := 0
	for _, c := range t.columns {
		if !c.virtual {
			stored++
		}
	}
	n := int(e.ColumnCount)
	all := n == len(t.columns) || n > len(t.columns) && t.hidden
	if !all && n != stored {
		return nil, false
	}
	next := 0
	for _, c := range t.columns {
		if c.virtual && !all {
			places = append(places, -1)
			continue
		}
		places = append(places, next)
		next++
	}
	for i, name := range e.Table.ColumnNameString() { // only with binlog_row_metadata=FULL
		if at := slices.Index(places, i); at >= 0 && t.columns[at].name != name {
			return nil, false
		}
	}
	return places, true
}

// part is one column's value of a key.
type part struct {
	column logColumn
	prefix int
	null   bool
	raw    []byte // equal values have equal bytes, where the column has no collation
	weight []byte // what the collation makes of raw, where it matters
}

// values are a key's parts in a row; ok is false where the row lacks a column.
func (t *logTable) values(key logKey, places []int, row []any, skipped []int) (parts []part, ok bool) {
	for _, k := range key.columns {
		at := places[k.at]
		if at < 0 && key.name == "" {
			continue // a generated column adds nothing to the row
		}
		if at < 0 || slices.Contains(skipped, at) {
			if key.name == "" && t.columns[k.at].virtual {
				continue
			}
			return nil, false
		}
		c := t.columns[k.at]
		p := part{column: c, prefix: k.prefix, null: row[at] == nil, raw: keyBytes(row[at], c)}
		if key.name == "" {
			p.column.collation = "" // rows without a key are told apart by their bytes
		}
		if p.prefix > 0 && !p.weighed() {
			p.raw = p.raw[:min(len(p.raw), p.prefix)]
		}
		parts = append(parts, p)
	}
	return parts, true
}

func hasNull(parts []part) bool {
	return slices.ContainsFunc(parts, func(p part) bool { return p.null })
}

// sameParts compares the stored bytes.
func sameParts(a, b []part) bool {
	return slices.EqualFunc(a, b, func(x, y part) bool { return x.null == y.null && string(x.raw) == string(y.raw) })
}

// keyBytes is a decoded value as bytes that are equal for equal values. Without
// the table's metadata in the log an unsigned number comes as a signed one.
func keyBytes(value any, c logColumn) []byte {
	switch v := value.(type) {
	case nil:
		return nil
	case []byte:
		return slices.Clone(v)
	case string:
		return []byte(v)
	case float32:
		return strconv.AppendFloat(nil, float64(v)+0, 'g', -1, 32) // -0 equals 0
	case float64:
		return strconv.AppendFloat(nil, v+0, 'g', -1, 64)
	}
	if n, ok := integer(value); ok {
		if c.bits > 0 {
			return strconv.AppendUint(nil, uint64(n)&(math.MaxUint64>>(64-c.bits)), 10)
		}
		return strconv.AppendInt(nil, n, 10)
	}
	return fmt.Append(nil, value)
}

// integer is a number's bits.
func integer(value any) (int64, bool) {
	switch v := value.(type) {
	case int8:
		return int64(v), true
	case int16:
		return int64(v), true
	case int32:
		return int64(v), true
	case int64:
		return v, true
	case int:
		return int64(v), true
	case uint8:
		return int64(v), true
	case uint16:
		return int64(v), true
	case uint32:
		return int64(v), true
	case uint64:
		return int64(v), true
	}
	return 0, false
}

// weighed reports whether the column's collation may hold different bytes to be equal.
func (p part) weighed() bool {
	return !p.null && p.column.collation != "" && p.column.charset != "binary" &&
		plainName.MatchString(p.column.collation) && plainName.MatchString(p.column.charset)
}

// String is the value as an SQL literal; bytes that are no readable text as x'…'.
func (p part) String() string {
	switch {
	case p.null:
		return "NULL"
	case p.column.numeric():
		return string(p.raw)
	}
	readable := utf8.Valid(p.raw) && !strings.ContainsFunc(string(p.raw), func(r rune) bool { return !unicode.IsPrint(r) })
	foreign := p.column.charset != "" && !strings.HasPrefix(p.column.charset, "utf8") &&
		strings.ContainsFunc(string(p.raw), func(r rune) bool { return r > 127 })
	if readable && !foreign {
		return literal(string(p.raw))
	}
	return fmt.Sprintf("x'%x'", p.raw)
}

func (c logColumn) numeric() bool {
	switch c.kind {
	case "float", "double":
		return true
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year", "bit", "enum", "set":
		return true
	}
	return false
}
