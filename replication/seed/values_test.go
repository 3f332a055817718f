package seed

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/verify"
	"github.com/dcmigrate/migrate/report"
)

// oddValues are tables that the servers hold and would not take anew as they are, and
// values that a text does not tell. @ is the table.
type oddValues struct {
	name    string
	only    servertest.Flavor // "": both
	before  []string          // in one session of the source: makes the table and its rows
	during  []string          // while the table is copied
	linked  []string          // while the link runs
	damage  []string          // on the fenced target, out of its binlog; none: the table is not damaged
	left    string            // why a repair leaves the damage
	damaged int               // how many rows are, where it is said
	values  string            // a query that tells more than the values themselves
}

const typesOfJSON = `SELECT id, (SELECT GROUP_CONCAT(JSON_TYPE(v) ORDER BY o) FROM JSON_TABLE(j, '$**.*' COLUMNS (v JSON PATH '$', o FOR ORDINALITY)) x),
	(SELECT GROUP_CONCAT(JSON_TYPE(v) ORDER BY o) FROM JSON_TABLE(j, '$**[*]' COLUMNS (v JSON PATH '$', o FOR ORDINALITY)) x), JSON_TYPE(j) FROM @ ORDER BY id`

// wide is a list of columns that together may become wider than a page allows.
func wide(columns int) string {
	var out []string
	for i := range columns {
		out = append(out, fmt.Sprintf("c%d CHAR(60) CHARACTER SET latin1", i))
	}
	return strings.Join(out, ", ")
}

