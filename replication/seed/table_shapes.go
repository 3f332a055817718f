package seed

import (
	"crypto/sha256"
	"fmt"
	"iter"

	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
)

// knownTables is what the seed knows of the source's tables when they are made:
// all that following the binlog needs. A host of blogs has hundreds of thousands
// of tables of a dozen shapes: of each there is its name, and which shape.
type knownTables struct {
	shapes   []*seedTable // the first table of each
	numbers  map[[sha256.Size]byte]int32
	names    map[string]map[string]knownTable // by schema and name
	whole    map[table.Name]*seedTable        // those that need more: copied in a snapshot, sequences
	cascades map[table.Name][]cascade         // of a parent
}

func newKnownTables() *knownTables {
	return &knownTables{
		numbers: map[[sha256.Size]byte]int32{}, names: map[string]map[string]knownTable{}, whole: map[table.Name]*seedTable{}, cascades: map[table.Name][]cascade{},
	}
}

// knownTable is what tells a table from others of its shape.
type knownTable struct {
	shape       int32
	rows, bytes float32 // the server's estimates
}

// put takes in a table, in place of what it was before.
func (k *knownTables) put(t *seedTable) {
	id := t.id()
	k.drop(id)
	if t.sequence || !t.chunked() {
		k.whole[id] = t
		return
	}
	shape := sha256.Sum256(fmt.Appendf(nil, "%#v %#v %#v %q %q %v %v %v", t.Columns, t.log.Columns, t.log.Keys, t.log.Unused, t.keyName, t.keyAt, t.log.Hidden, t.counts))
	n, ok := k.numbers[shape]
	if !ok {
		first := *t
		first.Table = table.Table{Columns: t.Columns}
		first.rows, first.object, first.cascades, first.lookups = 0, schema.Object{}, nil, nil
		n = int32(len(k.shapes)) //nolint:gosec // a table each, at most
		k.shapes, k.numbers[shape] = append(k.shapes, &first), n
	}
	if k.names[id.Schema] == nil {
		k.names[id.Schema] = map[string]knownTable{}
	}
	k.names[id.Schema][id.Name] = knownTable{n, float32(t.rows), float32(t.Bytes)}
}

func (k *knownTables) drop(id table.Name) {
	delete(k.whole, id)
	delete(k.names[id.Schema], id.Name)
}

// get makes a table of what is known: without its definition, unless it is one
// that is made at the end.
func (k *knownTables) get(id table.Name) (*seedTable, bool) {
	if t, ok := k.whole[id]; ok {
		whole := *t
		whole.cascades = k.cascades[id]
		return &whole, true
	}
	this, ok := k.names[id.Schema][id.Name]
	if !ok {
		return nil, false
	}
	t, log := *k.shapes[this.shape], *k.shapes[this.shape].log
	t.Schema, t.Name, t.log, t.cascades = id.Schema, id.Name, &log, k.cascades[id]
	t.rows, t.Bytes = int64(this.rows), int64(this.bytes)
	log.Title = t.Title()
	return &t, true
}

// has is get without the table.
func (k *knownTables) has(id table.Name) bool {
	if _, ok := k.whole[id]; ok {
		return true
	}
	_, ok := k.names[id.Schema][id.Name]
	return ok
}

// of lists what is known of a schema.
func (k *knownTables) of(schema string) iter.Seq[table.Name] {
	return func(yield func(table.Name) bool) {
		for id := range k.whole {
			if id.Schema == schema && !yield(id) {
				return
			}
		}
		for name := range k.names[schema] {
			if !yield(table.Name{Schema: schema, Name: name}) {
				return
			}
		}
	}
}

// counting lists the tables that have an AUTO_INCREMENT.
func (k *knownTables) counting() iter.Seq[table.Name] {
	return func(yield func(table.Name) bool) {
		for id, t := range k.whole {
			if t.counts && !yield(id) {
				return
			}
		}
		for schema, names := range k.names {
			for name, this := range names {
				if k.shapes[this.shape].counts && !yield(table.Name{Schema: schema, Name: name}) {
					return
				}
			}
		}
	}
}
