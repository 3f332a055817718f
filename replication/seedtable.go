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
	counts   bool       // it has an AUTO_INCREMENT
	rows     int64      // the server's estimate
	log      *logTable  // its shape in the binlog
	keyName  string     // the index by which its rows are told apart; "": none, it is copied in a snapshot
	keyCols  []column   // of that index, in its order
	keyAt    []int      // where they stand in Columns
	cascades []cascade  // keys of other tables whose rows change with this one's
	object   object     // without its text when that was used
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

// readSeedTables reads all that copying needs to know of tables of a kind, and
// hands over those that are still there.
func readSeedTables(ctx context.Context, w *wire, dialect *Dialect, ids []tableName, kind string, take func(*seedTable) error) error {
	var queries []string
	for _, id := range ids {
		queries = append(queries, seedTableQueries(id, kind)...)
	}
	const each = seedTableAnswers
	var answers [each][]record
	gone := false
	return w.ask(ctx, queries, func(i int, rows []record, err error) error {
		id := ids[i/each]
		switch n := errorNumber(err); {
		case n == 1146 || n == 1049:
			gone = true // it is not listed the next time
		case err != nil:
			return fmt.Errorf("read table %s.%s: %w", id.schema, id.name, changedError(err))
		}
		if answers[i%each] = rows; i%each < each-1 {
			return nil
		}
		there := !gone && len(answers[answerSize]) > 0 && len(answers[answerCreate]) > 0
		gone = false
		if !there {
			return nil
		}
		t, err := newSeedTable(dialect, id, kind, answers)
		if err != nil {
			return err
		}
		return take(t)
	})
}

// What is asked of each table.
const (
	answerSize = iota
	answerCreate
	answerColumns
	answerKeys
	seedTableAnswers
)

func seedTableQueries(id tableName, kind string) []string {
	where := " WHERE TABLE_SCHEMA = " + literal(id.schema) + " AND TABLE_NAME = " + literal(id.name)
	return []string{
		answerSize: "SELECT TABLE_TYPE AS kind, COALESCE(DATA_LENGTH, 0) AS bytes, COALESCE(TABLE_ROWS, 0) AS n FROM information_schema.TABLES" +
			where + " AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE')",
		answerCreate:  showCreate(kind, id),
		answerColumns: logColumnsOf + where + " ORDER BY ORDINAL_POSITION",
		answerKeys:    logKeysOf + where + " AND NON_UNIQUE = 0 ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX",
	}
}

func newSeedTable(dialect *Dialect, id tableName, kind string, answers [seedTableAnswers][]record) (*seedTable, error) {
	size := answers[answerSize][0]
	t := &seedTable{table: table{Schema: id.schema, Name: id.name, Bytes: estimate(size["bytes"])}, rows: estimate(size["n"])}
	var err error
	if t.object, err = newObject(kind, id, answers[answerCreate][0]); err != nil {
		return nil, err
	}
	if kind == kindSequence {
		t.sequence = true
		return t, nil
	}
	t.counts = countsUp.MatchString(unquoted(t.object.Create))
	columns, keys := answers[answerColumns], answers[answerKeys]
	t.Columns = storedColumns(columns, keys)
	if t.log, err = newLogTable(id, dialect, columns, keys); err != nil {
		return nil, err
	}
	if size["kind"] == "BASE TABLE" {
		t.chooseKey(keys)
	} else if dialect.CopiesHistory() {
		t.history = historyColumns(columns)
	}
	return t, nil
}

// historyColumns are the columns by which a system-versioned table keeps its
// rows' times, the start first. Where they cannot be written, the history stays behind.
func historyColumns(columns []record) []string {
	history := []string{"row_start", "row_end"} // of a table that names none
	for _, r := range columns {
		if r["kind"] != "timestamp" {
			continue
		}
		switch strings.ToUpper(r["expression"]) {
		case "ROW START":
			history[0] = r["name"]
		case "ROW END":
			history[1] = r["name"]
		}
	}
	return history
}

// whole is the query of all rows, and what they are to be inserted as.
func (t *seedTable) whole() (as *seedTable, statement string) {
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
func (t *seedTable) chooseKey(records []record) {
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

// integerBits is how many bits the log has of a number.
var integerBits = map[string]int{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64, "bit": 64, "set": 64}

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
	bits := integerBits[c.Type]
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

// cascadesOf asks for the foreign keys among the tables of a schema.
func cascadesOf(schema string) string {
	return `SELECT r.CONSTRAINT_NAME AS constraint_name, r.DELETE_RULE AS on_delete, r.UPDATE_RULE AS on_update,
			k.TABLE_SCHEMA AS child_schema, k.TABLE_NAME AS child, k.COLUMN_NAME AS child_column,
			k.REFERENCED_TABLE_SCHEMA AS parent_schema, k.REFERENCED_TABLE_NAME AS parent, k.REFERENCED_COLUMN_NAME AS parent_column
		FROM information_schema.REFERENTIAL_CONSTRAINTS r JOIN information_schema.KEY_COLUMN_USAGE k
			ON k.CONSTRAINT_SCHEMA = r.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = r.CONSTRAINT_NAME AND k.TABLE_NAME = r.TABLE_NAME
		WHERE k.REFERENCED_TABLE_NAME IS NOT NULL AND r.CONSTRAINT_SCHEMA = ` + literal(schema) + `
		ORDER BY k.TABLE_NAME, r.CONSTRAINT_NAME, k.ORDINAL_POSITION`
}

// bind takes the foreign keys whose actions change rows of a child when its
// parent's change.
func (s *bonds) bind(records []record) {
	acts := func(rule string) bool { return rule != "RESTRICT" && rule != "NO ACTION" }
	last := ""
	for _, r := range records {
		if !acts(r["on_delete"]) && !acts(r["on_update"]) {
			continue
		}
		parent, child := tableName{r["parent_schema"], r["parent"]}, tableName{r["child_schema"], r["child"]}
		if this := r["child"] + "\x00" + r["constraint_name"]; this != last {
			last = this
			s.cascades[parent] = append(s.cascades[parent], cascade{child: child, onDelete: acts(r["on_delete"]), onUpdate: acts(r["on_update"])})
		}
		list := s.cascades[parent]
		c := &list[len(list)-1]
		c.columns, c.parent = append(c.columns, r["child_column"]), append(c.parent, r["parent_column"])
	}
}
