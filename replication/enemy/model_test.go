package enemy

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// columnKind is a type of columns, with literals of its values.
type columnKind struct {
	sql    string
	value  func(*rand.Rand) string
	key    bool
	flavor servertest.Flavor // "" is both
	needs  feature           // "" is none
}

func number(low, high int) func(*rand.Rand) string {
	return func(r *rand.Rand) string { return fmt.Sprint(low + r.IntN(high-low+1)) }
}

func among(values ...string) func(*rand.Rand) string {
	return func(r *rand.Rand) string { return values[r.IntN(len(values))] }
}

// keyKinds are the types that keys are made of. Each has few values, so that rows meet.
var keyKinds = []columnKind{
	{sql: "INT", value: number(1, 60), key: true},
	{sql: "BIGINT UNSIGNED", value: among("0", "1", "2", "3", "18446744073709551615", "9223372036854775808"), key: true},
	{sql: "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", value: among("'a'", "'A'", "'a '", "'é'", "'e'", "'ß'", "'s'", "''", "'b'", "'zz'"), key: true},
	{sql: "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", value: among("'a'", "'A'", "'é'", "''", "'b'"), key: true},
	{sql: "CHAR(6) CHARACTER SET latin1", value: among("'a'", "'Ä'", "'ä'", "'b'", "'c'"), key: true},
	{sql: "VARBINARY(8)", value: among("x'00'", "x''", "x'ff'", "x'61'", "x'6100'", "x'27'"), key: true},
	{sql: "BINARY(3)", value: among("x'00'", "x'61'", "x'ff00ff'", "x'20'"), key: true},
	{sql: "DECIMAL(12,4)", value: among("0", "-0.0001", "1.5", "1.5000", "99999999.9999", "-2"), key: true},
	{sql: "DATETIME(3)", value: among("'2024-01-01 00:00:00'", "'2024-01-01 00:00:00.001'", "'1000-01-01'", "'9999-12-31 23:59:59.999'"), key: true},
	{sql: "TIME(2)", value: among("'-00:00:00.01'", "'838:59:59'", "'01:02:03.04'", "'-01:00:00.25'"), key: true},
	{sql: "DATE", value: among("'2024-02-29'", "'1000-01-01'", "'9999-12-31'"), key: true},
	{sql: "ENUM('x','ä','3')", value: among("'x'", "'ä'", "'3'"), key: true},
	{sql: "CHAR(8) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci", value: among("'a'", "'á'", "'b'"), key: true, flavor: servertest.MySQL},
	{sql: "UUID", value: among("'00000000-0000-0000-0000-000000000001'", "'123e4567-e89b-12d3-a456-426655440000'"), key: true, flavor: servertest.MariaDB},
}

// valueKinds are the types of the other columns.
var valueKinds = append([]columnKind{
	{sql: "INT NULL", value: among("NULL", "0", "1", "-7", "2147483647")},
	{sql: "VARCHAR(60) NULL", value: among("NULL", "'x'", "''", "'ünïcödé'", "'it''s'", "'a longer text of a row'")},
	{sql: "TEXT", value: among("NULL", "'text'", "REPEAT('t', 300)")},
	{sql: "BLOB", value: among("NULL", "x'00ff27'", "REPEAT('b', 500)")},
	{sql: "DOUBLE", value: among("NULL", "0.1e0", "-0e0", "1e300", "3.141592653589793e0")},
	{sql: "FLOAT", value: among("NULL", "0.1e0", "16777216e0", "3.4e38")},
	{sql: "JSON", value: among("NULL", "'{\"a\": [1, 2.5], \"b\": \"x\"}'", "'[]'", "'{\"a\": null}'")},
	{sql: "JSON", value: among("JSON_OBJECT('a', CAST('2024-01-01' AS DATE), 'b', CAST(1.50 AS DECIMAL(6,2)))", "JSON_ARRAY(CAST('10:00:00' AS TIME), x'00ff')",
		"JSON_ARRAY(CAST('123456789012345678901234567890' AS DECIMAL(30)), 1)"), flavor: servertest.MySQL, needs: jsonTypes},
	{sql: "BIT(9)", value: number(0, 511)},
	{sql: "TIMESTAMP(6) NULL", value: among("NULL", "'2021-10-31 02:30:00.000001'", "CURRENT_TIMESTAMP(6)")},
	{sql: "YEAR", value: among("NULL", "2024", "1901")},
	{sql: "SET('x','y','ä')", value: among("'x'", "'x,y'", "''", "'ä'")},
	{sql: "POINT", value: among("NULL", "ST_GeomFromText('POINT(1 -2)')")},
	{sql: "VECTOR(2)", value: among("NULL", "TO_VECTOR('[0.5,-2]')"), flavor: servertest.MySQL},
	{sql: "INET6", value: among("NULL", "'::1'"), flavor: servertest.MariaDB},
}, keyKinds...)

