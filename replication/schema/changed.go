package schema

import (
	"errors"

	"github.com/dcmigrate/migrate/replication/query"
)

// ErrSchemaChanged means that DDL ran while the seed ran, and that the seed must
// begin anew.
var ErrSchemaChanged = errors.New("the schema changed during the seed (H3)")

// ErrTableChanged means that DDL ran on a table while it was read.
var ErrTableChanged = errors.New("the table changed while it was copied (H3)")

// ChangedError joins ErrTableChanged to an error by which a server says that DDL
// has changed a table since its shape was read. Other errors stay as they are.
func ChangedError(err error) error {
	switch query.ErrorNumber(err) {
	case 1412, 1146, 1054, 1049, 1051: // ER_TABLE_DEF_CHANGED, no such table, column, schema
		return errors.Join(ErrTableChanged, err)
	}
	return err
}
