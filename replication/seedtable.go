package replication

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// seedTable is a table (or a MariaDB sequence) on its way to the target.
type seedTable struct {
	table
	sequence bool
	rows     int64     // the server's estimate
	log      *logTable // its shape in the binlog
	keyName  string    // the index by which its rows are told apart; "": none, it is copied in a snapshot
	keyCols  []column  // of that index, in its order
	keyAt    []int     // where they stand in Columns
	cascades []cascade // keys of other tables whose rows change with this one's
	object   object
	history  []string   // of a system-versioned table: the columns of its rows' times
	lookups  [][]string // lists of columns by which its rows must be found
}

// cascade is a foreign key of a child whose action changes the child's rows
// without a trace in the binlog.
type cascade struct {
	child           tableName
	columns, parent []string // the child's columns, the parent's that they refer to
	onDelete        bool
	onUpdate        bool
}

type tableName struct{ schema, name string }

func (t *seedTable) id() tableName { return tableName{t.Schema, t.Name} }

// chunked reports whether the table is copied in chunks while it is written to.
func (t *seedTable) chunked() bool { return t.keyName != "" }

// keyKinds are the types whose values the binlog and a result spell such that
// a row can be found again by them.
var keyKinds = []string{
	"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "bit", "year", "enum", "set", "float", "double",
	"date", "time", "datetime", "timestamp", "char", "varchar", "binary", "varbinary", "uuid", "inet4", "inet6",
}

// readSeedTable reads all that copying a table needs to know of it. ok is false
// when it is not there (any more).
func readSeedTable(ctx context.Context, q queryer, dialect *Dialect, schema, name string) (*seedTable, bool, error) {
	r, ok, err := queryRecord(ctx, q, `SELECT TABLE_TYPE AS kind, COALESCE(DATA_LENGTH, 0) AS bytes, COALESCE(TABLE_ROWS, 0) AS n
		FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?
		AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE')`, schema, name)
	if err != nil || !ok {
		return nil, false, wrapErr("read table "+schema+"."+name, err)
	}
	t := &seedTable{table: table{Schema: schema, Name: name, Bytes: estimate(r["bytes"])}, rows: estimate(r["n"])}
	t.object, err = readObject(ctx, q, tableKinds[r["kind"]], schema, name)
	if err != nil {
		return nil, false, err
	}
	if r["kind"] == "SEQUENCE" {
		t.sequence = true
		return t, true, nil
	}
	if t.Columns, err = readColumns(ctx, q, schema, name); err != nil {
		return nil, false, err
	}
	if t.log, err = readLogTable(ctx, q, dialect, schema, name); err != nil {
		return nil, false, err
	}
	if r["kind"] == "BASE TABLE" {
		return t, true, t.chooseKey(ctx, q)
	}
	return t, true, t.readHistory(ctx, q, dialect)
}

// readHistory finds the columns by which a system-versioned table keeps its
// rows' times. Only MariaDB 10.11 and newer let them be written; before, the
// history stays behind.
func (t *seedTable) readHistory(ctx context.Context, q queryer, dialect *Dialect) error {
	if !dialect.atLeast(10, 11, 0) {
		return nil
	}
	var err error
	t.history, err = queryStrings(ctx, q, `SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?
		AND GENERATION_EXPRESSION IN ('ROW START', 'ROW END') AND DATA_TYPE = 'timestamp' ORDER BY GENERATION_EXPRESSION DESC`, t.Schema, t.Name)
	if len(t.history) == 0 {
		t.history = []string{"row_start", "row_end"}
	}
	return wrapErr("read the columns of "+t.title(), err)
}

// whole is the query of all rows, and what they are to be inserted as.
func (t *seedTable) whole() (as *seedTable, query string) {
	if len(t.history) == 0 {
		return t, "SELECT " + t.selectList() + " FROM " + t.quoted()
	}
	copied := *t
	copied.Columns = slices.Clone(t.Columns)
	for _, name := range t.history {
		copied.Columns = append(copied.Columns, column{Name: name, Type: "timestamp"})
	}
	return &copied, "SELECT " + t.selectList() + "," + quoteList(t.history) + " FROM " + t.quoted() + " FOR SYSTEM_TIME ALL"
}

