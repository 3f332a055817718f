package table

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/replication/query"
)

// MySQL's JSON has more types than its text shows: a DECIMAL prints as a double does, a
// DATE as a string does, and so do times, binary values and bits; integers are signed or
// unsigned. A document that is read back from its text has lost them. So a document is
// read together with the types of the scalars that its text does not tell, and is written
// with an expression that makes these again (ADR 14).
//
// JSON_TABLE lists the scalars: all members of objects at any depth ($**.*) and all
// elements of arrays ($**[*]), each in the order of the document. MariaDB's JSON is text.

// jsonTypes are the types that a text does not tell. Their number, from 1, stands for
// them. INTEGER is one of them where a text would make an unsigned integer.
var jsonTypes = []string{"UNSIGNED INTEGER", "DECIMAL", "DATE", "DATETIME", "TIME", "TIMESTAMP", "BLOB", "BIT", jsonInteger}

const (
	jsonInteger = "INTEGER"
	// textTypes are the types that a text tells.
	textTypes = "'OBJECT','ARRAY','STRING','DOUBLE','BOOLEAN','NULL','INTEGER'"
	// largestTextInteger is the largest number that MySQL reads from a text as a signed integer
	// (rapidjson: what needs more than 32 bits and is not negative is a Uint64).
	largestTextInteger = "4294967295"
)

// JSONTypes is the expression for the types in a JSON column that its text does not tell,
// as "number of entries:place.type place.type …". A place is that of a member of an object
// from 1, of an element of an array from -1, or 0: the document itself. It holds no comma.
// NULL means that the list is longer than a packet. The names within are not those of
// anybody's columns.
func JSONTypes(name string) string {
	column := query.Quote(name)
	kind := "COALESCE(JSON_TYPE(migrate_member),JSON_TYPE(migrate_element),IF(COALESCE(migrate_m,migrate_e) IS NULL,JSON_TYPE(" + column + "),NULL))"
	return "(SELECT CONCAT_WS(':',COUNT(*),GROUP_CONCAT(COALESCE(migrate_m,-migrate_e,0),'.',FIELD(" + kind + ",'" + strings.Join(jsonTypes, "','") + "')" +
		" ORDER BY migrate_m,migrate_e SEPARATOR ' ')) FROM JSON_TABLE(" + column + ",_utf8mb4'$' COLUMNS (" +
		"NESTED PATH _utf8mb4'$**.*' COLUMNS (migrate_member JSON PATH _utf8mb4'$',migrate_m FOR ORDINALITY)," +
		"NESTED PATH _utf8mb4'$**[*]' COLUMNS (migrate_element JSON PATH _utf8mb4'$',migrate_e FOR ORDINALITY))) migrate_types WHERE " + kind +
		" NOT IN (" + textTypes + ") OR " + kind + "='" + jsonInteger + "' AND COALESCE(migrate_member,migrate_element," + column + ")>" + largestTextInteger + ")"
}

// selectedJSON reads a document with its types: JSONTypes, a line feed, the text. Where
// that is longer than a packet, it reads tooLong.
func selectedJSON(name string) string {
	column := query.Quote(name)
	return "COALESCE(CONCAT(" + JSONTypes(name) + ",'\\n'," + column + "),IF(ISNULL(" + column + "),NULL,'" + tooLong + "'))"
}

const tooLong = "too long"

// appendJSON appends an expression for a document that selectedJSON has read.
func appendJSON(out, value []byte) ([]byte, error) {
	head, text, ok := bytes.Cut(value, []byte{'\n'})
	if !ok {
		return nil, errors.New("a JSON document does not fit in max_allowed_packet of the source together with its types")
	}
	if string(head) == "0" {
		return query.AppendLiteral(append(out, "_utf8mb4"...), text), nil
	}
	types, err := parseTypes(string(head))
	if err != nil {
		return nil, err
	}
	doc, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	return doc.appendTyped(out, text, types)
}

// placedType is the type of the scalar at a place.
type placedType struct {
	place int
	kind  string
}

