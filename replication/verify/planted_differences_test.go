package verify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/servertest"
)

// plantedDifference is a difference that is as small as its type allows.
type plantedDifference struct {
	name   string
	only   servertest.Flavor // "": both
	table  string            // its columns and keys
	rows   string            // of an INSERT
	damage []string          // on the target; @ is the table
	want   string            // the difference, less the table
}

var plantedDifferences = []plantedDifference{
	{name: "one flipped bit", table: "id INT PRIMARY KEY, b VARBINARY(100)", rows: "(1, REPEAT(x'00', 99)), (2, 'x')", damage: []string{"UPDATE @ SET b = CONCAT(REPEAT(x'00', 49), x'01', REPEAT(x'00', 49)) WHERE id = 1"}, want: " key 1: differs"},
	{name: "two rows' values swapped", table: "id INT PRIMARY KEY, a INT, b VARCHAR(10)", rows: "(1, 1, 'one'), (2, 2, 'two'), (3, 3, 'six')", damage: []string{"UPDATE @ SET b = ELT(id, 'two', 'one', 'six')"}, want: " key 1: differs| key 2: differs"},
	{name: "the same change of an even number of rows", table: "id INT PRIMARY KEY, a INT, b BINARY(3)", rows: "(1, 7, 'abc'), (2, 7, 'abc'), (3, 7, 'abc'), (4, 7, 'abc')", damage: []string{"UPDATE @ SET a = 6", "UPDATE @ SET b = 'abd' WHERE id < 3"}, want: " key 1: differs| key 2: differs| key 3: differs| key 4: differs"},
	{name: "two columns' values swapped", table: "id INT PRIMARY KEY, a VARCHAR(10), b VARCHAR(10)", rows: "(1, 'x', 'y')", damage: []string{"UPDATE @ SET a = 'y', b = 'x'"}, want: " key 1: differs"},
	{name: "a text that moves its end", table: "id INT PRIMARY KEY, a VARCHAR(10), b VARCHAR(10)", rows: "(1, 'x,1', 'y'), (2, 'ab', 'c')", damage: []string{"UPDATE @ SET a = 'x', b = '1,y' WHERE id = 1", "UPDATE @ SET a = 'a', b = 'bc' WHERE id = 2"}, want: " key 1: differs| key 2: differs"},
	{name: "the last bit of a FLOAT", table: "id INT PRIMARY KEY, f FLOAT", rows: "(1, 0.1), (2, 0.2)", damage: []string{"UPDATE @ SET f = 0.10000000894069672e0 WHERE id = 1"}, want: " key 1: differs"},
	{name: "the last bit of a DOUBLE", table: "id INT PRIMARY KEY, f DOUBLE", rows: "(1, 1.7976931348623155e308), (2, 0.1e0)", damage: []string{"UPDATE @ SET f = 1.7976931348623157e308 WHERE id = 1", "UPDATE @ SET f = 0.10000000000000002e0 WHERE id = 2"}, want: " key 1: differs| key 2: differs"},
	{name: "the least DOUBLE", table: "id INT PRIMARY KEY, f DOUBLE", rows: "(1, 5e-324)", damage: []string{"UPDATE @ SET f = 0"}, want: " key 1: differs"},
	{name: "the sign of zero", only: servertest.MySQL, table: "id INT PRIMARY KEY, f DOUBLE, g FLOAT", rows: "(1, -0e0, 0), (2, 0, -0e0)", damage: []string{"UPDATE @ SET f = 0e0, g = 0e0"}, want: " key 1: differs| key 2: differs"},
	{name: "NULL and the empty text", table: "id INT PRIMARY KEY, t VARCHAR(10), u TEXT", rows: "(1, NULL, 'x'), (2, '', 'x'), (3, 'x', NULL)", damage: []string{"UPDATE @ SET t = '' WHERE id = 1", "UPDATE @ SET t = NULL WHERE id = 2", "UPDATE @ SET u = '' WHERE id = 3"}, want: " key 1: differs| key 2: differs| key 3: differs"},
	{name: "NULL in another column", table: "id INT PRIMARY KEY, a INT, b INT", rows: "(1, NULL, 5)", damage: []string{"UPDATE @ SET a = 5, b = NULL"}, want: " key 1: differs"},
	{name: "a space at the end", table: "id INT PRIMARY KEY, t VARCHAR(10), b BINARY(3)", rows: "(1, 'a', 'x'), (2, 'a', x'782000')", damage: []string{"UPDATE @ SET t = 'a ' WHERE id = 1", "UPDATE @ SET b = 'x' WHERE id = 2"}, want: " key 1: differs| key 2: differs"},
	{name: "a NUL", table: "id INT PRIMARY KEY, t VARCHAR(10), b BLOB", rows: "(1, 'a', 'b')", damage: []string{"UPDATE @ SET t = 'a\\0'"}, want: " key 1: differs"},
	{name: "upper case", table: "id INT PRIMARY KEY, t VARCHAR(10)", rows: "(1, 'a')", damage: []string{"UPDATE @ SET t = 'A'"}, want: " key 1: differs"},
	{name: "character sets of many kinds", table: "id INT PRIMARY KEY, l VARCHAR(9) CHARACTER SET latin1, s VARCHAR(9) CHARACTER SET sjis, u VARCHAR(9) CHARACTER SET utf16, m VARCHAR(9) CHARACTER SET utf8mb4, b VARBINARY(9)", rows: "(1, 'é', '表', 'é', 'é', 'é'), (2, 'é', '表', 'é', 'é', 'é')", damage: []string{"UPDATE @ SET l = 'è' WHERE id = 1", "UPDATE @ SET s = '裏' WHERE id = 2"}, want: " key 1: differs| key 2: differs"},
	{name: "the members of an ENUM", table: "id INT PRIMARY KEY, e ENUM('','a','b'), s SET('x','y')", rows: "(1, '', 'x'), (2, 'a', 'x')", damage: []string{"UPDATE @ SET e = 0 WHERE id = 1", "UPDATE @ SET s = 'x,y' WHERE id = 2"}, want: " key 1: differs| key 2: differs"},
	{name: "a BIT", table: "id INT PRIMARY KEY, b BIT(64)", rows: "(1, 0x8000000000000000)", damage: []string{"UPDATE @ SET b = 0x8000000000000001"}, want: " key 1: differs"},
	{name: "the greatest numbers", table: "id BIGINT UNSIGNED PRIMARY KEY, d DECIMAL(65,30)", rows: "(18446744073709551615, 0.000000000000000000000000000001), (18446744073709551614, 1)", damage: []string{"UPDATE @ SET d = 0.000000000000000000000000000002 WHERE id = 18446744073709551615"}, want: " key 18446744073709551615: differs"},
	{name: "invalid dates", table: "id INT PRIMARY KEY, d DATE, t TIMESTAMP(6) NULL, y YEAR", rows: "(1, '2024-02-31', NULL, 0), (2, '0000-00-00', '2020-01-01 00:00:00.000001', 0), (3, '2024-00-00', NULL, 2000)", damage: []string{"UPDATE @ SET d = '2024-02-30' WHERE id = 1", "UPDATE @ SET t = '2020-01-01 00:00:00' WHERE id = 2", "UPDATE @ SET y = 0 WHERE id = 3"}, want: " key 1: differs| key 2: differs| key 3: differs"},
	{name: "an invisible column", table: "id INT PRIMARY KEY, h INT INVISIBLE DEFAULT 1", rows: "(1), (2)", damage: []string{"UPDATE @ SET h = 2 WHERE id = 2"}, want: " key 2: differs"},
	{name: "a stored generated column", only: servertest.MySQL, table: "id INT PRIMARY KEY, d DATE, n VARCHAR(20) AS (DAYNAME(d)) STORED", rows: "(1, '2024-01-01', DEFAULT)", damage: []string{"SET lc_time_names = 'de_DE'", "FLUSH LOCAL TABLES @", "UPDATE @ SET d = '2024-01-02'", "UPDATE @ SET d = '2024-01-01'"}, want: " key 1: differs"},
	{name: "JSON", table: "id INT PRIMARY KEY, j JSON", rows: `(1, '{"a": [1, 2.5, null]}'), (2, '1')`, damage: []string{`UPDATE @ SET j = '{"a": [1, 2.5, false]}' WHERE id = 1`, `UPDATE @ SET j = 'null' WHERE id = 2`, `UPDATE @ SET j = '1.0' WHERE id = 2`}, want: " key 1: differs| key 2: differs"},
	{name: "the types within JSON", only: servertest.MySQL, table: "id INT PRIMARY KEY, j JSON", rows: `(1, JSON_OBJECT('d', DATE'2024-01-01')), (2, JSON_ARRAY(1.5)), (3, CAST(CAST(1 AS UNSIGNED) AS JSON)), (4, JSON_ARRAY('x', JSON_OBJECT('a', NULL, 'b', x'00'))), (5, JSON_ARRAY(1.5, 2.5e0)), (6, JSON_ARRAY(DATE'2024-01-01')), (7, '5000000000')`, damage: []string{"UPDATE @ SET j = CAST(CAST(j AS CHAR) AS JSON) WHERE id IN (1, 4, 6)", "DELETE FROM @ WHERE id IN (2, 3, 5, 7)", "INSERT INTO @ VALUES (2, '[1.5]'), (3, '1'), (5, JSON_ARRAY(1.5e0, 2.5)), (7, CAST(5000000000 AS JSON))"}, want: " key 1: differs| key 2: differs| key 3: differs| key 4: differs| key 5: differs| key 6: differs| key 7: differs"},
	{name: "a shape and its system", table: "id INT PRIMARY KEY, g GEOMETRY", rows: "(1, ST_GeomFromText('POINT(1 2)', 0)), (2, ST_GeomFromText('POINT(1 2)', 0))", damage: []string{"UPDATE @ SET g = ST_GeomFromText('POINT(1 2.0000000000000004)', 0) WHERE id = 1", "UPDATE @ SET g = ST_GeomFromText('POINT(1 2)', 4326) WHERE id = 2"}, want: " key 1: differs| key 2: differs"},
	{name: "a vector", only: servertest.MySQL, table: "id INT PRIMARY KEY, v VECTOR(3)", rows: "(1, TO_VECTOR('[1,2.5,-0.1]'))", damage: []string{"UPDATE @ SET v = TO_VECTOR('[1,2.5,-0.10000001]')"}, want: " key 1: differs"},
	{name: "UUID and addresses", only: servertest.MariaDB, table: "id UUID PRIMARY KEY, a INET6, b INET4", rows: "('123e4567-e89b-12d3-a456-426655440000', '::1', '127.0.0.1'), ('123e4567-e89b-12d3-a456-426655440001', '::1', '127.0.0.1')", damage: []string{"UPDATE @ SET a = '::2' WHERE id = '123e4567-e89b-12d3-a456-426655440000'", "UPDATE @ SET id = '123e4567-e89b-12d3-a456-426655440002' WHERE id = '123e4567-e89b-12d3-a456-426655440001'"}, want: " key _utf8mb4'123e4567-e89b-12d3-a456-426655440000': differs| key _utf8mb4'123e4567-e89b-12d3-a456-426655440001': missing on main (target)| key _utf8mb4'123e4567-e89b-12d3-a456-426655440002': only on main (target)"},
	{name: "a long text", table: "id INT PRIMARY KEY, t LONGTEXT, u MEDIUMBLOB", rows: "(1, REPEAT('x', 3000000), REPEAT('y', 3000000)), (2, 'x', 'y')", damage: []string{"UPDATE @ SET t = CONCAT(REPEAT('x', 2999999), 'z') WHERE id = 1", "UPDATE @ SET u = 'z' WHERE id = 2"}, want: " key 1: differs| key 2: differs"},
	{name: "a composite key", table: "a VARCHAR(5), b DATE, c VARBINARY(4), n INT, PRIMARY KEY (b, a, c)", rows: "('ü', '2020-01-01', x'00ff', 1), ('ü', '2020-01-01', x'0100', 1), ('x', '2021-01-01', '', 1)", damage: []string{"UPDATE @ SET n = 2 WHERE c = x'00ff'", "DELETE FROM @ WHERE a = 'x'"}, want: " key '2020-01-01','ü',_binary 0x00FF: differs| key '2021-01-01','x',_binary'': missing on main (target)"},
	{name: "a unique key only", table: "a INT NOT NULL, n INT, UNIQUE (a)", rows: "(1, 1), (2, 2)", damage: []string{"UPDATE @ SET n = 3 WHERE a = 2"}, want: " key 2: differs"},
	{name: "letters of a key", table: "k VARCHAR(5) PRIMARY KEY, n INT", rows: "('a', 1), ('b', 2)", damage: []string{"UPDATE @ SET k = 'A' WHERE k = 'a'"}, want: " key 'A': only on main (target)| key 'a': missing on main (target)"},
	{name: "keyless, a row doubled for another", table: "a INT, b VARCHAR(5)", rows: "(1, 'x'), (2, 'y'), (3, 'z')", damage: []string{"UPDATE @ SET a = 1, b = 'x' WHERE a = 2"}, want: keyless(3)},
	{name: "keyless, an even number of equal changes", table: "a INT, b VARCHAR(5)", rows: "(1, 'x'), (1, 'x'), (2, 'y'), (2, 'y')", damage: []string{"UPDATE @ SET a = 5 WHERE a = 1"}, want: keyless(4)},
	{name: "keyless, a pair for another pair", table: "a INT", rows: "(1), (1), (2), (2)", damage: []string{"UPDATE @ SET a = 2 WHERE a = 1"}, want: keyless(4)},
}