// column is a column that clients write to.
type column struct {
	name string
	columnKind
}

// tableModel is what the clients know of a table: DDL may have made it untrue.
type tableModel struct {
	schema, name string
	columns      []column
	keys         int    // the first columns are its key
	create       string // the definition, after the name
	rows         int    // to begin with
	kin          bool   // a foreign key joins it with another table
}

func (r *round) kind(kinds []columnKind) columnKind {
	for {
		if k := kinds[r.random.IntN(len(kinds))]; (k.flavor == "" || k.flavor == r.flavor) && (k.needs == "" || r.does(k.needs)) {
			return k
		}
	}
}

// empty is a statement that deletes all rows of a table. A partitioned one is not truncated: a
// server empties it partition by partition, and where a lock of another session is in the way
// of one, the others are empty, the statement fails, and the log has nothing of it (H41).
func (t *tableModel) empty(verb string) string {
	if strings.Contains(t.create, "PARTITION BY") {
		verb = "DELETE FROM "
	}
	return verb + t.path()
}

// drawTable draws a table of its own.
func (r *round) drawTable(schema, name string) *tableModel {
	t := &tableModel{schema: schema, name: name, rows: 10 + r.random.IntN(40)}
	shape := among("primary", "primary", "auto", "composite", "unique", "nullable", "two unique", "none")(r.random)
	if shape == "nullable" && !r.does(nullableKeys) {
		shape = "unique"
	}
	add := func(name, suffix string, k columnKind) string {
		t.columns = append(t.columns, column{name, k})
		return quote(name) + " " + k.sql + suffix
	}
	var parts, tail []string
	k := r.kind(keyKinds)
	switch shape {
	case "primary":
		parts, tail = []string{add("k", " NOT NULL", k)}, []string{"PRIMARY KEY (k)"}
	case "auto":
		parts, tail = []string{add("k", " NOT NULL AUTO_INCREMENT", keyKinds[0])}, []string{"PRIMARY KEY (k)"}
	case "composite":
		parts, tail = []string{add("k", " NOT NULL", k), add("k 2", " NOT NULL", r.kind(keyKinds))}, []string{"PRIMARY KEY (`k 2`, k)"}
	case "unique":
		parts, tail = []string{add("k", " NOT NULL", k)}, []string{"UNIQUE KEY u (k)"}
	case "nullable":
		parts, tail = []string{add("k", " NULL", k)}, []string{"UNIQUE KEY u (k)"}
	case "two unique":
		// Whoever identifies rows by one of them may not find it where another one does.
		parts = []string{add("k", " NOT NULL", keyKinds[0]), add("k 2", " NOT NULL", keyKinds[0]), add("k 3", " NOT NULL", keyKinds[0])}
		tail = []string{"UNIQUE KEY " + among("a", "z")(r.random) + " (k, `k 3`)", "UNIQUE KEY m (`k 2`)"}
	case "none":
		parts = []string{add("k", " NULL", k)}
	}
	t.keys = len(t.columns)
	parts = append(parts, add("n", " NOT NULL DEFAULT 0", columnKind{sql: "INT", value: number(0, 9)}))
	for i := range 1 + r.random.IntN(4) {
		parts = append(parts, add(fmt.Sprintf("v%d", i), "", r.kind(valueKinds)))
	}
	if r.does(generated) && r.random.IntN(2) == 0 {
		parts = append(parts, "g INT AS (n * 2) "+among("STORED", "VIRTUAL")(r.random), "gs VARCHAR(20) AS (CONCAT('g', n)) STORED")
		tail = append(tail, "KEY gs (gs)")
	}
	if r.does(checks) && r.random.IntN(2) == 0 {
		tail = append(tail, "CONSTRAINT "+quote(name+" positive")+" CHECK (n >= 0)")
	}
	if r.random.IntN(2) == 0 {
		tail = append(tail, "KEY n (n)")
	}
	t.create = " (" + strings.Join(append(parts, tail...), ", ") + ") ENGINE=InnoDB"
	if r.does(lenient) && r.random.IntN(2) == 0 {
		t.create += among(" ROW_FORMAT=FIXED", " ROW_FORMAT=COMPACT KEY_BLOCK_SIZE=4")(r.random)
	}
	if r.does(partitions) && !strings.Contains(t.create, " POINT") && (shape == "auto" || shape == "none" && k.sql == "INT") {
		t.create += " PARTITION BY HASH (k) PARTITIONS 3"
	}
	return t
}

func (t *tableModel) path() string { return quote(t.schema) + "." + quote(t.name) }

// foreignAction is what a foreign key does.
var foreignAction = among("CASCADE", "CASCADE", "CASCADE", "SET NULL", "RESTRICT")

// Rows of the levels of a family.
const (
	eldest  = 60
	younger = 180
)

