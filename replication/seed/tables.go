package seed

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
)

// sourceTable is a table (or a MariaDB sequence) of the source that is to be copied.
type sourceTable struct {
	table.Table
	sequence     bool
	hasCounter   bool // it has an AUTO_INCREMENT
	computed     table.Computed
	rows         int64          // the server's estimate
	log          *binlog.Table  // its shape in the binlog
	keyName      string         // the index that identifies its rows; "": none, it is copied in a snapshot
	keyCols      []table.Column // the columns of that index, in its order
	keyPositions []int          // their positions in Columns
	cascades     []cascade      // foreign keys of other tables whose rows change with this one's
	object       schema.Object  // its Create is empty once it has been used
	history      []string       // of a system-versioned table: the columns of its rows' validity
	lookups      [][]string     // lists of columns by which its rows must be found
}

func (t *sourceTable) id() table.Name { return table.Name{Schema: t.Schema, Name: t.Name} }

// chunked reports whether the table is copied in chunks while it is written to.
func (t *sourceTable) chunked() bool { return t.keyName != "" }

// readTables reads everything that copying needs to know about tables of a kind, and calls
// take for those that still exist.
func readTables(ctx context.Context, w *wire.Conn, dialect *dialect.Dialect, ids []table.Name, kind string, take func(*sourceTable) error) error {
	var queries []string
	for _, id := range ids {
		queries = append(queries, tableQueries(id, kind)...)
	}
	const each = answerCount
	var answers [each][]query.Record
	gone := false
	return w.Ask(ctx, queries, func(i int, rows []query.Record, err error) error {
		id := ids[i/each]
		switch n := query.ErrorNumber(err); {
		case n == 1146 || n == 1049:
			gone = true // the next listing will not have it
		case err != nil:
			return fmt.Errorf("read table %s.%s: %w", id.Schema, id.Name, schema.ChangedError(err))
		}
		if answers[i%each] = rows; i%each < each-1 {
			return nil
		}
		there := !gone && len(answers[answerSize]) > 0 && len(answers[answerCreate]) > 0
		gone = false
		if !there {
			return nil
		}
		t, err := newSourceTable(dialect, id, kind, answers)
		if err != nil {
			return err
		}
		return take(t)
	})
}

// The queries for each table.
const (
	answerSize = iota
	answerCreate
	answerColumns
	answerKeys
	answerCount
)

func tableQueries(id table.Name, kind string) []string {
	where := " WHERE TABLE_SCHEMA = " + query.Literal(id.Schema) + " AND TABLE_NAME = " + query.Literal(id.Name)
	return []string{
		answerSize: "SELECT TABLE_TYPE AS kind, COALESCE(DATA_LENGTH, 0) AS bytes, COALESCE(TABLE_ROWS, 0) AS n FROM information_schema.TABLES" +
			where + " AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE')",
		answerCreate:  schema.ShowCreate(kind, id),
		answerColumns: table.ColumnsQuery + where + " ORDER BY ORDINAL_POSITION",
		answerKeys:    table.KeysQuery + where + " AND NON_UNIQUE = 0 ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX",
	}
}

func newSourceTable(dialect *dialect.Dialect, id table.Name, kind string, answers [answerCount][]query.Record) (*sourceTable, error) {
	size := answers[answerSize][0]
	t := &sourceTable{Table: table.Table{Schema: id.Schema, Name: id.Name, Bytes: query.Number(size["bytes"])}, rows: query.Number(size["n"])}
	var err error
	if t.object, err = schema.NewObject(kind, id, answers[answerCreate][0]); err != nil {
		return nil, err
	}
	if kind == schema.KindSequence {
		t.sequence = true
		return t, nil
	}
	t.hasCounter = schema.HasCounter(t.object.Create)
	columns, keys := answers[answerColumns], answers[answerKeys]
	t.Columns = table.StoredColumns(columns, keys)
	_, definitions, _, err := schema.SplitDefinitions(t.object.Create)
	if err != nil {
		return nil, fmt.Errorf("read the definition of %s: %w", t.Title(), err)
	}
	for _, d := range definitions {
		t.computed.Add(d, schema.Unquoted(d), t.Columns)
	}
	if t.log, err = binlog.NewTable(id, dialect, columns, keys); err != nil {
		return nil, err
	}
	if size["kind"] == "BASE TABLE" {
		if err := t.chooseKey(keys); err != nil {
			return nil, err
		}
	} else if dialect.CopiesHistory() {
		t.history = historyColumns(columns)
	}
	return t, nil
}