var oddValueTables = []oddValues{
	{
		name: "rows that break a CHECK", only: servertest.MariaDB,
		before: []string{
			"SET check_constraint_checks = 0", "CREATE TABLE @ (id INT PRIMARY KEY, a INT CHECK (a > 0), b INT, j JSON, CONSTRAINT ab CHECK (a < b))",
			"INSERT INTO @ VALUES (1, -1, -2, 'no json'), (2, 5, 6, '{}'), (3, 0, 0, NULL), (4, 7, 1, '[')",
		},
		during: []string{"SET check_constraint_checks = 0", "INSERT INTO @ VALUES (5, -1, -2, 'nor this')", "UPDATE @ SET a = -5, j = '' WHERE id = 2", "DELETE FROM @ WHERE id = 3"},
		linked: []string{"SET check_constraint_checks = 0", "INSERT INTO @ VALUES (6, -1, -2, '')", "UPDATE @ SET b = -9 WHERE id = 1"},
		damage: []string{"SET check_constraint_checks = 0", "UPDATE @ SET j = '{}' WHERE id = 1", "DELETE FROM @ WHERE id = 5"},
	},
	{
		name: "rows that break a CHECK, without a key", only: servertest.MariaDB,
		before: []string{"SET check_constraint_checks = 0", "CREATE TABLE @ (a INT CHECK (a > 0), j JSON)", "INSERT INTO @ VALUES (-1, 'no json'), (-1, 'no json')"},
	},
	{
		name: "rows that came past a CHECK", only: servertest.MySQL,
		before: []string{"CREATE TABLE @ (id INT PRIMARY KEY, a INT, CHECK (a > 0) NOT ENFORCED)", "INSERT INTO @ VALUES (1, -1), (2, 1)"},
		during: []string{"INSERT INTO @ VALUES (3, -3)"}, linked: []string{"UPDATE @ SET a = -4 WHERE id = 2"}, damage: []string{"UPDATE @ SET a = 5"},
	},
	{
		name: "a row format that InnoDB ignores",
		before: []string{
			"SET SESSION innodb_strict_mode = 0", "CREATE TABLE @ (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(20), b VARCHAR(20), UNIQUE (a)) ROW_FORMAT=FIXED",
			"INSERT INTO @ VALUES (1, 'a', 'b'), (7, 'c', 'd')", "DELETE FROM @ WHERE id = 7",
		},
		during: []string{"INSERT INTO @ VALUES (3, 'x', 'y')"}, linked: []string{"SET SESSION innodb_strict_mode = 0", "ALTER TABLE @ ADD c INT", "INSERT INTO @ VALUES (4, 'z', 'y', 1)"}, damage: []string{"DELETE FROM @"},
	},
	{
		name:   "a block size that InnoDB ignores",
		before: []string{"SET SESSION innodb_strict_mode = 0", "CREATE TABLE @ (id INT PRIMARY KEY, a VARCHAR(20), KEY (a)) KEY_BLOCK_SIZE=5", "INSERT INTO @ VALUES (1, 'a')"},
		damage: []string{"DELETE FROM @"},
	},
	{
		name: "rows that may become too wide",
		before: []string{
			"SET SESSION innodb_strict_mode = 0", "CREATE TABLE @ (id INT PRIMARY KEY, " + wide(140) + ") ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8",
			"INSERT INTO @ (id, c1) VALUES (1, 'x'), (2, 'y')",
		},
		during: []string{"UPDATE @ SET c1 = 'z' WHERE id = 2"}, damage: []string{"DELETE FROM @ WHERE id = 1"},
	},
	{
		name:   "such tables, made while tables are copied",
		before: []string{"CREATE TABLE @ (id INT PRIMARY KEY)"},
		during: []string{
			"SET SESSION innodb_strict_mode = 0", "DROP TABLE @", "CREATE TABLE @ (id INT PRIMARY KEY, a VARCHAR(20)) ROW_FORMAT=FIXED", "INSERT INTO @ VALUES (1, 'x')",
			"CREATE TABLE @2 (id INT PRIMARY KEY, " + wide(160) + ")", "INSERT INTO @2 (id) VALUES (1)",
		},
	},
	{
		name:   "such tables, made by the link",
		before: []string{"CREATE TABLE @ (id INT PRIMARY KEY)"},
		linked: []string{
			"SET SESSION innodb_strict_mode = 0", "CREATE TABLE @2 (id INT PRIMARY KEY, a VARCHAR(20)) ROW_FORMAT=FIXED", "INSERT INTO @2 VALUES (1, 'x')",
			"CREATE TABLE @3 (id INT PRIMARY KEY) KEY_BLOCK_SIZE=5", "INSERT INTO @3 VALUES (1)", "CREATE TABLE @4 (id INT PRIMARY KEY, " + wide(160) + ")", "INSERT INTO @4 (id) VALUES (1)",
		},
	},
	{
		name: "generated columns that warn",
		before: []string{
			"SET sql_mode = ''", "CREATE TABLE @ (id INT PRIMARY KEY, s VARCHAR(20), n INT, v DECIMAL(10,2) AS (CAST(s AS DECIMAL(10,2))), w VARCHAR(3) AS (s), x TINYINT AS (s * 1000) STORED, y DECIMAL(10,2) AS (CAST(s AS DECIMAL(10,2))) STORED," +
				" d DATE AS (CAST(s AS DATE)) STORED, z INT AS (10 / n) STORED, KEY (v), KEY (w), UNIQUE KEY u (x, id))",
			"INSERT INTO @ (id, s, n) VALUES (1, 'n/a', 0), (2, 'abcdef', 1), (3, '5', 2), (4, '', NULL)",
		},
		during: []string{"SET sql_mode = ''", "INSERT INTO @ (id, s, n) VALUES (5, 'no number', 0)", "UPDATE @ SET s = 'none either' WHERE id = 1"},
		linked: []string{"SET sql_mode = ''", "INSERT INTO @ (id, s, n) VALUES (6, 'nor this', 0)"},
		damage: []string{"SET sql_mode = ''", "UPDATE @ SET s = 'other' WHERE id = 2", "DELETE FROM @ WHERE id = 1"},
	},
	{
		name: "functional keys that warn", only: servertest.MySQL,
		before: []string{
			"SET sql_mode = ''", "CREATE TABLE @ (id INT PRIMARY KEY, s VARCHAR(20), KEY k1 ((CAST(s AS DECIMAL(10,2)))), KEY k2 ((CAST(s AS CHAR(3)))), UNIQUE KEY k3 ((CAST(s AS DATE)), id), CHECK (CAST(s AS SIGNED) >= 0))",
			"INSERT INTO @ VALUES (1, 'n/a'), (2, 'abcdef')",
		},
		during: []string{"SET sql_mode = ''", "INSERT INTO @ VALUES (3, 'no number')"}, linked: []string{"SET sql_mode = ''", "INSERT INTO @ VALUES (4, 'nor this')"},
		damage: []string{"UPDATE @ SET s = 'xyz'"},
	},
	{
		name: "differences of unsigned numbers", only: servertest.MySQL,
		before: []string{
			"SET sql_mode = 'NO_UNSIGNED_SUBTRACTION'", "CREATE TABLE @ (id INT PRIMARY KEY, a INT UNSIGNED, b INT UNSIGNED, v INT AS (a - b) STORED, w INT AS (a - b), KEY (w), KEY f ((a - b)), CHECK (a - b < 10))",
			"INSERT INTO @ (id, a, b) VALUES (1, 1, 2), (2, 0, 4294967295), (3, 9, 1)",
		},
		during: []string{"SET sql_mode = 'NO_UNSIGNED_SUBTRACTION'", "INSERT INTO @ (id, a, b) VALUES (4, 1, 9)"}, damage: []string{"UPDATE @ SET a = 3, b = 1 WHERE id = 1"},
	},
	{
		name: "a virtual difference of unsigned numbers", only: servertest.MariaDB,
		before: []string{
			"SET sql_mode = 'NO_UNSIGNED_SUBTRACTION'", "CREATE TABLE @ (id INT PRIMARY KEY, a INT UNSIGNED, b INT UNSIGNED, w INT AS (a - b) VIRTUAL, CHECK (a - b < 10))",
			"INSERT INTO @ (id, a, b) VALUES (1, 1, 2), (3, 9, 1)",
		},
		during: []string{"SET sql_mode = 'NO_UNSIGNED_SUBTRACTION'", "INSERT INTO @ (id, a, b) VALUES (4, 1, 9)"}, damage: []string{"UPDATE @ SET a = 3, b = 1 WHERE id = 1"},
	},
	{
		name: "expressions of other modes",
		before: []string{
			"SET sql_mode = 'PIPES_AS_CONCAT,HIGH_NOT_PRECEDENCE,ANSI_QUOTES,IGNORE_SPACE,REAL_AS_FLOAT,NO_BACKSLASH_ESCAPES'",
			`CREATE TABLE @ (id INT PRIMARY KEY, a VARCHAR(9), n INT, r REAL, c VARCHAR(20) AS (a || 'x') STORED, d VARCHAR(20) AS ("a" || '\') VIRTUAL, e INT AS (NOT n BETWEEN -5 AND 5) STORED, KEY (c), KEY (d), CHECK (a || '' <> 'q'))`,
			`INSERT INTO @ (id, a, n, r) VALUES (1, 'ab\', 3, 1.5), (2, '', 0, 0.1)`,
		},
		during: []string{"UPDATE @ SET a = 'new' WHERE id = 2"}, damage: []string{"UPDATE @ SET a = 'bad' WHERE id = 1"},
	},
	{
		name: "the types within JSON", only: servertest.MySQL, values: typesOfJSON,
		before: []string{
			"SET NAMES utf8mb4, time_zone = '+05:30', sql_mode = ''",
			"CREATE TABLE @ (id INT PRIMARY KEY, j JSON, k JSON, t VARCHAR(20) AS (j->>'$.d') STORED, KEY (t))",
			"CREATE TEMPORARY TABLE app.s (d DATE, dt DATETIME(3), ts TIMESTAMP(6) NULL, tm TIME(2), de DECIMAL(40,10), u BIGINT UNSIGNED, i BIGINT, f FLOAT, g DOUBLE, bt BIT(9), b1 TINYBLOB, b2 BLOB, b3 MEDIUMBLOB, b4 LONGBLOB, bi BINARY(4), vb VARBINARY(10), y YEAR, e ENUM('a','b'), st SET('x','y'), ge GEOMETRY)",
			"INSERT INTO app.s VALUES ('2020-01-02', '2020-01-02 03:04:05.678', '2020-01-02 03:04:05.678901', '-10:11:12.13', 1.5, 5, 5000000000, 0.1, 0.1, b'101010101', x'00ff', x'00ff', x'00ff', x'00ff', x'00ff', x'00ff', 2020, 'b', 'x,y', ST_GeomFromText('POINT(1 2)'))",
			"INSERT INTO @ (id, j, k) SELECT 1, JSON_OBJECT('d', d, 'dt', dt, 'ts', ts, 'tm', tm, 'de', de, 'u', u, 'i', i, 'f', f, 'g', g, 'bt', bt, 'b1', b1, 'b2', b2, 'b3', b3, 'b4', b4, 'bi', bi, 'vb', vb, 'y', y, 'e', e, 'st', st, 'ge', ge, 'in', JSON_ARRAY(d, de, JSON_OBJECT('u', u, 'null', NULL))), JSON_ARRAY(d) FROM app.s",
			"INSERT INTO @ (id, j) SELECT 2, JSON_ARRAY(1.5, 123456789012345678901234567890, 1.50, 1e0, -0e0, 1, -0.5, 0.000000000000000000000000000001, CAST(1 AS UNSIGNED), 18446744073709551615, 9223372036854775807, -9223372036854775808, TRUE, NULL, '2020-01-02', CAST(5 AS DECIMAL(5,0)), 99999999999999999999999999999999999999999999999999999999999999999) FROM app.s",
			"INSERT INTO @ (id, j) VALUES (3, CAST(DATE'2020-01-02' AS JSON)), (4, CAST(1.5 AS JSON)), (5, 'null'), (6, NULL), (7, CAST(x'' AS JSON)), (8, '{}'), (9, '\"2020-01-02\"'), (10, CAST(CAST(7 AS UNSIGNED) AS JSON)), (11, CAST(5000000000 AS JSON)), (12, '5000000000')",
			`INSERT INTO @ (id, j) VALUES (13, JSON_OBJECT('', DATE'2020-01-02', 'a b', 1.5, 'a"b', 1.5, 'a\\b', 1.5, 'a''b', 1.5, '$.x[0]', 1.5, 'ü€😀', 1.5, '\n', 1.5, 'a.b', JSON_ARRAY(JSON_ARRAY(), JSON_OBJECT(), JSON_ARRAY(1.5, JSON_OBJECT('x', TIME'10:00:00'))), '**', 1.5))`,
			"INSERT INTO @ (id, j) VALUES (14, JSON_ARRAY(CAST('0000-00-00' AS DATE), CAST('2020-02-00' AS DATE), CAST('0000-00-00' AS DATETIME(6)), CAST('-838:59:59' AS TIME(6)), CAST('00:00:00.000001' AS TIME(6))))",
			"INSERT INTO @ (id, j) SELECT 15, JSON_OBJECT('b', b4, 'x', REPEAT('long', 100000)) FROM (SELECT REPEAT(x'00ff27', 30000) AS b4) b",
			"INSERT INTO @ (id, j) WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 900) SELECT 16, JSON_ARRAYAGG(n * 1.5) FROM n",
			"INSERT INTO @ (id, j) WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 900) SELECT 17, JSON_ARRAYAGG(RAND(n) * POW(10, n % 300 - 150)) FROM n",
			"INSERT INTO @ (id, j) WITH RECURSIVE n (n, j) AS (SELECT 1, JSON_ARRAY(1.5) UNION ALL SELECT n + 1, JSON_ARRAY(j) FROM n WHERE n < 98) SELECT 18, j FROM n WHERE n = 98",
			"INSERT INTO @ (id, j) SELECT 20 + n, JSON_OBJECT('n', n, 'd', d) FROM app.s, JSON_TABLE('[1,2,3,4,5,6]', '$[*]' COLUMNS (n INT PATH '$')) x",
		},
		during: []string{"UPDATE @ SET j = JSON_SET(j, '$.d', DATE'2021-01-01') WHERE id = 1", "INSERT INTO @ (id, j) VALUES (50, JSON_ARRAY(1.5, x'ff'))", "DELETE FROM @ WHERE id = 8"},
		linked: []string{"INSERT INTO @ (id, j) VALUES (52, JSON_ARRAY(x'', UUID_TO_BIN(UUID()), CAST(x'00' AS BINARY(4)), _binary'ab')), (51, JSON_ARRAY(1.5, x'ff', DATE'2020-01-01'))"},
		damage: []string{
			"REPLACE INTO @ (id, j) SELECT * FROM (SELECT id, CAST(CAST(j AS CHAR CHARACTER SET utf8mb4) AS JSON) FROM @ WHERE id IN (2, 3, 7, 10, 11, 13, 14, 15, 16, 18)) x", "UPDATE @ SET k = CAST(CAST(k AS CHAR) AS JSON) WHERE id = 1",
			"UPDATE @ SET j = JSON_SET(j, '$.d', '2020-01-02') WHERE id = 21", "DELETE FROM @ WHERE id IN (22, 50, 52)",
		},
		damaged: 15,
	},
	{
		name: "JSON in columns of every kind", only: servertest.MySQL,
		before: []string{
			"SET sql_mode = ''", "CREATE TABLE @ (id INT PRIMARY KEY, m JSON, e JSON NOT NULL, member JSON AS (JSON_ARRAY(m, DATE'2020-01-01')) STORED, element JSON DEFAULT (JSON_ARRAY(1.5)), KEY mv ((CAST(m->'$.a' AS UNSIGNED ARRAY))), KEY (id, (CAST(e->>'$.d' AS DATE))))",
			"INSERT INTO @ (id, m, e) VALUES (1, JSON_OBJECT('a', JSON_ARRAY(CAST(1 AS UNSIGNED), 2)), JSON_OBJECT('d', DATE'2020-01-02')), (2, 'null', '{\"d\": \"no date\"}'), (3, NULL, '1')",
		},
		during: []string{"UPDATE @ SET m = JSON_SET(m, '$.a[0]', CAST(9 AS UNSIGNED)) WHERE id = 1"}, damaged: 2,
		damage: []string{"REPLACE INTO @ (id, m, e, element) SELECT * FROM (SELECT id, CAST(CAST(m AS CHAR) AS JSON), e, element FROM @ WHERE id = 1) x", "UPDATE @ SET element = '[1.6]' WHERE id = 2"},
		values: "SELECT id, JSON_TYPE(m->'$.a[0]'), JSON_TYPE(e->'$.d'), JSON_TYPE(member->'$[1]'), JSON_TYPE(element->'$[0]') FROM @ ORDER BY id",
	},
	{
		name: "types within JSON, without a key", only: servertest.MySQL,
		before: []string{"CREATE TABLE @ (id INT, j JSON)", "INSERT INTO @ VALUES (1, JSON_ARRAY(1.5, DATE'2020-01-02')), (1, JSON_ARRAY(1.5, DATE'2020-01-02'))"}, values: typesOfJSON,
	},
	{
		name: "a primary key that the server hides", only: servertest.MySQL, values: "SELECT my_row_id, a FROM @ ORDER BY 1",
		before: []string{"SET sql_generate_invisible_primary_key = 1", "CREATE TABLE @ (a INT)", "INSERT INTO @ VALUES (1), (1), (2)", "DELETE FROM @ WHERE my_row_id = 2"},
		during: []string{"INSERT INTO @ VALUES (5)", "UPDATE @ SET a = 7 WHERE my_row_id = 1"}, linked: []string{"INSERT INTO @ VALUES (6)"}, damage: []string{"UPDATE @ SET a = 0 WHERE my_row_id = 1", "UPDATE @ SET my_row_id = 9 WHERE my_row_id = 3"},
	},
	{
		name: "what is computed from times",
		before: []string{
			"SET sql_mode = ''", "CREATE TABLE @ (id INT PRIMARY KEY, ts TIMESTAMP(3) NULL, s DATE AS (CAST(ts AS DATE)) STORED, v DATE AS (CAST(ts AS DATE)) VIRTUAL, u INT, KEY (v), UNIQUE (s, id))",
			"INSERT INTO @ (id, ts) VALUES (1, '2020-01-02 01:00:00'), (2, '2020-01-02 12:00:00.125'), (3, NULL), (4, '0000-00-00')",
		},
		during: []string{"INSERT INTO @ (id, ts) VALUES (5, '2020-02-01 01:00:00')", "UPDATE @ SET ts = '2020-03-01 01:00:00' WHERE id = 2"}, linked: []string{"INSERT INTO @ (id, ts) VALUES (6, '2020-04-01 01:00:00')"},
		damage: []string{"SET sql_mode = '', time_zone = '+05:30'", "UPDATE @ SET ts = '2021-01-01 01:00:00.5' WHERE id = 1", "DELETE FROM @ WHERE id > 1"},
		values: "SELECT id, v FROM @ FORCE INDEX (v) WHERE v > '2000-01-01' ORDER BY id",
	},
	{
		name: "dates that are computed from what is none",
		before: []string{
			"SET sql_mode = 'NO_UNSIGNED_SUBTRACTION'", "CREATE TABLE @ (id INT PRIMARY KEY, s VARCHAR(20), v DATE AS (CAST(s AS DATE)) VIRTUAL, w DATE AS (CAST(s AS DATE)) STORED, KEY (v), KEY (w))",
			"INSERT INTO @ (id, s) VALUES (1, '2020-02-31'), (2, '2020-00-00'), (3, '0000-00-00'), (4, 'none'), (5, '2020-01-01')",
		},
		during: []string{"SET sql_mode = 'NO_UNSIGNED_SUBTRACTION'", "INSERT INTO @ (id, s) VALUES (6, '2020-06-31')"}, linked: []string{"SET sql_mode = 'NO_UNSIGNED_SUBTRACTION'", "UPDATE @ SET s = '2020-04-31' WHERE id = 1", "DELETE FROM @ WHERE id = 6"},
		damage: []string{"SET sql_mode = 'NO_UNSIGNED_SUBTRACTION'", "UPDATE @ SET s = '2020-02-32' WHERE id = 1", "DELETE FROM @ WHERE id = 4"},
		values: "SELECT id, v FROM @ FORCE INDEX (v) WHERE v > '1000-01-01' ORDER BY id",
	},
	{
		name: "values of another time",
		before: []string{
			"SET sql_mode = 'ALLOW_INVALID_DATES', NAMES utf8mb4, time_zone = '+00:00'",
			"CREATE TABLE @ (id INT PRIMARY KEY, d DATE NOT NULL DEFAULT '0000-00-00', d2 DATE, t TIMESTAMP NOT NULL DEFAULT '0000-00-00 00:00:00', y YEAR, e ENUM('a','b') NOT NULL, s SET('x','y'), tm TIME(6), f FLOAT, g DOUBLE, n VARCHAR(9) NOT NULL, u VARCHAR(9))",
			"INSERT IGNORE INTO @ (id, n) VALUES (1, NULL)", "SET sql_mode = ''", "INSERT IGNORE INTO @ VALUES (2, '0000-00-00', '2020-00-00', '0000-00-00', 0, 'none', 'x,none', '900:00:00', -0e0, -0e0, 'x  ', 'y  ')",
			"SET sql_mode = 'ALLOW_INVALID_DATES'", "INSERT INTO @ VALUES (3, '2020-02-31', '2020-04-31', '1970-01-01 00:00:01', 2155, 'b', '', '-838:59:59', 1e-45, 4.9e-324, '', '')",
		},
		during: []string{"SET sql_mode = 'ALLOW_INVALID_DATES'", "UPDATE @ SET d = '2020-02-30' WHERE id = 1"}, damage: []string{"SET sql_mode = 'ALLOW_INVALID_DATES'", "UPDATE @ SET d = '2020-02-29' WHERE id = 1", "UPDATE @ SET e = 'a'"},
	},
	{
		name: "a zero in a counter, and unseen columns",
		before: []string{
			"SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'", "CREATE TABLE @ (id INT AUTO_INCREMENT PRIMARY KEY, h INT INVISIBLE DEFAULT 5, u VARCHAR(40) DEFAULT (UUID()), x INT DEFAULT (1 + 1)) AUTO_INCREMENT = 50",
			"INSERT INTO @ (id, h) VALUES (0, 1), (-1, 2), (1, 3)",
		},
		during: []string{"UPDATE @ SET h = 9 WHERE id = 0"}, damage: []string{"DELETE FROM @ WHERE id <= 0"},
	},
	{
		name: "references to rows that are missing",
		before: []string{
			"SET foreign_key_checks = 0", "CREATE TABLE @p (id INT PRIMARY KEY)", "CREATE TABLE @ (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES @p (id))", "INSERT INTO @ VALUES (1, 99), (2, NULL)",
		},
		during: []string{"SET foreign_key_checks = 0", "INSERT INTO @ VALUES (3, 98)"}, damage: []string{"SET foreign_key_checks = 0", "DELETE FROM @ WHERE id = 1"},
	},
	{
		name: "bytes that are no UTF-8",
		before: []string{
			"CREATE TABLE @ (id INT PRIMARY KEY, a VARCHAR(20) CHARACTER SET utf8mb4, b TEXT CHARACTER SET latin1, c CHAR(5) CHARACTER SET ucs2, d VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, KEY (a(3)), UNIQUE (d(2)))",
			"INSERT INTO @ VALUES (1, CONVERT(x'c3bc' USING utf8mb4), x'81fe', x'd800', x'f09f9880'), (2, '', x'00', x'0041', 'a ')",
		},
		damage: []string{"UPDATE @ SET b = x'81ff' WHERE id = 1"},
	},
	{
		name: "a history of rows", only: servertest.MariaDB, values: "SELECT id, n, row_start, row_end FROM @ FOR SYSTEM_TIME ALL ORDER BY 1, 3, 4",
		before: []string{
			"CREATE TABLE @ (id INT PRIMARY KEY, n INT CHECK (n > 0), KEY (n)) WITH SYSTEM VERSIONING", "SET check_constraint_checks = 0", "INSERT INTO @ VALUES (1, -1), (2, 2)", "UPDATE @ SET n = -5", "DELETE FROM @ WHERE id = 2",
		},
		during: []string{"SET check_constraint_checks = 0", "UPDATE @ SET n = -6"}, linked: []string{"SET check_constraint_checks = 0", "UPDATE @ SET n = -7", "INSERT INTO @ VALUES (9, 9)", "DELETE FROM @ WHERE id = 9"},
		damage: []string{"SET check_constraint_checks = 0, system_versioning_insert_history = 1", "INSERT INTO @ (id, n, row_start, row_end) VALUES (1, 5, '2001-01-01', '2002-01-01')"}, left: "history",
	},
	{
		name: "a column without a history, and a period", only: servertest.MariaDB,
		before: []string{
			"CREATE TABLE @ (id INT, a INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, n INT WITHOUT SYSTEM VERSIONING, PERIOD FOR SYSTEM_TIME (s, e), PRIMARY KEY (id)) WITH SYSTEM VERSIONING",
			"INSERT INTO @ (id, a, n) VALUES (1, 1, 1)", "UPDATE @ SET n = 2", "UPDATE @ SET a = 2",
			"CREATE TABLE @2 (id INT, f DATE, t DATE, PERIOD FOR p (f, t), UNIQUE (id, p WITHOUT OVERLAPS))", "INSERT INTO @2 VALUES (1, '2020-01-01', '2020-02-01'), (1, '2020-02-01', '2020-03-01')",
		},
		during: []string{"UPDATE @2 SET id = 2 WHERE f = '2020-01-01'"},
	},
	{
		name: "texts that are stored compressed", only: servertest.MariaDB,
		before: []string{"CREATE TABLE @ (id UUID PRIMARY KEY, t TEXT COMPRESSED, i INET6, v VARCHAR(500) COMPRESSED)", "INSERT INTO @ VALUES ('123e4567-e89b-12d3-a456-426655440000', REPEAT('x', 5000), '::', REPEAT('y ', 200))"},
		damage: []string{"UPDATE @ SET t = 'y'"},
	},
	{
		name:   "shapes with a system, and values that only NULL replaces",
		before: []string{"CREATE TABLE @ (id INT PRIMARY KEY, g GEOMETRY NOT NULL, b BIT(7) NOT NULL DEFAULT b'101', t TEXT NOT NULL)", "INSERT INTO @ VALUES (1, ST_GeomFromText('POINT(1 2)', 4326), b'0', '')"},
		damage: []string{"UPDATE @ SET b = b'1'"},
	},
}

