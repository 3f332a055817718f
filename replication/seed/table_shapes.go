package seed

import (
	"crypto/sha256"
	"fmt"
	"iter"

	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
)

// knownTables holds what following the binlog needs of the source's tables once they are
// made. A host of blogs has hundreds of thousands of tables of a dozen shapes, so for most
// of them only the name and the number of the shape are kept.
type knownTables struct {
	shapes       []*sourceTable // the first table of each shape
	shapeNumbers map[[sha256.Size]byte]int32
	tables       map[string]map[string]knownTable // by schema and name
	atEnd        map[table.Name]*sourceTable      // tables that are kept as a whole because they are copied at the end: without a key, and sequences
	cascades     map[table.Name][]cascade         // by parent
	lookups      map[table.Name][][]string        // by child: see dependencies
}

func newKnownTables() *knownTables {
	return &knownTables{
		shapeNumbers: map[[sha256.Size]byte]int32{}, tables: map[string]map[string]knownTable{}, atEnd: map[table.Name]*sourceTable{}, cascades: map[table.Name][]cascade{},
	}
}

// knownTable is what distinguishes a table from others of its shape.
type knownTable struct {
	shape       int32
	rows, bytes float32 // the server's estimates
}

// put adds a table, or replaces it.
func (k *knownTables) put(t *sourceTable) {
	id := t.id()
	k.drop(id)
	if t.sequence || !t.chunked() {
		k.atEnd[id] = t
		return
	}
	shape := sha256.Sum256(fmt.Appendf(nil, "%#v %#v %#v %q %q %v %v %v %v", t.Columns, t.log.Columns, t.log.Keys, t.log.Unused, t.keyName, t.keyPositions, t.log.Hidden, t.hasCounter, t.computed))
	n, ok := k.shapeNumbers[shape]
	if !ok {
		first := *t
		first.Table = table.Table{Columns: t.Columns}
		first.rows, first.object, first.cascades, first.lookups = 0, schema.Object{}, nil, nil
		n = int32(len(k.shapes)) //nolint:gosec // at most one for each table
		k.shapes, k.shapeNumbers[shape] = append(k.shapes, &first), n
	}
	if k.tables[id.Schema] == nil {
		k.tables[id.Schema] = map[string]knownTable{}
	}
	k.tables[id.Schema][id.Name] = knownTable{n, float32(t.rows), float32(t.Bytes)}
}

func (k *knownTables) drop(id table.Name) {
	delete(k.atEnd, id)
	delete(k.tables[id.Schema], id.Name)
}

// get builds a table from its shape. It has no definition, unless it is one that is copied
// at the end.
func (k *knownTables) get(id table.Name) (*sourceTable, bool) {
	if t, ok := k.atEnd[id]; ok {
		whole := *t
		whole.cascades, whole.lookups = k.cascades[id], k.lookups[id]
		return &whole, true
	}
	this, ok := k.tables[id.Schema][id.Name]
	if !ok {
		return nil, false
	}
	t, log := *k.shapes[this.shape], *k.shapes[this.shape].log
	t.Schema, t.Name, t.log, t.cascades, t.lookups = id.Schema, id.Name, &log, k.cascades[id], k.lookups[id]
	t.rows, t.Bytes = int64(this.rows), int64(this.bytes)
	log.Title = t.Title()
	return &t, true
}

// has reports whether the table is known.
func (k *knownTables) has(id table.Name) bool {
	if _, ok := k.atEnd[id]; ok {
		return true
	}
	_, ok := k.tables[id.Schema][id.Name]
	return ok
}

// inSchema lists the known tables of a schema.
func (k *knownTables) inSchema(schema string) iter.Seq[table.Name] {
	return func(yield func(table.Name) bool) {
		for id := range k.atEnd {
			if id.Schema == schema && !yield(id) {
				return
			}
		}
		for name := range k.tables[schema] {
			if !yield(table.Name{Schema: schema, Name: name}) {
				return
			}
		}
	}
}

// withCounter lists the known tables that have an AUTO_INCREMENT.
func (k *knownTables) withCounter() iter.Seq[table.Name] {
	return k.where(func(t *sourceTable) bool { return t.hasCounter })
}

// where lists the known tables of which something holds that their shapes tell.
func (k *knownTables) where(holds func(*sourceTable) bool) iter.Seq[table.Name] {
	return func(yield func(table.Name) bool) {
		for id, t := range k.atEnd {
			if holds(t) && !yield(id) {
				return
			}
		}
		for schema, names := range k.tables {
			for name, this := range names {
				if holds(k.shapes[this.shape]) && !yield(table.Name{Schema: schema, Name: name}) {
					return
				}
			}
		}
	}
}
