package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/table"
)

// The hash of a row is the server's own cryptographic hash of a text in which every
// value of the row is spelled out exactly and without ambiguity:
//
//	which columns are NULL, the values that hold no comma or have one length, the
//	lengths of all texts but the last, the texts themselves
//
// all separated by commas. CONCAT_WS leaves NULLs out; the first part says which they
// are. A reader could take the text apart again, so two rows that differ have two
// texts. The first part is binary, which makes the whole text binary: every value goes
// in as the bytes that are stored, whatever its character set, without the cost of a
// cast for each (a third of the time).
//
// A chunk's hash is the XOR of its rows' hashes. It does not depend on their order, and
// it is not linear as that of a CRC is, so values that change places between two rows
// are seen. XOR is right where a key makes rows distinct. Where equal rows may come in
// pairs, hashes are summed.
//
// MySQL: the whole SHA2(256), because BIT_XOR takes binary strings, and because SHA1()
// and MD5() come with a component only from 9.6 on. MariaDB: its BIT_XOR takes 64 bits,
// and making them of a SHA1 takes most of a verify's time. Where both servers can, the
// 64 bits are made of two checksums with different polynomials; see rowNumber. Two chunks
// that differ have the same 64 bits once in 10^16 at most. Verify guards against
// mistakes, not against forged rows (ADR 11). Single rows are always compared by the
// cryptographic hash.

// holdsNoComma reports whether the column's plainText cannot be taken for more than one
// part.
func holdsNoComma(c table.Column) bool {
	switch c.Type {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "bit", "year", "enum", "set",
		"date", "time", "datetime", "timestamp", "uuid", "inet4", "inet6", "json", "geometry", "point", "linestring", "polygon",
		"multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection", "vector":
		return true
	}
	return false
}

// isLong reports whether a value of the column may be longer than a packet.
func isLong(c table.Column) bool {
	switch c.Type {
	case "text", "mediumtext", "longtext", "blob", "mediumblob", "longblob":
		return true
	}
	return false
}

// isLarge reports whether a value of the column may have many megabytes.
func isLarge(c table.Column) bool { return isLong(c) && c.Type != "text" && c.Type != "blob" }

// plainText is the expression for the exact text of a column that holds no comma, or
// whose values have one length, in a session whose character set is binary.
func plainText(c table.Column, d *dialect.Dialect) string {
	name := query.Quote(c.Name)
	switch c.Type {
	case "float", "double":
		// The text of a FLOAT hides some of its bits, that of a DOUBLE(10,3) is rounded, and making
		// one costs the server more than a hash. A point has the bits themselves: 25 bytes of SRID,
		// order of bytes, type, and two doubles.
		return "POINT(" + name + ",0)"
	case "bit", "enum", "set":
		return "CAST(" + name + " AS UNSIGNED)"
	case "uuid", "inet4", "inet6":
		return "CAST(" + name + " AS CHAR)"
	case "json":
		return "CONCAT(" + d.HashFunction("CAST("+name+" AS CHAR CHARACTER SET utf8mb4)") + ",'.'," + table.JSONTypes(c.Name) + ")"
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
		"geometrycollection", "geomcollection", "vector":
		return d.HashFunction("HEX(" + name + ")")
	}
	return name
}

// rowText is the expression for the text that a row's hash is made of. If a row does not
// fit in a packet of the server, the hashes of long values are in place of the values.
func (t *tableShape) rowText(d *dialect.Dialect) string {
	var nulls, plain, lengths, texts []string
	for _, c := range t.hashed {
		name := query.Quote(c.Name)
		if t.nullable[c.Name] {
			nulls = append(nulls, "ISNULL("+name+")")
		}
		switch {
		case holdsNoComma(c):
			plain = append(plain, plainText(c, d))
		case isLong(c) && t.hugeRow.Load():
			plain = append(plain, d.HashFunction(name))
		default:
			lengths = append(lengths, "LENGTH("+name+")")
			texts = append(texts, name)
		}
	}
	if len(lengths) > 0 { // the last text is the rest
		lengths = lengths[:len(lengths)-1]
	}
	parts := slices.Concat(plain, lengths, texts)
	if len(nulls) > 0 {
		parts = slices.Insert(parts, 0, "CONCAT("+strings.Join(nulls, ",")+")")
	}
	if len(parts) == 0 { // all columns are virtual: what tells rows apart is their number
		parts = []string{"''"}
	}
	parts[0] = "CAST(" + parts[0] + " AS BINARY)"
	return "CONCAT_WS(','," + strings.Join(parts, ",") + ")"
}