func keyless(rows int) string {
	return fmt.Sprintf(": has no primary key, nor a unique one without NULLs, and differs: %d rows on main (source), %[1]d rows on main (target)", rows)
}

// TestVerifyNamesEveryPlantedDifference plants differences on a fenced target without its
// binlog: each is named with its table and key, and nothing else is.
func TestVerifyNamesEveryPlantedDifference(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		var fill, damage, want []string
		fill = append(fill, "SET NAMES utf8mb4, sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00'")
		for i, c := range plantedDifferences {
			if c.only != "" && c.only != flavor {
				continue
			}
			name := fmt.Sprintf("app.c%02d", i)
			fill = append(fill, "CREATE TABLE "+name+" ("+c.table+") CHARACTER SET utf8mb4", "INSERT INTO "+name+" VALUES "+c.rows)
			damage = append(damage, "SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00', lc_time_names = 'en_US'")
			for _, statement := range c.damage {
				damage = append(damage, strings.ReplaceAll(statement, "@", name))
			}
			for what := range strings.SplitSeq(c.want, "|") {
				want = append(want, name+what)
			}
		}
		p := fencedPair(t, flavor, func(s *servertest.Instance) {
			s.Exec(append(fill, "SET sql_mode = DEFAULT, time_zone = DEFAULT")...)
		})
		clean, err := Run(t.Context(), p.Pair, Options{})
		require.NoError(t, err)
		require.True(t, clean.Clean(), "%v", clean.Differences)
		plant(t, p, damage...)
		for _, chunk := range []int{1, 1000} {
			report, err := Run(t.Context(), p.Pair, Options{ChunkRows: chunk, MaxDifferences: 1000})
			require.NoError(t, err)
			var got []string
			for _, d := range report.Differences {
				got = append(got, d.String())
			}
			slices.Sort(want)
			slices.Sort(got)
			require.Equal(t, want, got)
		}
	})
}
