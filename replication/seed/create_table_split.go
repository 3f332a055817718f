package seed

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication/query"
)

// createParts is a CREATE TABLE statement without the definitions that are cheaper to add
// after the rows: secondary indexes and foreign keys.
type createParts struct {
	create   string
	deferred []string // definitions to add after the rows, indexes first
}

var (
	indexDefinition = regexp.MustCompile("^(UNIQUE KEY|KEY|FULLTEXT KEY|SPATIAL KEY|VECTOR KEY) (`(?:[^`]|``)*`)")
	foreignKey      = regexp.MustCompile("^(?:CONSTRAINT `(?:[^`]|``)*` )?FOREIGN KEY")
	indexedColumns  = regexp.MustCompile(`^[^(]*\((.*)`)
	autoIncrement   = regexp.MustCompile(`(?i)\bAUTO_INCREMENT\b`)
)

// keepIndexesBelow is the size in bytes below which another DDL statement costs more than
// keeping the indexes while rows arrive. Unique indexes are deferred all the same: a fuzzy
// copy may violate them for a while.
const keepIndexesBelow = 1 << 20

// deferIndexes splits a CREATE TABLE. It keeps the index that the copy uses as its key,
// that of the AUTO_INCREMENT column, and those by which lookups find rows. Indexes before
// a kept one stay too, so that the final order is the source's.
func deferIndexes(t *sourceTable, lookups [][]string) (createParts, error) {
	create := t.object.Create
	head, definitions, tail, err := splitDefinitions(create)
	if err != nil {
		return createParts{}, fmt.Errorf("read the definition of %s: %w", t.Title(), err)
	}
	lastKept := map[string]int{} // by class
	for i, d := range definitions {
		m := indexDefinition.FindStringSubmatch(d)
		if m == nil {
			continue
		}
		if m[1] == "KEY" && t.Bytes < keepIndexesBelow || m[2] == query.Quote(t.keyName) || indexesCounter(d, definitions) || indexesLookup(d, lookups) {
			lastKept[indexClass(m[1])] = i
		}
	}
	var kept, indexes, keys []string
	for i, d := range definitions {
		m := indexDefinition.FindStringSubmatch(d)
		last, keeps := 0, false
		if m != nil {
			last, keeps = lastKept[indexClass(m[1])]
		}
		switch {
		case foreignKey.MatchString(d):
			keys = append(keys, d)
		case m != nil && (!keeps || i > last):
			indexes = append(indexes, d)
		default:
			kept = append(kept, d)
		}
	}
	return createParts{create: head + strings.Join(kept, ",\n  ") + tail, deferred: append(indexes, keys...)}, nil
}

// indexClass is the class of a kind of index. A server orders the classes, and within one
// the indexes as they are defined. MariaDB puts spatial indexes among the other plain ones.
func indexClass(kind string) string {
	if kind == "SPATIAL KEY" {
		return "KEY"
	}
	return kind
}

// indexesCounter reports whether an index covers the AUTO_INCREMENT column, for which the
// server requires one.
func indexesCounter(index string, definitions []string) bool {
	for _, d := range definitions {
		if !strings.HasPrefix(d, "`") || !autoIncrement.MatchString(unquoted(d)) {
			continue
		}
		name := d[:nameEnd(d)]
		m := indexedColumns.FindStringSubmatch(index)
		return m != nil && strings.Contains(m[1], name) // MyISAM also allows it at another place than the first
	}
	return false
}

func indexesLookup(index string, lookups [][]string) bool {
	m := indexedColumns.FindStringSubmatch(index)
	return m != nil && slices.ContainsFunc(lookups, func(columns []string) bool {
		return strings.HasPrefix(m[1], query.Quote(columns[0]))
	})
}

// nameEnd returns the length of the quoted name at the beginning of text.
func nameEnd(text string) int {
	for i := 1; i < len(text); i++ {
		if text[i] != '`' {
			continue
		}
		if i+1 < len(text) && text[i+1] == '`' {
			i++
			continue
		}
		return i + 1
	}
	return len(text)
}

// unquoted returns text without its quoted parts.
func unquoted(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if end := quotedEnd(text, i); end > i {
			i = end - 1
			continue
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// quotedEnd returns the end of the quoted part that begins at i, or i if none does.
func quotedEnd(text string, i int) int {
	quote := text[i]
	if quote != '\'' && quote != '"' && quote != '`' {
		return i
	}
	for j := i + 1; j < len(text); j++ {
		switch {
		case text[j] == '\\' && quote != '`':
			j++
		case text[j] != quote:
		case j+1 < len(text) && text[j+1] == quote:
			j++
		default:
			return j + 1
		}
	}
	return len(text)
}

// splitDefinitions splits a CREATE TABLE at the commas of its list of columns, keys and
// constraints.
func splitDefinitions(create string) (head string, definitions []string, tail string, err error) {
	depth, start := 0, 0
	for i := 0; i < len(create); i++ {
		if end := quotedEnd(create, i); end > i {
			i = end - 1
			continue
		}
		switch create[i] {
		case '(':
			depth++
			if depth == 1 {
				head, start = create[:i+1]+"\n  ", i+1
			}
		case ')':
			depth--
			if depth == 0 {
				definitions = append(definitions, strings.TrimSpace(create[start:i]))
				return head, definitions, "\n" + create[i:], nil
			}
		case ',':
			if depth == 1 {
				definitions = append(definitions, strings.TrimSpace(create[start:i]))
				start = i + 1
			}
		}
	}
	return "", nil, "", fmt.Errorf("its parentheses do not match")
}
