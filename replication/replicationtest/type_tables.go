package replicationtest

import (
	"testing"

	"github.com/dcmigrate/migrate/replication/servertest"
)

// typeTables are, by what they show, the statements that make one table or two for
// each kind of type, with values at the edges of the type.
var typeTables = map[string][]string{
	"numbers": {
		`CREATE TABLE types.numbers (id INT PRIMARY KEY, t TINYINT, tu TINYINT UNSIGNED, b BIGINT, bu BIGINT UNSIGNED,
			d DECIMAL(65,30), z INT(8) ZEROFILL, f FLOAT, g DOUBLE, fm FLOAT(7,3), bt BIT(1), bl BIT(64), y YEAR)`,
		`INSERT INTO types.numbers VALUES
			(1, -128, 255, -9223372036854775808, 18446744073709551615, -99999999999999999999999999999999999.999999999999999999999999999999, 42, 3.4028234e38, 1.7976931348623157e308, 1234.567, b'1', 0xffffffffffffffff, 2155),
			(2, 127, 0, 9223372036854775807, 0, 0.000000000000000000000000000001, 0, 1.17549435e-38, 2.2250738585072014e-308, -0.001, b'0', 0x8000000000000001, 1901),
			(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
			(4, 0, 1, 0, 1, 0, 1, 0.1, 0.1, 0.1, b'1', 1, 0),
			(5, 0, 1, 0, 1, 0, 1, 16777217, 9007199254740993, 9999.999, b'1', 1, 1970),
			(6, 0, 1, 0, 1, 0, 1, -0e0, -0e0, -0e0, b'1', 1, 1970),
			(7, 0, 1, 0, 1, 0, 1, 1e-45, 5e-324, 0, b'1', 1, 1970),
			(8, 0, 1, 0, 1, 0, 1, 8388609.5, 123456.789e3, 0, b'1', 1, 1970),
			(9, 0, 1, 0, 1, 0, 1, 3.14159274101257, 3.141592653589793, 3.142, b'1', 1, 1970)`,
	},
	"texts": {
		"CREATE TABLE types.texts (id INT PRIMARY KEY, c CHAR(20), v VARCHAR(50) CHARACTER SET latin1, u VARCHAR(50) CHARACTER SET utf8mb3," +
			" w VARCHAR(50) CHARACTER SET utf16, s VARCHAR(30) CHARACTER SET sjis, b BINARY(6), vb VARBINARY(300), bl LONGBLOB, tx LONGTEXT," +
			" e ENUM('','a','ü','it''s'), st SET('x','y','z','ö'))",
		"INSERT INTO types.texts VALUES (1, 'trail  ', 'caf\u00e9', '\u00fc\u20ac', '\U0001F600', '\u8868\u80fd', 'a\\0b', x'00ff27225c0a0d1a', REPEAT('\\0\\'\\\\', 5000), CONCAT('\U0001F600', REPEAT('line\\n', 300000)), 'ü', 'x,ö')",
		"INSERT INTO types.texts VALUES (2, '', '', '', '', '', '', '', '', '', '', '')",
		"INSERT INTO types.texts (id) VALUES (3)",
		"INSERT INTO types.texts VALUES (4, '\\\\', '\\'', '`', '\"', '%', '\\Z', 'NULL', 'NULL', 'NULL', 'it''s', 'z')",
		"SET sql_mode = ''",
		"INSERT INTO types.texts (id, e) VALUES (5, 'not a member'), (6, ''), (7, 0)",
	},
	"times": {
		"SET sql_mode = '', time_zone = '+00:00'",
		`CREATE TABLE types.times (id INT PRIMARY KEY, d DATE, t TIME(6), dt DATETIME(6), ts TIMESTAMP(6) NULL, ts0 TIMESTAMP NOT NULL DEFAULT '0000-00-00 00:00:00')`,
		`INSERT INTO types.times VALUES
			(1, '0000-00-00', '-838:59:59.000000', '0000-00-00 00:00:00', '0000-00-00 00:00:00', '0000-00-00 00:00:00'),
			(2, '2024-00-00', '838:59:59', '2024-02-00 10:00:00.5', '1970-01-01 00:00:01', '2038-01-19 03:14:07'),
			(3, '9999-12-31', '00:00:00.000001', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999999', '2021-03-28 02:30:00'),
			(4, NULL, NULL, NULL, NULL, '2021-10-31 02:30:00'),
			(5, '0001-01-01', '-00:00:01', '1000-01-01 00:00:00', '2021-03-28 01:30:00.25', '1970-01-01 00:00:01')`,
	},
	"shapes": {
		"CREATE TABLE types.shapes (id INT PRIMARY KEY, g GEOMETRY, p POINT, j JSON)",
		`INSERT INTO types.shapes VALUES
			(1, ST_GeomFromText('POLYGON((0 0,0 1.1,1 1,0 0))', 4326), ST_GeomFromText('POINT(0.1 -2)'), '{"a": [1, 2.5, "\\u00fc", null], "b": {}}'),
			(2, NULL, NULL, NULL), (3, ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1))'), ST_GeomFromText('POINT(1 1)', 4326), '[]'),
			(4, NULL, NULL, '"\\u0027 \\\\ \\""'), (5, NULL, NULL, '1e100'), (6, NULL, NULL, 'null')`,
	},
	"odd `names": {
		"CREATE TABLE types.`odd ``names` (`a``b` INT, `select` VARCHAR(10), `näme` INT, PRIMARY KEY (`select`, `a``b`))",
		"INSERT INTO types.`odd ``names` VALUES (1, 'x', 2), (0, 'y', NULL)",
	},
	"generated": {
		"CREATE TABLE types.generated (a INT, v INT AS (a * 2) VIRTUAL, s VARCHAR(20) AS (CONCAT('x', a)) STORED, hidden INT INVISIBLE DEFAULT 7, d DATETIME DEFAULT CURRENT_TIMESTAMP, KEY(s))",
		"INSERT INTO types.generated (a, hidden, d) VALUES (1, 5, '2020-01-01'), (2, NULL, NULL), (NULL, 0, '2020-01-02')",
	},
	"counter": {
		"SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
		"CREATE TABLE types.counter (id INT AUTO_INCREMENT PRIMARY KEY, t TEXT) AUTO_INCREMENT = 1000",
		"INSERT INTO types.counter VALUES (0, 'zero'), (1, 'one')",
	},
	"foreign keys in a circle": {
		"SET foreign_key_checks = 0",
		"CREATE TABLE types.aparent (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES types.zchild (id))",
		"CREATE TABLE types.zchild (id INT PRIMARY KEY, down INT, FOREIGN KEY (down) REFERENCES types.aparent (id))",
		"INSERT INTO types.zchild VALUES (1, 2)", "INSERT INTO types.aparent VALUES (2, 1)",
	},
	"parts": {
		"CREATE TABLE types.parts (id INT, k VARCHAR(10), PRIMARY KEY (id)) PARTITION BY HASH (id) PARTITIONS 4",
		"INSERT INTO types.parts VALUES (1,'a'),(2,'b'),(3,'c')",
	},
	"empty": {"CREATE TABLE types.empty (id INT PRIMARY KEY)"},
}