// TestSeedKeepsValuesAsTheyAre copies each table, changes it meanwhile, lets the link change
// it, compares it by the servers' own means, and has verify find and mend what was changed
// on the target.
func TestSeedKeepsValuesAsTheyAre(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		// The sessions of the test read with the mode; migrate's have their own.
		options := []servertest.Option{servertest.Set("default_time_zone", "+05:30"), servertest.Set("sql_mode", "NO_UNSIGNED_SUBTRACTION")}
		if flavor == servertest.MySQL {
			options = append(options, servertest.Set("show_gipk_in_create_table_and_information_schema", "OFF"))
		}
		pair, source, target := replicationtest.Start(t, flavor, options...)
		replicationtest.MakeLoadSchema(source)
		replicationtest.MakeBigTable(source)
		source.Exec("CREATE DATABASE app CHARACTER SET utf8mb4")
		var cases []oddValues
		for i, c := range oddValueTables {
			if c.only == "" || c.only == flavor {
				cases = append(cases, c.named(fmt.Sprintf("app.t%02d", i)))
			}
		}
		each := func(do func(oddValues) []string) {
			for _, c := range cases {
				if list := do(c); len(list) > 0 {
					source.Exec(list...)
				}
			}
		}
		each(func(c oddValues) []string { return c.before })
		finish := startHeld(t, pair, source)
		each(func(c oddValues) []string { return c.during })
		require.NoError(t, finish())
		requireSameBytes(t, "app", source, target)
		requireSameOddValues(t, cases, source, target)

		require.NoError(t, replicationtest.Apply(t, link.Start(pair.Source, pair.Target)))
		each(func(c oddValues) []string { return c.linked })
		replicationtest.Settle(t, pair.Source, pair.Target)
		requireSameBytes(t, "app", source, target)
		requireSameOddValues(t, cases, source, target)
		require.NoError(t, fence.Set(pair.Target, fence.Options{}).Op.Apply(t.Context()))
		requireClean(t, pair)

		for _, c := range cases {
			require.NoError(t, account.AsAdmin(t.Context(), pair.Target, []string{dialect.Unlogged}, func(ctx context.Context, s *replication.Session) error {
				for _, statement := range c.damage {
					_, err := s.ExecContext(ctx, statement)
					require.NoError(t, err, statement)
				}
				return nil
			}))
		}
		repaired, err := verify.Repair(t.Context(), pair, verify.RepairOptions{})
		require.NoError(t, err)
		for _, c := range cases {
			t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
				found, left := c.differences(repaired.Before.Differences), c.differences(repaired.Left)
				require.Equal(t, len(c.damage) > 0, len(found) > 0, "the damage is found: %v", found)
				if c.damaged > 0 {
					require.Len(t, found, c.damaged)
				}
				if c.left != "" {
					require.NotEmpty(t, left)
					require.Contains(t, left[0].What, c.left)
					return
				}
				require.Empty(t, left)
				require.Empty(t, c.differences(repaired.After.Differences))
				requireSameOddValues(t, []oddValues{c}, source, target)
			})
		}
	})
}

