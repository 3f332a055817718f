package schema

import (
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication"
)

// The seed's own tables on the target, in migrate's schema and out of the binlog.
// They stand here because they are never listed among the tables to copy.
const (
	SeedTables  = "seed_tables"  // notes on tables
	SeedParts   = "seed_parts"   // notes on parts of tables, committed together with the rows that they tell of
	SeedDoubts  = "seed_doubts"  // tables whose rows are to be compared
	SeedControl = "seed_control" // what a running seed is told while it runs
)

// IsSeedTable reports whether the object is migrate's own marker or one of the
// seed's tables, which are never copied.
func (o Object) IsSeedTable() bool {
	return o.Schema == replication.OwnSchema && slices.ContainsFunc([]string{replication.MarkerTable, SeedTables, SeedParts, SeedDoubts, SeedControl},
		func(name string) bool { return strings.EqualFold(o.Name, name) })
}
