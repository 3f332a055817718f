package replication

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dcmigrate/migrate/replication/servertest"
)

// randomKind is a column's type and a generator of its values as SQL.
type randomKind struct {
	sql    string
	value  *rapid.Generator[string]
	key    bool // may be in a key
	flavor servertest.Flavor
}

func quotedText(alphabet string, most int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return literal(rapid.StringOfN(rapid.RuneFrom([]rune(alphabet)), 0, most, -1).Draw(t, "text"))
	})
}

func hexBytes(most int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, ' ', '\'', '\\', 'a', 'A', 0x7f, 0x80, 0xff, '\n'}), 0, most).Draw(t, "bytes")
		return fmt.Sprintf("x'%x'", b)
	})
}

func oneOfTexts(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(values) }

func randomKinds() []randomKind {
	whole := func(low, high int64) *rapid.Generator[string] {
		return rapid.Map(rapid.OneOf(rapid.Int64Range(low, high), rapid.SampledFrom([]int64{low, high, 0, 1})), func(n int64) string { return fmt.Sprint(n) })
	}
	const odd = "aAbBzßéÉ \\'\"%_`\n\t"
	return []randomKind{
		{sql: "TINYINT", value: whole(-128, 127), key: true},
		{sql: "SMALLINT UNSIGNED", value: whole(0, 65535), key: true},
		{sql: "MEDIUMINT", value: whole(-8388608, 8388607), key: true},
		{sql: "MEDIUMINT UNSIGNED", value: whole(0, 16777215), key: true},
		{sql: "INT UNSIGNED", value: whole(0, 4294967295), key: true},
		{sql: "BIGINT", value: whole(-9223372036854775808, 9223372036854775807), key: true},
		{sql: "BIGINT UNSIGNED", value: oneOfTexts("0", "1", "18446744073709551615", "18446744073709551614", "9223372036854775808", "9223372036854775807"), key: true},
		{sql: "DECIMAL(20,6)", value: rapid.Map(rapid.Int64(), func(n int64) string { return fmt.Sprintf("%d.%06d", n/1e6, max(n%1000000, -(n%1000000))) }), key: true},
		{sql: "FLOAT", value: oneOfTexts("0.1e0", "-0.1e0", "16777217e0", "3.4028234e38", "1e-45", "1.17549435e-38", "3.14159265e0", "0e0", "8388609.5e0"), key: true},
		{sql: "DOUBLE", value: rapid.Map(rapid.Float64(), func(f float64) string { return fmt.Sprintf("%e", f) }), key: true},
		{sql: "BIT(9)", value: whole(0, 511), key: true},
		{sql: "BIT(64)", value: oneOfTexts("0", "1", "18446744073709551615", "9223372036854775808"), key: true},
		{sql: "YEAR", value: oneOfTexts("0", "1901", "2155", "2024"), key: true},
		{sql: "ENUM('x','ä','it''s','','3')", value: oneOfTexts("'x'", "'ä'", "'it''s'", "''", "'3'", "5"), key: true},
		{sql: "SET('x','y','ä','3')", value: whole(0, 15), key: true},
		{sql: "DATE", value: oneOfTexts("'0000-00-00'", "'2024-00-00'", "'2024-02-31'", "'9999-12-31'", "'1000-01-01'", "'2024-02-29'"), key: true},
		{sql: "TIME(6)", value: oneOfTexts("'-838:59:59'", "'838:59:59'", "'00:00:00.000001'", "'-00:00:00.000001'", "'-12:34:56.7'", "'00:00:00'"), key: true},
		{sql: "TIME(2)", value: oneOfTexts("'-01:00:00.25'", "'01:02:03.04'", "'-00:00:01'", "'-00:00:00.01'"), key: true},
		{sql: "DATETIME(3)", value: oneOfTexts("'0000-00-00 00:00:00'", "'2024-02-31 10:00:00.5'", "'9999-12-31 23:59:59.999'", "'2021-03-28 02:30:00'"), key: true},
		{sql: "TIMESTAMP(6) NOT NULL DEFAULT '2000-01-01'", value: oneOfTexts("'0000-00-00 00:00:00'", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07.999999'", "'2021-10-31 02:30:00.000001'"), key: true},
		{sql: "CHAR(12) CHARACTER SET latin1", value: quotedText(odd, 6), key: true},
		{sql: "VARCHAR(30) CHARACTER SET utf8mb4", value: quotedText(odd+"€😀表", 8), key: true},
		{sql: "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", value: quotedText(odd+"😀", 8), key: true},
		{sql: "VARCHAR(20) CHARACTER SET sjis", value: quotedText("aA表能 \\", 5), key: true},
		{sql: "VARCHAR(20) CHARACTER SET utf16", value: quotedText("aA€😀 ", 5), key: true},
		{sql: "CHAR(8) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci", value: quotedText("aAéÉ b", 5), key: true, flavor: servertest.MySQL},
		{sql: "BINARY(6)", value: hexBytes(6), key: true},
		{sql: "VARBINARY(20)", value: hexBytes(12), key: true},
		{sql: "UUID", value: rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) string { return fmt.Sprintf("'%x-%x-%x-%x-%x'", b[:4], b[4:6], b[6:8], b[8:10], b[10:]) }), key: true, flavor: servertest.MariaDB},
		{sql: "INET6", value: oneOfTexts("'::'", "'::1'", "'fe80::'", "'ffff:ffff::'", "'1:2:3:4:5:6:7:8'"), key: true, flavor: servertest.MariaDB},
		{sql: "INET4", value: oneOfTexts("'0.0.0.0'", "'255.255.255.255'", "'10.0.0.0'", "'1.2.3.4'"), key: true, flavor: servertest.MariaDB},
		{sql: "INT(8) UNSIGNED ZEROFILL", value: whole(0, 4294967295), key: true},
		{sql: "DECIMAL(65,30)", value: oneOfTexts("0", "-0.000000000000000000000000000001", "99999999999999999999999999999999999.999999999999999999999999999999", "1.5"), key: true},
		{sql: "FLOAT(10,3)", value: oneOfTexts("0.125e0", "-1234567.891e0", "0e0", "999999.999e0")},
		{sql: "DOUBLE UNSIGNED", value: oneOfTexts("0e0", "4.9406564584124654e-324", "1.7976931348623157e308", "0.1e0"), key: true},
		{sql: "BIT(1)", value: whole(0, 1), key: true},
		{sql: "ENUM('ü','1') CHARACTER SET latin1", value: oneOfTexts("'ü'", "'1'", "1"), key: true},
		{sql: "MEDIUMTEXT CHARACTER SET ucs2", value: quotedText("aA€表 '", 40)},
		{sql: "TINYBLOB", value: hexBytes(30)},
		{sql: "GEOMETRY", value: oneOfTexts("ST_GeomFromText('MULTIPOLYGON(((0 0,0 3,3 3,3 0,0 0),(1 1,1 2,2 2,2 1,1 1)))', 4326)", "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))')", "NULL")},
		{sql: "LONGBLOB", value: hexBytes(200)},
		{sql: "TEXT", value: quotedText(odd+"😀", 100)},
		{sql: "JSON", value: oneOfTexts("'{\"a\": 1.0, \"b\": [1e100, -0.0, \"\\\\u00fc\"]}'", "'null'", "'[]'", "'12345678901234567890'")},
		{sql: "VARCHAR(100) COMPRESSED", value: quotedText("ab ", 90), flavor: servertest.MariaDB},
		{sql: "POINT", value: oneOfTexts("ST_GeomFromText('POINT(0.1 -2)')", "NULL")},
		{sql: "VECTOR(2)", value: oneOfTexts("TO_VECTOR('[0.1,-2]')", "NULL"), flavor: servertest.MySQL},
	}
}

