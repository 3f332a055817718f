package seed

import (
	"context"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
)

// cascade is a foreign key of a child whose action changes the child's rows, which the
// binlog does not show.
type cascade struct {
	child           table.Name
	columns, parent []string // the child's columns, and the parent's columns that they refer to
	onDelete        bool
	onUpdate        bool
}

// dependencies are the source's foreign keys whose actions change rows, and whether it has
// sequences.
type dependencies struct {
	cascades  map[table.Name][]cascade  // by parent
	lookups   map[table.Name][][]string // by child: the columns by which its rows must be found
	sequences bool
}

// readDependencies reads them for all schemas at once: a foreign key may lead from one
// schema to another.
func (r *run) readDependencies(ctx context.Context) (dependencies, error) {
	source, found := r.Pair.Source, dependencies{cascades: map[table.Name][]cascade{}, lookups: map[table.Name][][]string{}}
	dialect, err := source.Dialect(ctx)
	if err != nil {
		return found, err
	}
	var queries []string
	for _, schema := range r.schemas {
		queries = append(queries, cascadesOf(schema), dialect.SequenceOf(schema))
	}
	err = wire.Ask(ctx, source, queries, func(i int, rows []query.Record, err error) error {
		if err != nil {
			return source.Wrap("read the foreign keys of "+r.schemas[i/2], err)
		}
		if i%2 == 0 {
			found.addForeignKeys(rows)
		} else {
			found.sequences = found.sequences || len(rows) > 0
		}
		return nil
	})
	for _, list := range found.cascades {
		for _, c := range list {
			found.lookups[c.child] = append(found.lookups[c.child], c.columns)
		}
	}
	return found, err
}

// uncopiedTable returns a table of the source that the seed has not noted, or the zero
// name. It lists the source's tables again, independently of everything that the run
// knows.
func (r *run) uncopiedTable(ctx context.Context) (uncopied table.Name, err error) {
	batches, err := schema.NewBatches(ctx, r.Pair.Source, r.schemas, r.Options.batchTables)
	if err != nil {
		return uncopied, err
	}
	return uncopied, batches.Each(ctx, func(b schema.Batch) error {
		noted, err := r.notes.read(ctx, b)
		for id := range b.Kinds {
			if err == nil && noted[id] == nil {
				uncopied = id
			}
		}
		return err
	})
}
