package replicationtest

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// ColumnType is a type that the columns of random tables have.
type ColumnType struct {
	// Key says that a column of the type may be in a key.
	Key    bool
	sql    string
	value  *rapid.Generator[string] // of values as SQL expressions
	flavor servertest.Flavor        // "" is every flavor
}

// texts generates string literals of at most so many characters of an alphabet.
func texts(alphabet string, maxLength int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return query.Literal(rapid.StringOfN(rapid.RuneFrom([]rune(alphabet)), 0, maxLength, -1).Draw(t, "text"))
	})
}

// hexBytes generates literals of at most so many bytes, those that a server may treat in a
// special way.
func hexBytes(maxLength int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, ' ', '\'', '\\', 'a', 'A', 0x7f, 0x80, 0xff, '\n'}), 0, maxLength).Draw(t, "bytes")
		return fmt.Sprintf("x'%x'", b)
	})
}

func oneOf(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(values) }

// ColumnTypes lists the types of a flavor that DrawTable can draw columns from.
func ColumnTypes(flavor servertest.Flavor) []ColumnType {
	return slices.DeleteFunc(columnTypes(), func(c ColumnType) bool { return c.flavor != "" && c.flavor != flavor })
}

// columnTypes lists the types of all flavors, with values at their edges.
func columnTypes() []ColumnType {
	integers := func(low, high int64) *rapid.Generator[string] {
		return rapid.Map(rapid.OneOf(rapid.Int64Range(low, high), rapid.SampledFrom([]int64{low, high, 0, 1})), func(n int64) string { return fmt.Sprint(n) })
	}
	const special = "aAbBzßéÉ \\'\"%_`\n\t"
	return []ColumnType{
		{sql: "TINYINT", value: integers(-128, 127), Key: true},
		{sql: "SMALLINT UNSIGNED", value: integers(0, 65535), Key: true},
		{sql: "MEDIUMINT", value: integers(-8388608, 8388607), Key: true},
		{sql: "MEDIUMINT UNSIGNED", value: integers(0, 16777215), Key: true},
		{sql: "INT UNSIGNED", value: integers(0, 4294967295), Key: true},
		{sql: "BIGINT", value: integers(-9223372036854775808, 9223372036854775807), Key: true},
		{sql: "BIGINT UNSIGNED", value: oneOf("0", "1", "18446744073709551615", "18446744073709551614", "9223372036854775808", "9223372036854775807"), Key: true},
		{sql: "DECIMAL(20,6)", value: rapid.Map(rapid.Int64(), func(n int64) string { return fmt.Sprintf("%d.%06d", n/1e6, max(n%1000000, -(n%1000000))) }), Key: true},
		{sql: "FLOAT", value: oneOf("0.1e0", "-0.1e0", "16777217e0", "3.4028234e38", "1e-45", "1.17549435e-38", "3.14159265e0", "0e0", "8388609.5e0"), Key: true},
		{sql: "DOUBLE", value: rapid.Map(rapid.Float64(), func(f float64) string { return fmt.Sprintf("%e", f) }), Key: true},
		{sql: "BIT(9)", value: integers(0, 511), Key: true},
		{sql: "BIT(64)", value: oneOf("0", "1", "18446744073709551615", "9223372036854775808"), Key: true},
		{sql: "YEAR", value: oneOf("0", "1901", "2155", "2024"), Key: true},
		{sql: "ENUM('x','ä','it''s','','3')", value: oneOf("'x'", "'ä'", "'it''s'", "''", "'3'", "5"), Key: true},
		{sql: "SET('x','y','ä','3')", value: integers(0, 15), Key: true},
		{sql: "DATE", value: oneOf("'0000-00-00'", "'2024-00-00'", "'2024-02-31'", "'9999-12-31'", "'1000-01-01'", "'2024-02-29'"), Key: true},
		{sql: "TIME(6)", value: oneOf("'-838:59:59'", "'838:59:59'", "'00:00:00.000001'", "'-00:00:00.000001'", "'-12:34:56.7'", "'00:00:00'"), Key: true},
		{sql: "TIME(2)", value: oneOf("'-01:00:00.25'", "'01:02:03.04'", "'-00:00:01'", "'-00:00:00.01'"), Key: true},
		{sql: "DATETIME(3)", value: oneOf("'0000-00-00 00:00:00'", "'2024-02-31 10:00:00.5'", "'9999-12-31 23:59:59.999'", "'2021-03-28 02:30:00'"), Key: true},
		{sql: "TIMESTAMP(6) NOT NULL DEFAULT '2000-01-01'", value: oneOf("'0000-00-00 00:00:00'", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07.999999'", "'2021-10-31 02:30:00.000001'"), Key: true},
		{sql: "CHAR(12) CHARACTER SET latin1", value: texts(special, 6), Key: true},
		{sql: "VARCHAR(30) CHARACTER SET utf8mb4", value: texts(special+"€😀表", 8), Key: true},
		{sql: "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", value: texts(special+"😀", 8), Key: true},
		{sql: "VARCHAR(20) CHARACTER SET sjis", value: texts("aA表能 \\", 5), Key: true},
		{sql: "VARCHAR(20) CHARACTER SET utf16", value: texts("aA€😀 ", 5), Key: true},
		{sql: "CHAR(8) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci", value: texts("aAéÉ b", 5), Key: true, flavor: servertest.MySQL},
		{sql: "BINARY(6)", value: hexBytes(6), Key: true},
		{sql: "VARBINARY(20)", value: hexBytes(12), Key: true},
		{sql: "UUID", value: rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) string { return fmt.Sprintf("'%x-%x-%x-%x-%x'", b[:4], b[4:6], b[6:8], b[8:10], b[10:]) }), Key: true, flavor: servertest.MariaDB},
		{sql: "INET6", value: oneOf("'::'", "'::1'", "'fe80::'", "'ffff:ffff::'", "'1:2:3:4:5:6:7:8'"), Key: true, flavor: servertest.MariaDB},
		{sql: "INET4", value: oneOf("'0.0.0.0'", "'255.255.255.255'", "'10.0.0.0'", "'1.2.3.4'"), Key: true, flavor: servertest.MariaDB},
		{sql: "INT(8) UNSIGNED ZEROFILL", value: integers(0, 4294967295), Key: true},
		{sql: "DECIMAL(65,30)", value: oneOf("0", "-0.000000000000000000000000000001", "99999999999999999999999999999999999.999999999999999999999999999999", "1.5"), Key: true},
		{sql: "FLOAT(10,3)", value: oneOf("0.125e0", "-1234567.891e0", "0e0", "999999.999e0")},
		{sql: "DOUBLE UNSIGNED", value: oneOf("0e0", "4.9406564584124654e-324", "1.7976931348623157e308", "0.1e0"), Key: true},
		{sql: "BIT(1)", value: integers(0, 1), Key: true},
		{sql: "ENUM('ü','1') CHARACTER SET latin1", value: oneOf("'ü'", "'1'", "1"), Key: true},
		{sql: "MEDIUMTEXT CHARACTER SET ucs2", value: texts("aA€表 '", 40)},
		{sql: "TINYBLOB", value: hexBytes(30)},
		{sql: "GEOMETRY", value: oneOf("ST_GeomFromText('MULTIPOLYGON(((0 0,0 3,3 3,3 0,0 0),(1 1,1 2,2 2,2 1,1 1)))', 4326)", "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))')", "NULL")},
		{sql: "LONGBLOB", value: hexBytes(200)},
		{sql: "TEXT", value: texts(special+"😀", 100)},
		{sql: "JSON", value: oneOf("'{\"a\": 1.0, \"b\": [1e100, -0.0, \"\\\\u00fc\"]}'", "'null'", "'[]'", "'12345678901234567890'")},
		{sql: "VARCHAR(100) COMPRESSED", value: texts("ab ", 90), flavor: servertest.MariaDB},
		{sql: "POINT", value: oneOf("ST_GeomFromText('POINT(0.1 -2)')", "NULL")},
		{sql: "VECTOR(2)", value: oneOf("TO_VECTOR('[0.1,-2]')", "NULL"), flavor: servertest.MySQL},
	}
}
