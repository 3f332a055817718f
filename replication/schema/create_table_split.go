package schema

import (
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication/query"
)

// CreateParts is a CREATE TABLE statement without the definitions that are cheaper to add
// after the rows: secondary indexes and foreign keys.
type CreateParts struct {
	Create   string
	Deferred []string // definitions to add after the rows, indexes first
}

var (
	indexDefinition = regexp.MustCompile("^(UNIQUE KEY|KEY|FULLTEXT KEY|SPATIAL KEY|VECTOR KEY) (`(?:[^`]|``)*`)")
	foreignKey      = regexp.MustCompile("^(?:CONSTRAINT `(?:[^`]|``)*` )?FOREIGN KEY")
	indexedColumns  = regexp.MustCompile(`^[^(]*\((.*)`)
	counterColumn   = regexp.MustCompile(`(?i)\bAUTO_INCREMENT\b`)
)

// DeferIndexes splits a CREATE TABLE. It keeps the index by which a copy knows the rows, that
// of the AUTO_INCREMENT column, those that begin with the columns of a lookup, and all that
// are not unique with keepPlain. Indexes before a kept one stay too, so that the final order
// is the source's.
func DeferIndexes(create, key string, lookups [][]string, keepPlain bool) (CreateParts, error) {
	head, definitions, tail, err := SplitDefinitions(create)
	if err != nil {
		return CreateParts{}, err
	}
	lastKept := map[string]int{} // by class
	for i, d := range definitions {
		m := indexDefinition.FindStringSubmatch(d)
		if m == nil {
			continue
		}
		if m[1] == "KEY" && keepPlain || m[2] == query.Quote(key) || indexesCounter(d, definitions) || indexesLookup(d, lookups) {
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
	return CreateParts{Create: head + strings.Join(kept, ",\n  ") + tail, Deferred: append(indexes, keys...)}, nil
}

// IsForeignKey reports whether a definition of a CREATE TABLE is a foreign key.
func IsForeignKey(definition string) bool { return foreignKey.MatchString(definition) }

// HasCounter reports whether a CREATE TABLE, or the definition of a column, has an
// AUTO_INCREMENT column.
func HasCounter(definition string) bool { return counterColumn.MatchString(Unquoted(definition)) }

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
		if !strings.HasPrefix(d, "`") || !HasCounter(d) {
			continue
		}
		name := d[:NameEnd(d)]
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
