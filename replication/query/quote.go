package query

import (
	"bytes"
	"strings"
)

// Quote quotes an identifier. It is the only place that does.
func Quote(name string) string {
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

// QuoteTable quotes schema.table.
func QuoteTable(schema, table string) string { return Quote(schema) + "." + Quote(table) }

// QuoteList quotes names, separated by commas.
func QuoteList(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = Quote(name)
	}
	return strings.Join(quoted, ",")
}

// Literal is text as an SQL string literal, for statements without placeholders:
// those that the servers do not prepare (CHANGE MASTER TO, SET PERSIST), and
// multi-row INSERTs. It is right in every sql_mode but NO_BACKSLASH_ESCAPES, which
// migrate's sessions do not set.
func Literal(text string) string {
	return string(AppendLiteral(nil, []byte(text)))
}

// AppendLiteral appends a text as Literal quotes it.
func AppendLiteral(out, text []byte) []byte {
	if len(text) > hugeText {
		need := len(out) + len(text) + 64 + bytes.Count(text, []byte{'\''}) + bytes.Count(text, []byte{'\\'}) + bytes.Count(text, []byte{0})
		if need > cap(out) {
			out = append(make([]byte, 0, need), out...)
		}
	}
	out = append(out, '\'')
	for {
		at := 0
		for at < len(text) && text[at] != '\'' && text[at] != '\\' && text[at] != 0 {
			at++
		}
		out = append(out, text[:at]...)
		if at == len(text) {
			return append(out, '\'')
		}
		escaped := text[at]
		if escaped == 0 {
			escaped = '0'
		}
		out, text = append(out, '\\', escaped), text[at+1:]
	}
}

// hugeText is the length in bytes above which the memory for a literal is allocated
// exactly.
const hugeText = 1 << 20