// differences are those of the case's table.
func (c oddValues) differences(all []verify.Difference) []verify.Difference {
	return slices.DeleteFunc(slices.Clone(all), func(d verify.Difference) bool { return d.Object != c.table() })
}

// named is the case with a table's name in its statements.
func (c oddValues) named(name string) oddValues {
	all := []*[]string{&c.before, &c.during, &c.linked, &c.damage}
	for _, list := range all {
		*list = slices.Clone(*list)
		for i := range *list {
			(*list)[i] = strings.ReplaceAll((*list)[i], "@", name)
		}
	}
	c.values = strings.ReplaceAll(c.values, "@", name)
	c.name = name + " " + c.name
	return c
}

func (c oddValues) table() string {
	name, _, _ := strings.Cut(c.name, " ")
	return name
}

func requireClean(t *testing.T, pair replication.Pair) {
	t.Helper()
	report, err := verify.Run(t.Context(), pair, verify.Options{})
	require.NoError(t, err)
	require.Empty(t, report.Differences)
}

// requireSameOddValues compares definitions, values, and what a case tells besides.
func requireSameOddValues(t *testing.T, cases []oddValues, source, target *servertest.Instance) {
	t.Helper()
	for _, c := range cases {
		want, got := replicationtest.Rows(t, source.Root(), "SELECT * FROM "+c.table()), replicationtest.Rows(t, target.Root(), "SELECT * FROM "+c.table())
		slices.Sort(want)
		slices.Sort(got)
		require.Equal(t, want, got, c.name)
		if c.values != "" {
			require.Equal(t, replicationtest.Rows(t, source.Root(), c.values), replicationtest.Rows(t, target.Root(), c.values), c.name)
		}
		if slices.ContainsFunc(append(slices.Clone(c.before), c.during...), hasNoChecksum) {
			continue
		}
		r, ok, err := query.One(t.Context(), source.Root(), "CHECKSUM TABLE "+c.table())
		require.NoError(t, err)
		require.True(t, ok)
		there, _, err := query.One(t.Context(), target.Root(), "CHECKSUM TABLE "+c.table())
		require.NoError(t, err)
		require.Equal(t, r["Checksum"], there["Checksum"], c.name)
	}
}