// parseTypes reads the list that JSONTypes makes, which names the number of its entries:
// the server cuts a list that is longer than group_concat_max_len.
func parseTypes(list string) ([]placedType, error) {
	number, entries, _ := strings.Cut(list, ":")
	var out []placedType
	for entry := range strings.SplitSeq(entries, " ") {
		place, kind, _ := strings.Cut(entry, ".")
		at, errPlace := strconv.Atoi(place)
		k, errKind := strconv.Atoi(kind)
		switch {
		case errPlace != nil || errKind != nil || k > len(jsonTypes):
			return nil, fmt.Errorf("read the types of a JSON document: %q", entry)
		case k == 0:
			return nil, errors.New("a JSON document holds a value of a type that only an older server could make; write the document anew on the source")
		}
		out = append(out, placedType{at, jsonTypes[k-1]})
	}
	if strconv.Itoa(len(out)) != number {
		return nil, fmt.Errorf("read the types of a JSON document: %d of %s", len(out), number)
	}
	return out, nil
}

// blobTypes are the columns whose values are stored with the numbers that MySQL prints for
// binary values in JSON (enum_field_types).
var blobTypes = map[string]string{"249": "TINYBLOB", "250": "MEDIUMBLOB", "251": "LONGBLOB", "252": "BLOB", "254": "BINARY", "15": "VARBINARY", "16": "BIT"}

// maxJSONColumns bounds the binary values and timestamps of a document, each of which
// becomes a column of JSON_TABLE.
const maxJSONColumns = 1000

// appendTyped appends the expression: the text, in which JSON_SET replaces the scalars of
// other types. What only a column has a type for is a column of JSON_TABLE.
func (d *document) appendTyped(out, text []byte, types []placedType) ([]byte, error) {
	var sets, values, columns []byte
	count, ofExpressions := 0, false
	for _, t := range types {
		n := d.at(t.place)
		if n == nil || n.children != nil {
			return nil, fmt.Errorf("read a JSON document: there is no scalar at %d, where the server has a %s", t.place, t.kind)
		}
		value, err := n.typed(t.kind)
		if err != nil {
			return nil, err
		}
		ofExpressions = ofExpressions || t.kind == "BLOB" && bytes.HasPrefix(n.raw, []byte(`"base64:type`+typeOfExpressions+":"))
		sets = append(sets, ',')
		sets = query.AppendLiteral(append(sets, "_utf8mb4"...), n.path())
		sets = append(sets, ',')
		if value.column == "" {
			sets = append(sets, value.expression...)
			continue
		}
		if count == maxJSONColumns {
			return nil, fmt.Errorf("a JSON document holds more than %d binary values and timestamps", maxJSONColumns)
		}
		if count > 0 {
			values, columns = append(values, ','), append(columns, ',')
		}
		values = append(values, value.expression...)
		columns = fmt.Appendf(columns, "c%d %s PATH _utf8mb4'$[%d]' ERROR ON ERROR", count, value.column, count)
		sets = fmt.Appendf(sets, "c%d", count)
		count++
	}
	if count > 0 {
		out = append(out, "(SELECT "...)
	}
	out = append(out, "JSON_SET(CAST("...)
	if ofExpressions { // another server does not read the document
		out = append(out, "IF(JSON_UNQUOTE(JSON_EXTRACT(JSON_ARRAY(x'00'),_utf8mb4'$[0]')) LIKE 'base64:type"+typeOfExpressions+":%',"...)
	}
	out = query.AppendLiteral(append(out, "_utf8mb4"...), text)
	if ofExpressions {
		out = append(out, ",_utf8mb4'this server makes no binary values of type "+typeOfExpressions+"')"...)
	}
	out = slices.Concat(out, []byte(" AS JSON)"), sets, []byte(")"))
	if count > 0 {
		out = slices.Concat(out, []byte(" FROM JSON_TABLE(JSON_ARRAY("), values, []byte("),_utf8mb4'$' COLUMNS ("), columns, []byte(")) migrate_values)"))
	}
	return out, nil
}
