package replicationtest

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// RandomKind is a column's type and a generator of its values as SQL.
type RandomKind struct {
	sql    string
	value  *rapid.Generator[string]
	Key    bool // may be in a key
	Flavor servertest.Flavor
}

func quotedText(alphabet string, most int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return query.Literal(rapid.StringOfN(rapid.RuneFrom([]rune(alphabet)), 0, most, -1).Draw(t, "text"))
	})
}

func hexBytes(most int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, ' ', '\'', '\\', 'a', 'A', 0x7f, 0x80, 0xff, '\n'}), 0, most).Draw(t, "bytes")
		return fmt.Sprintf("x'%x'", b)
	})
}

func oneOfTexts(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(values) }

// RandomKinds lists the types that random tables draw their columns from.
func RandomKinds() []RandomKind {
	whole := func(low, high int64) *rapid.Generator[string] {
		return rapid.Map(rapid.OneOf(rapid.Int64Range(low, high), rapid.SampledFrom([]int64{low, high, 0, 1})), func(n int64) string { return fmt.Sprint(n) })
	}
	const odd = "aAbBzßéÉ \\'\"%_`\n\t"
	return []RandomKind{
		{sql: "TINYINT", value: whole(-128, 127), Key: true},
		{sql: "SMALLINT UNSIGNED", value: whole(0, 65535), Key: true},
		{sql: "MEDIUMINT", value: whole(-8388608, 8388607), Key: true},
		{sql: "MEDIUMINT UNSIGNED", value: whole(0, 16777215), Key: true},
		{sql: "INT UNSIGNED", value: whole(0, 4294967295), Key: true},
		{sql: "BIGINT", value: whole(-9223372036854775808, 9223372036854775807), Key: true},
		{sql: "BIGINT UNSIGNED", value: oneOfTexts("0", "1", "18446744073709551615", "18446744073709551614", "9223372036854775808", "9223372036854775807"), Key: true},
		{sql: "DECIMAL(20,6)", value: rapid.Map(rapid.Int64(), func(n int64) string { return fmt.Sprintf("%d.%06d", n/1e6, max(n%1000000, -(n%1000000))) }), Key: true},
		{sql: "FLOAT", value: oneOfTexts("0.1e0", "-0.1e0", "16777217e0", "3.4028234e38", "1e-45", "1.17549435e-38", "3.14159265e0", "0e0", "8388609.5e0"), Key: true},
		{sql: "DOUBLE", value: rapid.Map(rapid.Float64(), func(f float64) string { return fmt.Sprintf("%e", f) }), Key: true},
		{sql: "BIT(9)", value: whole(0, 511), Key: true},
		{sql: "BIT(64)", value: oneOfTexts("0", "1", "18446744073709551615", "9223372036854775808"), Key: true},
		{sql: "YEAR", value: oneOfTexts("0", "1901", "2155", "2024"), Key: true},
		{sql: "ENUM('x','ä','it''s','','3')", value: oneOfTexts("'x'", "'ä'", "'it''s'", "''", "'3'", "5"), Key: true},
		{sql: "SET('x','y','ä','3')", value: whole(0, 15), Key: true},
		{sql: "DATE", value: oneOfTexts("'0000-00-00'", "'2024-00-00'", "'2024-02-31'", "'9999-12-31'", "'1000-01-01'", "'2024-02-29'"), Key: true},
		{sql: "TIME(6)", value: oneOfTexts("'-838:59:59'", "'838:59:59'", "'00:00:00.000001'", "'-00:00:00.000001'", "'-12:34:56.7'", "'00:00:00'"), Key: true},
		{sql: "TIME(2)", value: oneOfTexts("'-01:00:00.25'", "'01:02:03.04'", "'-00:00:01'", "'-00:00:00.01'"), Key: true},
		{sql: "DATETIME(3)", value: oneOfTexts("'0000-00-00 00:00:00'", "'2024-02-31 10:00:00.5'", "'9999-12-31 23:59:59.999'", "'2021-03-28 02:30:00'"), Key: true},
		{sql: "TIMESTAMP(6) NOT NULL DEFAULT '2000-01-01'", value: oneOfTexts("'0000-00-00 00:00:00'", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07.999999'", "'2021-10-31 02:30:00.000001'"), Key: true},
		{sql: "CHAR(12) CHARACTER SET latin1", value: quotedText(odd, 6), Key: true},
		{sql: "VARCHAR(30) CHARACTER SET utf8mb4", value: quotedText(odd+"€😀表", 8), Key: true},
		{sql: "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", value: quotedText(odd+"😀", 8), Key: true},
		{sql: "VARCHAR(20) CHARACTER SET sjis", value: quotedText("aA表能 \\", 5), Key: true},
		{sql: "VARCHAR(20) CHARACTER SET utf16", value: quotedText("aA€😀 ", 5), Key: true},
		{sql: "CHAR(8) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci", value: quotedText("aAéÉ b", 5), Key: true, Flavor: servertest.MySQL},
		{sql: "BINARY(6)", value: hexBytes(6), Key: true},
		{sql: "VARBINARY(20)", value: hexBytes(12), Key: true},
		{sql: "UUID", value: rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) string { return fmt.Sprintf("'%x-%x-%x-%x-%x'", b[:4], b[4:6], b[6:8], b[8:10], b[10:]) }), Key: true, Flavor: servertest.MariaDB},
		{sql: "INET6", value: oneOfTexts("'::'", "'::1'", "'fe80::'", "'ffff:ffff::'", "'1:2:3:4:5:6:7:8'"), Key: true, Flavor: servertest.MariaDB},
		{sql: "INET4", value: oneOfTexts("'0.0.0.0'", "'255.255.255.255'", "'10.0.0.0'", "'1.2.3.4'"), Key: true, Flavor: servertest.MariaDB},
		{sql: "INT(8) UNSIGNED ZEROFILL", value: whole(0, 4294967295), Key: true},
		{sql: "DECIMAL(65,30)", value: oneOfTexts("0", "-0.000000000000000000000000000001", "99999999999999999999999999999999999.999999999999999999999999999999", "1.5"), Key: true},
		{sql: "FLOAT(10,3)", value: oneOfTexts("0.125e0", "-1234567.891e0", "0e0", "999999.999e0")},
		{sql: "DOUBLE UNSIGNED", value: oneOfTexts("0e0", "4.9406564584124654e-324", "1.7976931348623157e308", "0.1e0"), Key: true},
		{sql: "BIT(1)", value: whole(0, 1), Key: true},
		{sql: "ENUM('ü','1') CHARACTER SET latin1", value: oneOfTexts("'ü'", "'1'", "1"), Key: true},
		{sql: "MEDIUMTEXT CHARACTER SET ucs2", value: quotedText("aA€表 '", 40)},
		{sql: "TINYBLOB", value: hexBytes(30)},
		{sql: "GEOMETRY", value: oneOfTexts("ST_GeomFromText('MULTIPOLYGON(((0 0,0 3,3 3,3 0,0 0),(1 1,1 2,2 2,2 1,1 1)))', 4326)", "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))')", "NULL")},
		{sql: "LONGBLOB", value: hexBytes(200)},
		{sql: "TEXT", value: quotedText(odd+"😀", 100)},
		{sql: "JSON", value: oneOfTexts("'{\"a\": 1.0, \"b\": [1e100, -0.0, \"\\\\u00fc\"]}'", "'null'", "'[]'", "'12345678901234567890'")},
		{sql: "VARCHAR(100) COMPRESSED", value: quotedText("ab ", 90), Flavor: servertest.MariaDB},
		{sql: "POINT", value: oneOfTexts("ST_GeomFromText('POINT(0.1 -2)')", "NULL")},
		{sql: "VECTOR(2)", value: oneOfTexts("TO_VECTOR('[0.1,-2]')", "NULL"), Flavor: servertest.MySQL},
	}
}