// hasNoChecksum reports whether a statement makes a table whose CHECKSUM TABLE tells nothing.
// MySQL prints ROW_FORMAT=FIXED as DYNAMIC, and its checksum depends on which was asked for;
// that of a table with generated columns depends on what was read before.
func hasNoChecksum(statement string) bool {
	return strings.Contains(statement, "innodb_strict_mode") || strings.Contains(statement, " AS (")
}

// TestSeedNamesWhatMySQLCannotTake proves that a row that breaks an enforced CHECK ends the
// seed with its table and the fix: MySQL checks every write.
func TestSeedNamesWhatMySQLCannotTake(t *testing.T) {
	pair, source, target := replicationtest.Start(t, servertest.MySQL)
	source.Exec("CREATE DATABASE app", "CREATE TABLE app.parts (id INT PRIMARY KEY, d DATE, n VARCHAR(20), CONSTRAINT day CHECK (n = DAYNAME(d)))",
		"SET lc_time_names = 'de_DE'", "FLUSH LOCAL TABLES app.parts", "INSERT INTO app.parts VALUES (1, '2024-01-01', 'Montag')")
	err := Step(pair).Op.Apply(t.Context())
	require.ErrorContains(t, err, "app.parts")
	replicationtest.RequireHint(t, err, "ALTER TABLE app.parts ALTER CHECK", "NOT ENFORCED")
	source.Exec("ALTER TABLE app.parts ALTER CHECK day NOT ENFORCED")
	require.NoError(t, Step(pair).Op.Apply(t.Context()))
	require.Equal(t, "Montag", target.Value("SELECT n FROM app.parts WHERE id = 1"))
}

