package replication

import (
	"github.com/dcmigrate/migrate/phrase"
)

// Some names the first of a list and counts the others.
func Some(names []string) string { return phrase.FirstOf(5, names) }
