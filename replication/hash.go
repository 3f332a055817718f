package replication

import "strings"

// hashFunction is the server's hash of text, as hex of at least 32 digits.
// MySQL 9 has MD5() only with a component installed.
func (d *Dialect) hashFunction(expression string) string {
	if d.mariadb() {
		return "MD5(" + expression + ")"
	}
	return "SHA2(" + expression + ",256)"
}

// hashed is a column as the text that goes into the row's hash: exact, the same
// on every server that holds the same value, and short: long types go in by
// their own hash, so that no row outgrows max_allowed_packet.
func (c column) hashed(d *Dialect) string {
	name := Quote(c.Name)
	switch c.Type {
	case "tinytext", "text", "mediumtext", "longtext", "tinyblob", "blob", "mediumblob", "longblob":
		return d.hashFunction("CAST(" + name + " AS BINARY)")
	case "json":
		return d.hashFunction("CAST(" + name + " AS CHAR CHARACTER SET utf8mb4)")
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
		"geometrycollection", "geomcollection", "vector":
		return d.hashFunction("HEX(" + name + ")")
	case "char", "varchar", "binary", "varbinary":
		return "CAST(" + name + " AS BINARY)"
	}
	// Numbers, and times in the session's '+00:00'. A FLOAT counts as the double
	// that it is: its own text would hide some of its bits.
	return "CAST(" + c.selected() + " AS CHAR)"
}

// rowHash is the hash of a row: every column prefixed by its length, NULL apart
// from the empty string.
func (t table) rowHash(d *Dialect) string {
	parts := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		x := c.hashed(d)
		parts[i] = "IF(" + Quote(c.Name) + " IS NULL,'N',CONCAT(LENGTH(" + x + "),':'," + x + "))"
	}
	return d.hashFunction("CONCAT(" + strings.Join(parts, ",") + ")")
}

// chunkHash is the select list of a set of rows, independent of their order:
// their number and two halves of their hashes. Halves are combined by XOR where
// rows are distinct by their key, and by a sum where two equal rows would
// cancel each other out.
func (t table) chunkHash(keyless bool) string {
	half := func(from string) string {
		return "CAST(CONV(SUBSTRING(h," + from + ",16),16,10) AS UNSIGNED)"
	}
	if keyless {
		return "COUNT(*),COALESCE(SUM(CAST(" + half("1") + " AS DECIMAL(40))),0),COALESCE(SUM(CAST(" + half("17") + " AS DECIMAL(40))),0)"
	}
	return "COUNT(*),BIT_XOR(" + half("1") + "),BIT_XOR(" + half("17") + ")"
}

// bound is a place in a table's key order: literals of the key's columns. Nil
// is the start or the end of the table.
type bound []string

// keyLiteral is a key's value, as selected returned it in a session of the
// pool, as a literal. Text is compared in the column's own collation, which
// wins over the literal's.
func (c column) keyLiteral(value []byte) string {
	switch c.Type {
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		return "_binary" + literal(string(value))
	}
	return string(c.appendValue(nil, value))
}

// after is the condition for rows behind b, upTo for those not behind it.
func after(key []column, b bound) string { return compareKey(key, b, ">", false) }
func upTo(key []column, b bound) string  { return compareKey(key, b, "<", true) }

// compareKey spells (k1, k2, …) op (v1, v2, …) out, because the servers use an
// index for the long form only.
func compareKey(key []column, b bound, op string, orEqual bool) string {
	var alternatives []string
	for i := range key {
		var terms []string
		for j := range i {
			terms = append(terms, Quote(key[j].Name)+"="+b[j])
		}
		last := op
		if orEqual && i == len(key)-1 {
			last += "="
		}
		terms = append(terms, Quote(key[i].Name)+last+b[i])
		alternatives = append(alternatives, "("+strings.Join(terms, " AND ")+")")
	}
	condition := "(" + strings.Join(alternatives, " OR ") + ")"
	if len(key) > 1 {
		condition = Quote(key[0].Name) + op + "=" + b[0] + " AND " + condition
	}
	return condition
}

// within is the condition for the rows of a chunk: behind lower, up to upper.
func within(key []column, lower, upper bound) string {
	conditions := []string{"TRUE"}
	if lower != nil {
		conditions = append(conditions, after(key, lower))
	}
	if upper != nil {
		conditions = append(conditions, upTo(key, upper))
	}
	return strings.Join(conditions, " AND ")
}

// hashQuery hashes the rows of a table where condition holds. In a chunk the
// limit keeps the inner query apart, so that each row is hashed once and not
// once a half; a whole table is not worth a temporary table of its hashes.
func (t table) hashQuery(d *Dialect, condition string) string {
	keyless := len(t.key()) == 0
	rows := "SELECT " + t.rowHash(d) + " AS h FROM " + t.quoted() + " WHERE " + condition
	if !keyless {
		rows += " LIMIT 9223372036854775807"
	}
	return "SELECT " + t.chunkHash(keyless) + " FROM (" + rows + ") AS hashes"
}

// rowsQuery lists the rows where condition holds: the key's values, then the hash.
func (t table) rowsQuery(d *Dialect, condition string) string {
	return "SELECT " + t.keySelect() + "," + t.rowHash(d) + " FROM " + t.quoted() + " WHERE " + condition
}

func (t table) keySelect() string {
	var parts []string
	for _, c := range t.key() {
		parts = append(parts, c.selected())
	}
	return strings.Join(parts, ",")
}

// boundQuery finds the key at the end of a chunk of n rows behind lower.
func (t table) boundQuery(lower bound, n string) string {
	var order []string
	for _, c := range t.key() {
		order = append(order, Quote(c.Name))
	}
	return "SELECT " + t.keySelect() + " FROM " + t.quoted() + " WHERE " + within(t.key(), lower, nil) +
		" ORDER BY " + strings.Join(order, ",") + " LIMIT 1 OFFSET " + n
}