// TestSeedGoesOnAfterItRecomputed ends a seed right after it has computed columns as the
// source does. The next attempt must not delete rows from an index that was computed with
// other settings than its own: MySQL ends itself.
func TestSeedGoesOnAfterItRecomputed(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor, servertest.Set("default_time_zone", "+05:30"))
		source.Exec("CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, ts TIMESTAMP NULL, v DATE AS (CAST(ts AS DATE)) VIRTUAL, s DATE AS (CAST(ts AS DATE)) STORED, KEY (v))",
			"INSERT INTO app.t (id, ts) VALUES (1, '2020-01-02 01:00:00'), (2, '2020-02-02 01:00:00'), (3, '2020-03-02 01:00:00')")
		ctx, cancel := context.WithCancel(t.Context())
		err := Step(pair).Op.Apply(report.WithNotes(ctx, func(text string) {
			if strings.Contains(text, "was rebuilt") {
				cancel()
			}
		}))
		require.ErrorIs(t, err, context.Canceled)
		source.Exec("DELETE FROM app.t WHERE id = 1", "UPDATE app.t SET ts = '2021-02-02 01:00:00' WHERE id = 2", "INSERT INTO app.t (id, ts) VALUES (4, '2020-04-02 01:00:00')")
		require.NoError(t, Step(pair).Op.Apply(t.Context()))
		for _, statement := range []string{"SELECT * FROM app.t ORDER BY id", "SELECT id, v FROM app.t FORCE INDEX (v) WHERE v > '2000-01-01' ORDER BY id"} {
			require.Equal(t, replicationtest.Rows(t, source.Root(), statement), replicationtest.Rows(t, target.Root(), statement))
		}
		require.Equal(t, "OK", target.Value("SELECT 'OK' FROM app.t WHERE id = 4 AND s = '2020-04-02'"))
		require.NotContains(t, replicationtest.ReadFile(t, target.ErrorLog), "was not found", "each row that was deleted was found in the index")
	})
}
