package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/table"
)

// rowText is the text of a row that its hash is made of. Where a row does not
// fit in a packet of the server, the hashes of long values stand for them.
func (t *verifyTable) rowText(d *dialect.Dialect) string {
	var nulls, plain, lengths, texts []string
	for _, c := range t.hashed {
		name := query.Quote(c.Name)
		if t.nullable[c.Name] {
			nulls = append(nulls, "ISNULL("+name+")")
		}
		switch {
		case c.HoldsNoComma():
			plain = append(plain, c.Plain(d))
		case c.IsLong() && t.huge.Load():
			plain = append(plain, d.HashFunction(name))
		default:
			lengths = append(lengths, "LENGTH("+name+")")
			texts = append(texts, name)
		}
	}
	if len(lengths) > 0 { // the last text is what is left
		lengths = lengths[:len(lengths)-1]
	}
	parts := slices.Concat(plain, lengths, texts)
	if len(nulls) > 0 {
		parts = slices.Insert(parts, 0, "CONCAT("+strings.Join(nulls, ",")+")")
	}
	parts[0] = "CAST(" + parts[0] + " AS BINARY)"
	return "CONCAT_WS(','," + strings.Join(parts, ",") + ")"
}

// rowHash is the hash of a row.
func (t *verifyTable) rowHash(d *dialect.Dialect) string { return d.HashFunction(t.rowText(d)) }

// chunkHash is the select list of a set of rows: their number and their hash.
func (t *verifyTable) chunkHash(d *dialect.Dialect) string {
	switch {
	case len(t.keyCols) == 0:
		return "COUNT(*),COALESCE(SUM(" + t.rowNumber(d) + "),0)"
	case d.XorsNumbers():
		return "COUNT(*),BIT_XOR(" + t.rowNumber(d) + ")"
	}
	return "COUNT(*),HEX(BIT_XOR(UNHEX(" + t.rowHash(d) + ")))"
}

// rowNumber is 64 bits of the hash of a row.
//
// With CRC32C: both CRCs of the text side by side, and their product over it. Side by
// side they tell texts apart as 64 bits can, but are linear: what changes in an even
// number of rows alike, or changes places between rows, is gone from the XOR of them. It is
// not from that of the products. Only IF promises what it evaluates first; the operators
// do not: MariaDB's ^ begins on the right. Each use of the variable is a copy of the text,
// so a row of large values is hashed without it.
func (t *verifyTable) rowNumber(d *dialect.Dialect) string {
	hashed := "CAST(CONV(LEFT(" + t.rowHash(d) + ",16),16,10) AS UNSIGNED)"
	if !t.crc32c {
		return hashed
	}
	text := t.rowText(d)
	summed := "IF(LENGTH(@row:=" + text + ")<0,NULL,(CRC32(@row)*CRC32C(@row))^(CRC32(@row)<<32|CRC32C(@row)))"
	var long []string
	for _, c := range t.hashed {
		if c.IsLarge() && !t.huge.Load() {
			long = append(long, "COALESCE(LENGTH("+query.Quote(c.Name)+"),0)")
		}
	}
	if len(long) == 0 {
		return summed
	}
	return fmt.Sprintf("IF(%s>%d,%s,%s)", strings.Join(long, "+"), summedMost, hashed, summed)
}

// summedMost is the bytes of long values up to which a row is hashed by rowNumber's checksums.
const summedMost = 256 << 10

// rowVariable is that of rowNumber, as the type that it has in it.
const rowVariable = "SET @row = ''"

// hashQuery hashes the rows of a table where condition holds.
func (t *verifyTable) hashQuery(d *dialect.Dialect, condition string) string {
	return "SELECT " + t.chunkHash(d) + " FROM " + t.Quoted() + " WHERE " + condition
}

// rowsQuery lists the rows where condition holds: the key's values, then the
// hash. A table without a key is one row: the number of its rows, and their hash.
func (t *verifyTable) rowsQuery(d *dialect.Dialect, condition string) string {
	if len(t.keyCols) == 0 {
		return t.hashQuery(d, condition)
	}
	return "SELECT " + t.keySelect() + "," + t.rowHash(d) + " FROM " + t.Quoted() + " WHERE " + condition
}

func (t *verifyTable) keySelect() string {
	parts := make([]string, len(t.keyCols))
	for i, c := range t.keyCols {
		parts[i] = c.Selected()
	}
	return strings.Join(parts, ",")
}

// keyQuery finds the key that n rows of a span come before.
func (t *verifyTable) keyQuery(lower, upper table.Key, n int) string {
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT 1 OFFSET %d",
		t.keySelect(), t.Quoted(), table.Within(t.keyCols, lower, upper), query.QuoteList(table.ColumnNames(t.keyCols)), n)
}