// drawFamily draws tables that refer to each other: blog, post, reply, mark, and node, which
// refers to itself. A child's key, and what it refers to by, are drawn.
func (r *round) drawFamily() []*tableModel {
	few, many := columnKind{sql: "INT", value: number(1, eldest)}, columnKind{sql: "INT", value: number(1, younger)}
	label := columnKind{sql: "VARCHAR(20)", value: among("'one'", "'two'", "'three'", "NULL")}
	out := []*tableModel{{
		schema: "shop", name: "blog", columns: []column{{"id", few}, {"code", few}, {"label", label}}, keys: 1, rows: eldest, kin: true,
		create: " (id INT PRIMARY KEY, code INT NOT NULL UNIQUE, label VARCHAR(20)) ENGINE=InnoDB",
	}}
	levels := []string{"post", "reply", "mark"}
	parent, by, up := "blog", among("id", "code")(r.random), few
	for i, name := range levels[:2+r.random.IntN(2)] {
		key, code := among("INT PRIMARY KEY", "INT PRIMARY KEY", "INT NOT NULL UNIQUE")(r.random), "UNIQUE KEY"
		if r.does(keylessKids) && (i == len(levels)-1 || r.random.IntN(3) == 0) {
			key, by = "INT", cmp.Or(by, "code") // nothing can refer to its id, but to its code
		}
		out = append(out, &tableModel{
			schema: "shop", name: name, columns: []column{{"id", many}, {"up", up}, {"code", many}, {"label", label}}, keys: 1, rows: younger, kin: true,
			create: fmt.Sprintf(" (id %s, up INT NULL, code INT NULL, label VARCHAR(20), KEY up (up), %s code (code), CONSTRAINT %s_up FOREIGN KEY (up) REFERENCES %s (%s) ON DELETE %s ON UPDATE %s) ENGINE=InnoDB",
				key, code, name, parent, by, foreignAction(r.random), foreignAction(r.random)),
		})
		parent, by, up = name, among("id", "code")(r.random), many
		if key == "INT" {
			by = "code"
		}
	}
	if r.does(selfRef) {
		out = append(out, &tableModel{
			schema: "shop", name: "node", columns: []column{{"id", many}, {"up", many}, {"label", label}}, keys: 1, rows: younger, kin: true,
			create: " (id INT PRIMARY KEY, up INT NULL, label VARCHAR(20), CONSTRAINT node_up FOREIGN KEY (up) REFERENCES node (id) ON DELETE CASCADE) ENGINE=InnoDB",
		})
	}
	return out
}

// firstRows fill a table. A member of a family has every id once, and a parent for most
// rows.
func (t *tableModel) firstRows(random *rand.Rand) (out []string) {
	if !t.kin {
		for range t.rows / 10 {
			out = append(out, t.insert(random, "INSERT IGNORE", 10))
		}
		return out
	}
	var values []string
	for i := range t.rows {
		row := t.row(random)
		for n, c := range t.columns {
			if c.name == "id" || c.name == "code" {
				row[n] = fmt.Sprint(i + 1)
			}
		}
		if t.name == "node" { // to one that is there already
			row[1] = fmt.Sprint(1 + random.IntN(i+1))
		}
		values = append(values, "("+strings.Join(row, ", ")+")")
	}
	return []string{"INSERT INTO " + t.path() + " VALUES " + strings.Join(values, ", ")}
}

// actThrough changes a descendant, then many other rows, then one of its ancestors, whose
// foreign keys act: who follows the log only by the rows that it names loses the kin between.
func (c *client) actThrough() []string {
	var kin []*tableModel
	for _, t := range c.tables {
		if t.kin && t.name != "node" {
			kin = append(kin, t)
		}
	}
	if len(kin) < 3 {
		return []string{c.change(c.anyTable())}
	}
	at := 1 + c.random.IntN(len(kin)-1)
	ancestor := kin[c.random.IntN(at)]
	id := ancestor.columns[0].value(c.random)
	below := kin[slices.Index(kin, ancestor)+1]
	out := []string{"UPDATE " + below.path() + " SET label = 'touched' WHERE up = " + id, c.change(kin[at])}
	if c.does(bursts) {
		out = append(out, c.burst()...)
	}
	act := []string{"DELETE FROM " + ancestor.path() + " WHERE id = " + id, "UPDATE IGNORE " + ancestor.path() + " SET id = id + 1000 WHERE id = " + id, "DELETE FROM " + ancestor.path() + " WHERE code = " + id}
	return append(out, act[c.random.IntN(len(act))])
}

// insert is a statement that adds rows.
func (t *tableModel) insert(random *rand.Rand, verb string, rows int) string {
	var names, values []string
	for _, c := range t.columns {
		names = append(names, quote(c.name))
	}
	for range rows {
		values = append(values, "("+strings.Join(t.row(random), ", ")+")")
	}
	return verb + " INTO " + t.path() + " (" + strings.Join(names, ", ") + ") VALUES " + strings.Join(values, ", ")
}

