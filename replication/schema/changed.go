package schema

import (
	"errors"

	"github.com/dcmigrate/migrate/replication/query"
)

// ErrSchemaChanged says that DDL ran in the seed's window that only a new
// beginning can follow.
var ErrSchemaChanged = errors.New("the schema changed during the seed (H3)")

// ErrTableChanged says that DDL ran on a table while it was read.
var ErrTableChanged = errors.New("the table changed while it was copied (H3)")

// ChangedError recognises what a server says of a table that DDL has changed
// since its shape was read.
func ChangedError(err error) error {
	switch query.ErrorNumber(err) {
	case 1412, 1146, 1054, 1049, 1051: // ER_TABLE_DEF_CHANGED, no such table, column, schema
		return errors.Join(ErrTableChanged, err)
	}
	return err
}

// ControlTable holds what a running seed is told while it runs.
const ControlTable = "seed_control"

// The seed's own notes, next to its marker on the target, out of the binlog:
// what stands is what was committed together with the rows that it tells of.
const (
	NotesTables = "seed_tables"
	NotesParts  = "seed_parts"
)
