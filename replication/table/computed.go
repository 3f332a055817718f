package table

import (
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication/query"
)

// Computed is what a server computes when it writes a row of a table: generated columns,
// checks and functional keys.
type Computed struct {
	Any  bool
	From []string // the stored columns whose values are used
	// Dates says that dates are computed: from texts and numbers that are none, or from days
	// that do not exist, they are others in each sql_mode.
	Dates bool
}

// computed matches such a definition without its quoted parts.
var computed = regexp.MustCompile(`\bGENERATED ALWAYS AS \(|\bCHECK \(|KEY +\(.*?\([^0-9)]`)

// dates matches types and functions of dates.
var dates = regexp.MustCompile(`(?i)date|day|month|year|interval|\btime\b`)

// Add adds a column, key or constraint of a definition: its text, and the text without its
// quoted parts.
func (c *Computed) Add(definition, unquoted string, columns []Column) {
	if !computed.MatchString(unquoted) {
		return
	}
	c.Any, c.Dates = true, c.Dates || dates.MatchString(unquoted)
	for _, column := range columns {
		if strings.Contains(definition, query.Quote(column.Name)) && !slices.Contains(c.From, column.Name) {
			c.From = append(c.From, column.Name)
		}
	}
}

// MayWarn reports whether a warning may be of an expression: the servers name in it the
// column that is computed, a column that is computed from, or none.
func (c *Computed) MayWarn(columns []Column, message string) bool {
	return c.Any && !slices.ContainsFunc(columns, func(column Column) bool {
		named := strings.Contains(message, "column '"+column.Name+"'") || strings.Contains(message, "column "+query.Quote(column.Name)) ||
			strings.Contains(message, "."+query.Quote(column.Name))
		return named && !slices.Contains(c.From, column.Name)
	})
}

// DependsOnZone reports whether something is computed from a TIMESTAMP, which has another
// value in each time zone.
func (c *Computed) DependsOnZone(columns []Column) bool {
	return slices.ContainsFunc(columns, func(column Column) bool { return column.Type == "timestamp" && slices.Contains(c.From, column.Name) })
}