// MakeTypeTables makes the schema types: tables of every type that the flavor has,
// odd names, generated columns, foreign keys in a circle, partitions, sequences.
func MakeTypeTables(t *testing.T, flavor servertest.Flavor, s *servertest.Instance) {
	t.Helper()
	s.Exec("CREATE DATABASE types CHARACTER SET utf8mb4")
	for _, statements := range typeTables {
		s.Exec(append([]string{"SET NAMES utf8mb4"}, append(statements, "SET sql_mode = DEFAULT, time_zone = DEFAULT, foreign_key_checks = 1")...)...)
	}
	if flavor == servertest.MariaDB {
		s.Exec("CREATE TABLE types.maria (id UUID PRIMARY KEY, a INET6, b INET4)",
			"INSERT INTO types.maria VALUES (UUID(), '::1', '127.0.0.1'), ('00000000-0000-0000-0000-000000000000', 'fe80::ffff', '0.0.0.0'), (UUID(), NULL, NULL)",
			"CREATE SEQUENCE types.seq START WITH 100 INCREMENT BY 5 CACHE 10 CYCLE", "DO NEXT VALUE FOR types.seq")
		return
	}
	s.Exec("CREATE TABLE types.vectors (id INT PRIMARY KEY, v VECTOR(3))", "INSERT INTO types.vectors VALUES (1, TO_VECTOR('[1,2.5,-0.1]')), (2, NULL)",
		"CREATE TABLE types.functional (id INT PRIMARY KEY, a VARCHAR(10), KEY ((UPPER(a))))", "INSERT INTO types.functional VALUES (1, 'x')")
}
