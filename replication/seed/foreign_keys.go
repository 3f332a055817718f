package seed

import (
	"context"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication/binlog"
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

// movesKeys reports whether a foreign key whose action changes values of the child's
// columns thereby changes values that a key of the child's own children refers to.
func (k *cascade) movesKeys(next *cascade) bool {
	return k.onUpdate && next.onUpdate && slices.ContainsFunc(k.columns, func(name string) bool {
		return slices.ContainsFunc(next.parent, func(other string) bool { return strings.EqualFold(name, other) })
	})
}

// reference finds rows of a child: those that have one of a cascade's values in its
// columns.
type reference struct {
	cascade  *cascade
	value    table.Key
	onSource bool // look for them on the source, else on the target
	// orphansOf is the parent if only those count that have lost it: see syncOrphans.
	orphansOf *sourceTable
}

func (r reference) text() string {
	side := "target"
	if r.onSource {
		side = "source"
	}
	return side + "\x00" + strings.Join(r.cascade.columns, "\x00") + "\x00\x00" + strings.Join(r.value, ",")
}

// The log names no row that the action of a foreign key has changed. Such a row still has
// on the target what it had before the action, unless it was read again since, and so it
// is found there by the value that its parent had before:
//
//   - If the log names the parent, that value is in the log. A row that has the new value
//     because of the action is found on the source by it: its own key may be new.
//   - If the parent itself was changed by an action, that value is in the target's row of
//     the parent. So whatever replaces or deletes such a row of the target compares it before
//     and afterwards, and looks for the children that have either value. It does so only
//     once the parent is read again, so that they are read after it. See syncSegment.
//   - A parent that is itself a child may take a value that another one has lost by an action.
//     Children that still have it on the target are of that other one, so that new values
//     are looked for, too, even those of inserted rows.
//   - Such a parent may come and go between two readings: the target never has its row, and
//     may get its children nevertheless, if they were read before it went. So the values that
//     the log names of it are looked for once more behind the rows: see syncOrphans.
//
// That is not enough where the target never had the parent's row as its children know it:
// the parent was copied after them; it is not on the target yet, because it is copied at the
// end, or never, because it is not part of the copy; its events cannot be read; or its value
// changed twice by actions. Then all rows of the child are compared, by its key and its
// references: see compareDoubtful.

// addReferences adds references to the rows that a foreign key has changed because of an
// event on its parent.
func (c *changes) addReferences(into *logSegment, parent *sourceTable, k *cascade, images binlog.Images) {
	acts := images.Change == binlog.Delete && k.onDelete || images.Change == binlog.Update && k.onUpdate
	isChild := len(parent.lookups) > 0
	if !acts && !isChild {
		return
	}
	child, known := into.table(k.child)
	known = known && child.chunked()
	columns := images.Find(parent.columnsNamed(k.parent))
	for row := range images.Count {
		if isChild && known && images.Change != binlog.Delete {
			values, _ := images.After(columns, row) // one that the log does not name was named where the row came from
			for _, value := range values {
				into.addReference(child, reference{cascade: k, value: value, orphansOf: parent})
			}
		}
		if images.Change == binlog.Update && !images.Changes(columns, row) {
			continue
		}
		if acts {
			c.act(into, k, images.Change == binlog.Update)
		}
		if images.Change != binlog.Insert {
			values, reading := images.Before(columns, row)
			c.addValues(into, child, known, values, reading, reference{cascade: k})
		}
		if images.Change == binlog.Delete || images.Change == binlog.Insert && !isChild {
			continue
		}
		values, reading := images.After(columns, row)
		c.addValues(into, child, known, values, reading, reference{cascade: k})
		if acts {
			c.addValues(into, child, known, values, reading, reference{cascade: k, onSource: true})
		}
	}
}

func (c *changes) addValues(into *logSegment, child *sourceTable, known bool, values []table.Key, reading binlog.Reading, r reference) {
	if reading == binlog.Missing {
		c.doubt(into, r.cascade.child)
	}
	for _, value := range values {
		if r.value = value; known {
			into.addReference(child, r)
		}
	}
}

func (c *logSegment) addReference(child *sourceTable, r reference) {
	into := c.references
	if r.orphansOf != nil {
		into = c.orphans
	}
	if into[child] == nil {
		into[child] = map[string]reference{}
	}
	text := r.text()
	if _, ok := into[child][text]; !ok {
		into[child][text] = r
		c.count++
	}
}

// act notes that a foreign key acts.
func (c *changes) act(into *logSegment, k *cascade, changesValues bool) {
	if into == c.logSegment {
		c.reach(into, k, changesValues)
		return
	}
	into.acts[k] = into.acts[k] || changesValues // it acts where the log commits it
}

// reachedKey says how a foreign key was reached.
type reachedKey struct {
	cascade       *cascade
	changesValues bool
}

// reach doubts the tables behind a foreign key that acts whose rows cannot be followed.
func (c *changes) reach(into *logSegment, k *cascade, changesValues bool) {
	if c.followed[reachedKey{k, changesValues}] {
		return
	}
	c.followed[reachedKey{k, changesValues}] = true
	child, known := c.known.get(k.child)
	followed := known && child.chunked() && !c.copied(k.child)
	next := c.known.cascades[k.child]
	for i := range next {
		moves := changesValues && k.movesKeys(&next[i])
		if !followed || moves {
			c.doubt(into, next[i].child)
		}
		c.reach(into, &next[i], moves)
	}
}

// doubt notes that foreign keys may have changed rows of a table that no reference finds.
// A table that is not compared passes it on.
func (c *changes) doubt(into *logSegment, id table.Name) {
	if into.doubtful[id] {
		return
	}
	into.doubtful[id] = true
	if t, ok := c.known.get(id); !ok || !t.chunked() {
		c.doubtChildren(into, id)
	}
}

// doubtChildren doubts the children of a table whose changes are not known.
func (c *changes) doubtChildren(into *logSegment, id table.Name) {
	list := c.known.cascades[id]
	for i := range list {
		c.doubt(into, list[i].child)
		c.act(into, &list[i], true)
	}
}

func (t *sourceTable) columnsNamed(wanted []string) []table.Column {
	var out []table.Column
	for _, name := range wanted {
		for _, c := range t.Columns {
			if strings.EqualFold(c.Name, name) {
				out = append(out, c)
			}
		}
	}
	return out
}

// dependencies are the source's foreign keys whose actions change rows, and whether it has
// sequences.
type dependencies struct {
	cascades  map[table.Name][]cascade  // by parent
	lookups   map[table.Name][][]string // by child: the columns by which its rows must be found
	sequences bool
}

// readDependencies reads them for all schemas at once: a foreign key may lead from one
// schema to another, and to one that is not copied. A source that logs what foreign keys
// do has none whose children must be found.
func (r *run) readDependencies(ctx context.Context) (dependencies, error) {
	source, found := r.Pair.Source, dependencies{cascades: map[table.Name][]cascade{}, lookups: map[table.Name][][]string{}}
	dialect, err := source.Dialect(ctx)
	if err != nil {
		return found, err
	}
	db, err := source.DB(ctx)
	if err != nil {
		return found, err
	}
	variables, err := query.Variables(ctx, db, "innodb_native_foreign_keys")
	if err != nil {
		return found, source.Wrap("ask who acts for foreign keys", err)
	}
	schemas, err := schema.Names(ctx, db, nil)
	if err != nil {
		return found, err
	}
	schemas = append(slices.DeleteFunc(schemas, func(s string) bool { return slices.Contains(r.schemas, s) }), r.schemas...)
	var queries []string
	for _, schema := range schemas {
		queries = append(queries, cascadesOf(schema), dialect.SequenceOf(schema))
	}
	logged := dialect.LogsCascades(variables)
	err = wire.Ask(ctx, source, queries, func(i int, rows []query.Record, err error) error {
		switch {
		case err != nil:
			return source.Wrap("read the foreign keys of "+schemas[i/2], err)
		case i%2 == 0 && !logged:
			found.addForeignKeys(rows)
		case i%2 == 1:
			found.sequences = found.sequences || len(rows) > 0 && slices.Contains(r.schemas, schemas[i/2])
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