// chooseKey takes the primary key, or else the shortest unique key without
// NULLs, expressions, prefixes and generated columns.
func (t *seedTable) chooseKey(ctx context.Context, q queryer) error {
	records, err := queryRecords(ctx, q, `SELECT INDEX_NAME AS name, COALESCE(COLUMN_NAME, '') AS col,
			SUB_PART IS NOT NULL OR COALESCE(NULLABLE, '') = 'YES' OR INDEX_TYPE <> 'BTREE' AS unfit
		FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND NON_UNIQUE = 0
		ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX`, t.Schema, t.Name)
	if err != nil {
		return fmt.Errorf("read the keys of %s: %w", t.title(), err)
	}
	var order []string
	places, unfit := map[string][]int{}, map[string]bool{}
	for _, r := range records {
		name := r["name"]
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
		at := slices.IndexFunc(t.Columns, func(c column) bool { return c.Name == r["col"] })
		if at < 0 || r["unfit"] == "1" || !slices.Contains(keyKinds, t.Columns[at].Type) {
			unfit[name] = true
			continue
		}
		places[name] = append(places[name], at)
	}
	for _, name := range order {
		if unfit[name] || t.keyName == "PRIMARY" || t.keyName != "" && len(places[name]) >= len(t.keyAt) {
			continue
		}
		t.keyName, t.keyAt = name, places[name]
	}
	for _, at := range t.keyAt {
		t.keyCols = append(t.keyCols, t.Columns[at])
	}
	return nil
}

// selectList reads a row's columns such that row can write them.
func (t *seedTable) selectList() string {
	expressions := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		expressions[i] = c.selected()
	}
	return strings.Join(expressions, ",")
}

// keyList is the key's columns, to order by.
func (t *seedTable) keyList() string { return quoteList(names(t.keyCols)) }

// keySelectList reads the key alone, in the forms that wireLiteral takes.
func (t *seedTable) keySelectList() string {
	expressions := make([]string, len(t.keyCols))
	for i, c := range t.keyCols {
		expressions[i] = c.selected()
	}
	return strings.Join(expressions, ",")
}

// wireLiteral is a column's value, as selected gave it on a wire, as a literal
// that means the same in every session of ours.
func (c column) wireLiteral(value []byte) string {
	switch c.Type {
	case "char", "varchar":
		return "_" + c.Charset + plainLiteral(value)
	case "binary", "varbinary":
		return "_binary" + plainLiteral(value)
	}
	return string(c.appendValue(nil, value))
}

// plainLiteral quotes what is plain ASCII, and spells the rest in hex, which
// no character set can misread.
func plainLiteral(value []byte) string {
	for _, b := range value {
		if b < ' ' || b > '~' || b == '\'' || b == '\\' {
			return fmt.Sprintf(" 0x%X", value)
		}
	}
	return "'" + string(value) + "'"
}

// logLiterals are the literals that a value of the binlog may stand for; more
// than one where its bytes can be read in two ways. None: it cannot be read.
func (c column) logLiterals(value any) []string {
	switch v := value.(type) {
	case nil:
		return nil
	case float32:
		return []string{strconv.FormatFloat(float64(v), 'e', -1, 64)}
	case float64:
		return []string{strconv.FormatFloat(v, 'e', -1, 64)}
	case []byte:
		return c.logText(v)
	case string:
		return c.logText([]byte(v))
	}
	n, ok := integer(value)
	if !ok {
		return nil
	}
	bits := map[string]int{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64, "bit": 64, "set": 64}[c.Type]
	if bits > 0 && (strings.Contains(c.FullType, "unsigned") || c.Type == "bit" || c.Type == "set") {
		return []string{strconv.FormatUint(uint64(n)&(^uint64(0)>>(64-bits)), 10)}
	}
	return []string{strconv.FormatInt(n, 10)}
}