// randomTable is a table and what is written to it before and during the seed.
type randomTable struct {
	create         string
	before, during []string
}

func drawTable(name string, kinds []randomKind) *rapid.Generator[randomTable] {
	return rapid.Custom(func(t *rapid.T) randomTable {
		fit := slices.DeleteFunc(slices.Clone(kinds), func(k randomKind) bool { return !k.key })
		keys := rapid.SliceOfN(rapid.SampledFrom(fit), 0, 3).Draw(t, "key")
		rest := rapid.SliceOfN(rapid.SampledFrom(kinds), 1, 4).Draw(t, "rest")
		columns := append(slices.Clone(keys), rest...)
		var names, keyNames, definitions []string
		for i, c := range columns {
			names = append(names, fmt.Sprintf("`c %d`", i))
			definition := names[i] + " " + c.sql
			if i < len(keys) {
				keyNames = append(keyNames, names[i])
				if !strings.Contains(c.sql, "NOT NULL") {
					definition += " NOT NULL"
				}
			}
			definitions = append(definitions, definition)
		}
		if len(keys) > 0 {
			definitions = append(definitions, rapid.SampledFrom([]string{"PRIMARY KEY (", "UNIQUE KEY u ("}).Draw(t, "kind")+strings.Join(keyNames, ",")+")")
		}
		table := "random." + name
		out := randomTable{create: "CREATE TABLE " + table + " (" + strings.Join(definitions, ", ") + ") CHARACTER SET utf8mb4"}
		row := func(label string) []string {
			values := make([]string, len(columns))
			for i, c := range columns {
				values[i] = c.value.Draw(t, label)
			}
			return values
		}
		for range rapid.IntRange(5, 30).Draw(t, "rows") {
			out.before = append(out.before, "INSERT IGNORE INTO "+table+" VALUES ("+strings.Join(row("before"), ",")+")")
		}
		for range rapid.IntRange(5, 30).Draw(t, "changes") {
			values, at := row("during"), rapid.IntRange(0, len(columns)-1).Draw(t, "column")
			out.during = append(out.during, rapid.SampledFrom([]string{
				"REPLACE INTO " + table + " VALUES (" + strings.Join(values, ",") + ")",
				"UPDATE IGNORE " + table + " SET " + names[at] + " = " + values[at] + " ORDER BY " + names[0] + " LIMIT 1",
				"UPDATE IGNORE " + table + " SET " + names[at] + " = " + values[at] + " ORDER BY " + names[0] + " DESC LIMIT 2",
				"DELETE FROM " + table + " ORDER BY " + names[0] + " LIMIT 1",
			}).Draw(t, "change"))
		}
		return out
	})
}