// RandomTable is a table and what is written to it before and during the seed.
type RandomTable struct {
	Create         string
	Before, During []string
}

// DrawTable draws a table with its rows and the changes that are made to it.
func DrawTable(name string, kinds []RandomKind) *rapid.Generator[RandomTable] {
	return rapid.Custom(func(t *rapid.T) RandomTable {
		fit := slices.DeleteFunc(slices.Clone(kinds), func(k RandomKind) bool { return !k.Key })
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
		out := RandomTable{Create: "CREATE TABLE " + table + " (" + strings.Join(definitions, ", ") + ") CHARACTER SET utf8mb4"}
		row := func(label string) []string {
			values := make([]string, len(columns))
			for i, c := range columns {
				values[i] = c.value.Draw(t, label)
			}
			return values
		}
		for range rapid.IntRange(5, 30).Draw(t, "rows") {
			out.Before = append(out.Before, "INSERT IGNORE INTO "+table+" VALUES ("+strings.Join(row("before"), ",")+")")
		}
		for range rapid.IntRange(5, 30).Draw(t, "changes") {
			values, at := row("during"), rapid.IntRange(0, len(columns)-1).Draw(t, "column")
			out.During = append(out.During, rapid.SampledFrom([]string{
				"REPLACE INTO " + table + " VALUES (" + strings.Join(values, ",") + ")",
				"UPDATE IGNORE " + table + " SET " + names[at] + " = " + values[at] + " ORDER BY " + names[0] + " LIMIT 1",
				"UPDATE IGNORE " + table + " SET " + names[at] + " = " + values[at] + " ORDER BY " + names[0] + " DESC LIMIT 2",
				"DELETE FROM " + table + " ORDER BY " + names[0] + " LIMIT 1",
			}).Draw(t, "change"))
		}
		return out
	})
}