func (c column) logText(v []byte) []string {
	switch c.Type {
	case "decimal", "date", "time", "datetime", "timestamp", "char", "varchar", "varbinary":
		return []string{c.wireLiteral(v)}
	case "binary": // the log leaves out zeros at the end
		width, err := strconv.Atoi(strings.Trim(strings.TrimPrefix(c.FullType, "binary"), "()"))
		if err != nil {
			return nil
		}
		return []string{c.wireLiteral(padded(v, width))}
	case "inet4":
		return []string{" 0x" + fmt.Sprintf("%X", padded(v, 4))}
	case "inet6":
		return []string{" 0x" + fmt.Sprintf("%X", padded(v, 16))}
	case "uuid":
		p := padded(v, 16)
		return []string{fmt.Sprintf("_utf8mb4'%x-%x-%x-%x-%x'", p[0:4], p[4:6], p[6:8], p[8:10], p[10:16])}
	}
	return nil
}

func padded(v []byte, width int) []byte {
	if len(v) >= width {
		return v
	}
	return append(slices.Clone(v), make([]byte, width-len(v))...)
}

// oneOf is the condition for the rows whose columns have one of the values.
// Alternatives, because that is what both flavors use an index for.
func oneOf(columns []string, values []bound) string {
	if len(columns) == 1 {
		list := make([]string, len(values))
		for i, v := range values {
			list[i] = v[0]
		}
		return Quote(columns[0]) + " IN (" + strings.Join(list, ",") + ")"
	}
	alternatives := make([]string, len(values))
	for i, v := range values {
		terms := make([]string, len(columns))
		for j, name := range columns {
			terms[j] = Quote(name) + "=" + v[j]
		}
		alternatives[i] = "(" + strings.Join(terms, " AND ") + ")"
	}
	return "(" + strings.Join(alternatives, " OR ") + ")"
}

// readCascades finds the foreign keys among the tables whose actions change
// rows of a child when its parent's change.
func readCascades(ctx context.Context, q queryer, schema string) (map[tableName][]cascade, error) {
	records, err := queryRecords(ctx, q, `SELECT r.CONSTRAINT_NAME AS constraint_name, r.DELETE_RULE AS on_delete, r.UPDATE_RULE AS on_update,
			k.TABLE_SCHEMA AS child_schema, k.TABLE_NAME AS child, k.COLUMN_NAME AS child_column,
			k.REFERENCED_TABLE_SCHEMA AS parent_schema, k.REFERENCED_TABLE_NAME AS parent, k.REFERENCED_COLUMN_NAME AS parent_column
		FROM information_schema.REFERENTIAL_CONSTRAINTS r JOIN information_schema.KEY_COLUMN_USAGE k
			ON k.CONSTRAINT_SCHEMA = r.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = r.CONSTRAINT_NAME AND k.TABLE_NAME = r.TABLE_NAME
		WHERE r.CONSTRAINT_SCHEMA = ? AND k.REFERENCED_TABLE_NAME IS NOT NULL
		ORDER BY k.TABLE_NAME, r.CONSTRAINT_NAME, k.ORDINAL_POSITION`, schema)
	if err != nil {
		return nil, fmt.Errorf("read the foreign keys of %s: %w", schema, err)
	}
	acts := func(rule string) bool { return rule != "RESTRICT" && rule != "NO ACTION" }
	out := map[tableName][]cascade{}
	last := ""
	for _, r := range records {
		if !acts(r["on_delete"]) && !acts(r["on_update"]) {
			continue
		}
		parent, child := tableName{r["parent_schema"], r["parent"]}, tableName{r["child_schema"], r["child"]}
		if this := r["child"] + "\x00" + r["constraint_name"]; this != last {
			last = this
			out[parent] = append(out[parent], cascade{child: child, onDelete: acts(r["on_delete"]), onUpdate: acts(r["on_update"])})
		}
		list := out[parent]
		c := &list[len(list)-1]
		c.columns, c.parent = append(c.columns, r["child_column"]), append(c.parent, r["parent_column"])
	}
	return out, nil
}