// rowHash is the expression for the hash of a row.
func (t *tableShape) rowHash(d *dialect.Dialect) string { return d.HashFunction(t.rowText(d)) }

// chunkHash is the select list for a set of rows: their number and their hash.
func (t *tableShape) chunkHash(d *dialect.Dialect) string {
	switch {
	case len(t.keyCols) == 0:
		return "COUNT(*),COALESCE(SUM(" + t.rowNumber(d) + "),0)"
	case d.XorsNumbers():
		return "COUNT(*),BIT_XOR(" + t.rowNumber(d) + ")"
	}
	return "COUNT(*),HEX(BIT_XOR(UNHEX(" + t.rowHash(d) + ")))"
}

// rowNumber is the expression for 64 bits of the hash of a row.
//
// With CRC32C it is both CRCs of the text side by side, XOR their product. Side by side
// they tell texts apart as well as 64 bits can, but they are linear: a change that an
// even number of rows have in common, and values that change places between rows, vanish
// from their XOR. They do not vanish from the XOR of the products. Only IF guarantees
// what is evaluated first; operators do not: MariaDB's ^ begins on the right. Each use of
// the variable copies the text, so a row of large values is hashed without it.
func (t *tableShape) rowNumber(d *dialect.Dialect) string {
	hashed := "CAST(CONV(LEFT(" + t.rowHash(d) + ",16),16,10) AS UNSIGNED)"
	if !t.crc32c {
		return hashed
	}
	text := t.rowText(d)
	summed := "IF(LENGTH(@row:=" + text + ")<0,NULL,(CRC32(@row)*CRC32C(@row))^(CRC32(@row)<<32|CRC32C(@row)))"
	var long []string
	for _, c := range t.hashed {
		if isLarge(c) && !t.hugeRow.Load() {
			long = append(long, "COALESCE(LENGTH("+query.Quote(c.Name)+"),0)")
		}
	}
	if len(long) == 0 {
		return summed
	}
	return fmt.Sprintf("IF(%s>%d,%s,%s)", strings.Join(long, "+"), maxChecksummed, hashed, summed)
}

// maxChecksummed is the size of long values, in bytes, up to which a row is hashed by
// rowNumber's checksums.
const maxChecksummed = 256 << 10

// rowVariable gives rowNumber's variable the type that it has there.
const rowVariable = "SET @row = ''"

// hashQuery hashes the rows of a table where condition holds.
func (t *tableShape) hashQuery(d *dialect.Dialect, condition string) string {
	return "SELECT " + t.chunkHash(d) + " FROM " + t.from() + " WHERE " + condition
}

// rowsQuery lists the rows where condition holds: the key's values, then the hash. A
// table without a key is one row: the number of its rows, and their hash.
func (t *tableShape) rowsQuery(d *dialect.Dialect, condition string) string {
	if len(t.keyCols) == 0 {
		return t.hashQuery(d, condition)
	}
	return "SELECT " + t.keySelect() + "," + t.rowHash(d) + " FROM " + t.from() + " WHERE " + condition
}

// keySelect is the select list of the key's columns.
func (t *tableShape) keySelect() string {
	parts := make([]string, len(t.keyCols))
	for i, c := range t.keyCols {
		parts[i] = c.Selected()
	}
	return strings.Join(parts, ",")
}

// keyQuery finds the key of the row behind n rows of a span.
func (t *tableShape) keyQuery(lower, upper table.Key, n int) string {
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT 1 OFFSET %d",
		t.keySelect(), t.from(), table.Within(t.keyCols, lower, upper), query.QuoteList(table.ColumnNames(t.keyCols)), n)
}