// TestSeedOfRandomTables copies tables of random shapes, with random rows that
// change while they are copied, and compares every value's bytes.
func TestSeedOfRandomTables(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		kinds := slices.DeleteFunc(randomKinds(), func(k randomKind) bool { return k.flavor != "" && k.flavor != flavor })
		pair, source, target := startPair(t, flavor)
		makeLoadSchema(source)
		makeBig(source)
		source.Exec("CREATE DATABASE random CHARACTER SET utf8mb4")
		session := []string{"SET NAMES utf8mb4", "SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'"}
		var during []string
		for i := range 60 {
			table := drawTable(fmt.Sprintf("t%d", i), kinds).Example(i)
			source.Exec(append(append(slices.Clone(session), table.create), table.before...)...)
			during = append(during, table.during...)
		}
		for i, k := range kinds { // every kind as a key, at least once
			if k.key {
				table := drawTable(fmt.Sprintf("k%d", i), []randomKind{k}).Example(i)
				source.Exec(append(append(slices.Clone(session), table.create), table.before...)...)
				during = append(during, table.during...)
			}
		}
		goOn := seedHeld(t, pair, source)
		source.Exec(append(slices.Clone(session), during...)...)
		require.NoError(t, goOn())
		requireSameBytes(t, "random", source, target)
	})
}

// requireSameBytes compares every column of every table by the binary protocol, whatever the order of rows.
func requireSameBytes(t *testing.T, schema string, source, target *servertest.Instance) {
	names, err := queryStrings(t.Context(), source.Root(), "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA=? ORDER BY 1", schema)
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		statement := "SELECT * FROM " + QuoteTable(schema, name)
		want, got := rowsOf(t, source.Root(), statement), rowsOf(t, target.Root(), statement)
		slices.Sort(want)
		slices.Sort(got)
		require.Equal(t, want, got, "%s: %s", name, source.Value("SELECT COUNT(*) FROM "+QuoteTable(schema, name)))
	}
}