func (t *tableModel) row(random *rand.Rand) []string {
	out := make([]string, len(t.columns))
	for i, c := range t.columns {
		out[i] = c.value(random)
	}
	return out
}

// makeWorld makes the schema of the round on the source, with its first rows.
func (r *round) makeWorld() {
	second := "blogs"
	if r.does(oddNames) {
		second = among("naïve-2", "gro`up", "Mixed Case")(r.random)
	}
	collation := ""
	if r.does(collations) {
		collation = " COLLATE " + among("utf8mb4_unicode_ci", "utf8mb4_general_ci", "latin1_swedish_ci")(r.random)
	}
	statements := append([]string{"SET NAMES utf8mb4", "SET sql_mode = ''", "CREATE DATABASE shop" + collation, "CREATE DATABASE " + quote(second)}, ledgerTables...)
	if r.does(lenient) {
		statements = append(statements, "SET SESSION innodb_strict_mode = 0")
	}
	if r.does(hiddenKeys) {
		statements = append(statements, "SET SESSION sql_generate_invisible_primary_key = ON")
	}
	for i := range 6 + r.random.IntN(5) {
		name := fmt.Sprintf("t%d", i)
		if r.does(oddNames) && i == 1 {
			name = among("tä", "or`der", "with space", "UPPER")(r.random)
		}
		r.tables = append(r.tables, r.drawTable(among("shop", second)(r.random), name))
	}
	if r.does(chains) {
		r.tables = append(r.tables, r.drawFamily()...)
	}
	for _, t := range r.tables {
		statements = append(statements, "USE "+quote(t.schema), "CREATE TABLE "+t.path()+t.create)
		statements = append(statements, t.firstRows(r.random)...)
	}
	statements = append(statements, r.programs()...)
	if r.does(drawn) {
		statements = append(statements, r.drawnTables()...)
	}
	statements = append(statements, "CREATE DATABASE ballast", "CREATE TABLE ballast.b (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(2000))",
		"INSERT INTO ballast.b (v) VALUES "+strings.TrimSuffix(strings.Repeat("(REPEAT('y', 2000)),", 128), ","))
	for range 3 {
		statements = append(statements, "INSERT INTO ballast.b (v) SELECT v FROM ballast.b")
	}
	var many []string
	for i := range 400 {
		many = append(many, fmt.Sprintf("(%d, 0)", i))
	}
	statements = append(statements, "CREATE TABLE shop.many (id INT PRIMARY KEY, v INT)", "INSERT INTO shop.many VALUES "+strings.Join(many, ","))
	if r.does(heldCopy) {
		statements = append(statements, "CREATE DATABASE zz", "CREATE TABLE zz.held (id INT PRIMARY KEY)", "INSERT INTO zz.held VALUES (1)")
	}
	r.execAll(r.source, statements)
}

// programs are triggers, events, routines, views and sequences.
func (r *round) programs() []string {
	out := []string{
		"CREATE TABLE shop.audit (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(40))",
		"CREATE VIEW shop.seen AS SELECT client, n FROM acked.writes",
		"CREATE DEFINER = app@localhost PROCEDURE shop.empty_audit() TRUNCATE TABLE shop.audit",
	}
	if r.does(triggers) {
		t := r.tables[r.random.IntN(len(r.tables))]
		out = append(out, "CREATE DEFINER = app@localhost TRIGGER "+quote(t.schema)+"."+quote(t.name+"_audit")+" AFTER "+among("INSERT", "UPDATE", "DELETE")(r.random)+" ON "+t.path()+
			" FOR EACH ROW INSERT INTO shop.audit (what) VALUES ('"+strings.ToLower(string(r.flavor))+"')")
	}
	if r.does(events) {
		out = append(out, "CREATE DEFINER = app@localhost EVENT shop.tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO shop.audit (what) VALUES ('tick')")
	}
	if r.does(sequences) {
		out = append(out, "CREATE SEQUENCE shop.numbers START WITH 5 INCREMENT BY 3 CACHE 4", "DO NEXT VALUE FOR shop.numbers")
	}
	return out
}

// drawnTables are tables of replicationtest's generator. The clients get their changes.
func (r *round) drawnTables() []string {
	types := replicationtest.ColumnTypes(r.flavor)
	out := []string{"CREATE DATABASE random CHARACTER SET utf8mb4", "SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'"}
	for i := range 3 {
		t := replicationtest.DrawTable(fmt.Sprintf("d%d", i), types).Example(r.random.IntN(1 << 20))
		out = append(append(out, t.Create), t.Before...)
		r.drawn = append(r.drawn, t.During...)
	}
	return slices.Clip(out)
}