// historyColumns returns the columns of a system-versioned table that hold the validity of
// its rows, the start first.
func historyColumns(columns []query.Record) []string {
	history := []string{"row_start", "row_end"} // the names in a table that names none
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

// allRows returns the query for all rows, and the table as which they are inserted.
func (t *sourceTable) allRows() (as *sourceTable, statement string) {
	if len(t.history) == 0 {
		return t, "SELECT " + t.selectList() + " FROM " + t.Quoted()
	}
	copied := *t
	copied.Columns = slices.Clone(t.Columns)
	for _, name := range t.history {
		copied.Columns = append(copied.Columns, table.Column{Name: name, Type: "timestamp"})
	}
	return &copied, "SELECT " + t.selectList() + "," + query.QuoteList(t.history) + " FROM " + t.Quoted() + " FOR SYSTEM_TIME ALL"
}

// chooseKey chooses the primary key, or else the first unique key without NULLs,
// expressions, prefixes and generated columns, in the order of the definition. The server
// itself takes the first as the key of rows, so that every image in its log holds it,
// whatever a session's binlog_row_image.
func (t *sourceTable) chooseKey(records []query.Record) error {
	var order []string
	places, unfit := map[string][]int{}, map[string]bool{}
	for _, r := range records {
		name := r["name"]
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
		at := slices.IndexFunc(t.Columns, func(c table.Column) bool { return c.Name == r["col"] })
		if at < 0 || r["unfit"] == "1" || !t.Columns[at].FitsKey() {
			unfit[name] = true
			continue
		}
		places[name] = append(places[name], at)
	}
	if len(order) > 1 && order[0] != "PRIMARY" {
		_, definitions, _, err := schema.SplitDefinitions(t.object.Create)
		if err != nil {
			return fmt.Errorf("read the definition of %s: %w", t.Title(), err)
		}
		place := func(name string) int {
			return slices.IndexFunc(definitions, func(d string) bool { return strings.HasPrefix(d, "UNIQUE KEY "+query.Quote(name)+" ") })
		}
		slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(place(a), place(b)) })
	}
	for _, name := range order {
		if t.keyName == "" && !unfit[name] {
			t.keyName, t.keyPositions = name, places[name]
		}
	}
	for _, at := range t.keyPositions {
		t.keyCols = append(t.keyCols, t.Columns[at])
	}
	return nil
}

// selectList is the list of columns in the form that a rowFormat can write.
func (t *sourceTable) selectList() string {
	expressions := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		expressions[i] = c.Selected()
	}
	return strings.Join(expressions, ",")
}

// keyList is the list of the key's columns, for ORDER BY.
func (t *sourceTable) keyList() string { return query.QuoteList(table.ColumnNames(t.keyCols)) }

// keyOf reads the key of the first row that matches a condition, or nil.
func (t *sourceTable) keyOf(ctx context.Context, from *wire.Conn, condition string) (table.Key, error) {
	keys, err := t.keysOf(ctx, from, condition)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	return keys[0], nil
}

// keysOf reads the keys of all rows that match a condition.
func (t *sourceTable) keysOf(ctx context.Context, from *wire.Conn, condition string) ([]table.Key, error) {
	var keys []table.Key
	return keys, t.read(ctx, from, t.keyCols, condition, func(key table.Key) { keys = append(keys, key) })
}

// cascadesOf returns the query for the foreign keys of a schema's tables.
func cascadesOf(schema string) string {
	return `SELECT r.CONSTRAINT_NAME AS constraint_name, r.DELETE_RULE AS on_delete, r.UPDATE_RULE AS on_update,
			k.TABLE_SCHEMA AS child_schema, k.TABLE_NAME AS child, k.COLUMN_NAME AS child_column,
			k.REFERENCED_TABLE_SCHEMA AS parent_schema, k.REFERENCED_TABLE_NAME AS parent, k.REFERENCED_COLUMN_NAME AS parent_column
		FROM information_schema.REFERENTIAL_CONSTRAINTS r JOIN information_schema.KEY_COLUMN_USAGE k
			ON k.CONSTRAINT_SCHEMA = r.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = r.CONSTRAINT_NAME AND k.TABLE_NAME = r.TABLE_NAME
		WHERE k.REFERENCED_TABLE_NAME IS NOT NULL AND r.CONSTRAINT_SCHEMA = ` + query.Literal(schema) + `
		ORDER BY k.TABLE_NAME, r.CONSTRAINT_NAME, k.ORDINAL_POSITION`
}

// addForeignKeys adds the foreign keys whose actions change rows of a child when its
// parent's rows change.
func (s *dependencies) addForeignKeys(records []query.Record) {
	acts := func(rule string) bool { return rule != "RESTRICT" && rule != "NO ACTION" }
	last := ""
	for _, r := range records {
		if !acts(r["on_delete"]) && !acts(r["on_update"]) {
			continue
		}
		parent, child := table.Name{Schema: r["parent_schema"], Name: r["parent"]}, table.Name{Schema: r["child_schema"], Name: r["child"]}
		if this := r["child"] + "\x00" + r["constraint_name"]; this != last {
			last = this
			s.cascades[parent] = append(s.cascades[parent], cascade{child: child, onDelete: acts(r["on_delete"]), onUpdate: acts(r["on_update"])})
		}
		list := s.cascades[parent]
		c := &list[len(list)-1]
		c.columns, c.parent = append(c.columns, r["child_column"]), append(c.parent, r["parent_column"])
	}
}
