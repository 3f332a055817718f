package seed

import (
	"maps"
	"slices"
	"strings"

	logevent "github.com/go-mysql-org/go-mysql/replication"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
)

// changes collects what a segment of the source's binlog has changed: rows by their keys,
// and tables as a whole. The values of rows are not taken from the log: they are read
// again from the source, exactly.
type changes struct {
	*logSegment
	schemas   []string
	schemaSet map[string]bool // the same as a set

	dirty        map[table.Name]bool // to be copied again as a whole
	snapshotOnly map[table.Name]bool // the log does not tell their rows: they are copied in a snapshot from now on
	mismatches   map[table.Name]int  // how often a table's events had another shape, in all segments
	ddl                              // what statements have done
	statementErr error               // the log holds a statement in place of rows: errStatement
	current      replication.GTID    // the transaction that is being read
	prepared     bool                // it is only prepared (XA)
}

// logSegment holds the rows that one part of the log has changed.
type logSegment struct {
	known      *knownTables
	tables     map[table.Name]*sourceTable
	keys       map[*sourceTable]map[string]table.Key
	references map[*sourceTable]map[string]cascadeValue // of rows that foreign keys refer to
	count      int
	recopied   map[table.Name]bool // tables that are copied again as a whole
}

func newLogSegment(known *knownTables) *logSegment {
	return &logSegment{
		known: known, tables: map[table.Name]*sourceTable{}, keys: map[*sourceTable]map[string]table.Key{}, references: map[*sourceTable]map[string]cascadeValue{},
	}
}

// cascadeValue is a value of a parent's columns to which rows of a child may refer.
type cascadeValue struct {
	cascade *cascade
	before  table.Key // the old value: the rows that referred to it have changed
	after   table.Key // the new value, if the parent was updated
}

// maxMismatches is how often a table is copied again because its events have another
// shape.
const maxMismatches = 3

func newChanges(known *knownTables, schemas []string, mismatches map[table.Name]int) *changes {
	schemaSet := map[string]bool{}
	for _, schema := range schemas {
		schemaSet[schema] = true
	}
	return &changes{logSegment: newLogSegment(known), schemaSet: schemaSet, schemas: schemas, mismatches: mismatches, dirty: map[table.Name]bool{}, snapshotOnly: map[table.Name]bool{}, ddl: newDDL()}
}

// takeSegment returns the segment that has been read and begins a new one.
func (c *changes) takeSegment() *logSegment {
	out := c.logSegment
	out.recopied = maps.Clone(c.dirty)
	maps.Copy(out.recopied, c.snapshotOnly)
	c.logSegment = newLogSegment(out.known)
	return out
}

// table returns a known table, always the same pointer within a segment.
func (c *logSegment) table(id table.Name) (*sourceTable, bool) {
	t, ok := c.tables[id]
	if !ok {
		if t, ok = c.known.get(id); ok {
			c.tables[id] = t
		}
	}
	return t, ok
}

// maxSegmentTables is the number of tables at which a segment ends.
const maxSegmentTables = 5000

// isLarge reports whether the segment has reached the given multiple of its usual size.
func (c *logSegment) isLarge(times int) bool {
	return c.count >= times*maxSegmentKeys || len(c.tables) >= times*maxSegmentTables
}

func (c *logSegment) addKey(t *sourceTable, key table.Key) {
	if c.keys[t] == nil {
		c.keys[t] = map[string]table.Key{}
	}
	text := strings.Join(key, ",")
	if _, ok := c.keys[t][text]; !ok {
		c.keys[t][text] = key
		c.count++
	}
}

func (c *logSegment) addReference(child *sourceTable, v cascadeValue) {
	if c.references[child] == nil {
		c.references[child] = map[string]cascadeValue{}
	}
	text := strings.Join(v.cascade.columns, ",") + "\x00" + strings.Join(v.before, ",") + "\x00" + strings.Join(v.after, ",")
	if _, ok := c.references[child][text]; !ok {
		c.references[child][text] = v
		c.count++
	}
}

// addEvent adds the rows of one event.
func (c *changes) addEvent(e *logevent.RowsEvent, broken bool) {
	id := table.Name{Schema: string(e.Table.Schema), Name: string(e.Table.Table)}
	if !c.schemaSet[id.Schema] || (schema.Object{Schema: id.Schema, Name: id.Name}).IsSeedTable() || c.dirty[id] {
		return
	}
	t, ok := c.table(id)
	switch {
	case !ok:
		c.appear(id)
		return
	case t.sequence:
		return
	case c.prepared:
		c.dirty[id] = true
	case broken:
		c.snapshotOnly[id] = true
		return
	}
	if !t.chunked() && len(t.cascades) == 0 {
		return
	}
	places, ok := t.log.Places(e)
	if !ok {
		// Either DDL has run, which the log will tell, or the shape cannot be read at all.
		if c.mismatches[id]++; c.mismatches[id] <= maxMismatches {
			c.dirty[id] = true
		} else {
			c.snapshotOnly[id] = true
		}
		return
	}
	step := 1
	if e.Type() == logevent.EnumRowsEventTypeUpdate {
		step = 2
	}
	for i := 0; i+step <= len(e.Rows); i += step {
		before, after := logRow{t, places, e, i}, logRow{t, places, e, i + step - 1}
		if t.chunked() && (!c.addKeys(t, before) || step == 2 && !c.addKeys(t, after)) {
			c.snapshotOnly[id] = true
		}
		if e.Type() != logevent.EnumRowsEventTypeInsert {
			c.addCascades(t, before, after, step == 2)
		}
	}
}

// logRow is one image of a row in an event.
type logRow struct {
	table  *sourceTable
	places []int
	event  *logevent.RowsEvent
	index  int
}

// literals returns the literals that the image's value of a column may have. known is
// false if the log leaves the column out because it was not changed.
func (r logRow) literals(c table.Column) (values []string, known bool) {
	at := slices.IndexFunc(r.table.log.Columns, func(l binlog.Column) bool { return l.Name == c.Name })
	if at < 0 || r.places[at] < 0 || r.places[at] >= len(r.event.Rows[r.index]) {
		return nil, true
	}
	place := r.places[at]
	if r.index < len(r.event.SkippedColumns) && slices.Contains(r.event.SkippedColumns[r.index], place) {
		return nil, false
	}
	return c.LogLiterals(r.event.Rows[r.index][place]), true
}

// possibleKeys returns the values that columns may have in the image; ok is false if one
// is NULL or unreadable.
func (r logRow) possibleKeys(columns []table.Column) (all []table.Key, ok bool) {
	all = []table.Key{nil}
	for _, c := range columns {
		values, known := r.literals(c)
		if !known {
			return nil, true // unchanged: the other image has it
		}
		if len(values) == 0 {
			return nil, false
		}
		if len(values) == 1 && len(all) == 1 {
			all[0] = append(all[0], values[0])
			continue
		}
		var next []table.Key
		for _, head := range all {
			for _, v := range values {
				next = append(next, append(slices.Clone(head), v))
			}
		}
		all = next
	}
	return all, true
}

func (c *changes) addKeys(t *sourceTable, row logRow) bool {
	keys, ok := row.possibleKeys(t.keyCols)
	for _, key := range keys {
		c.addKey(t, key)
	}
	return ok
}

// addCascades adds what foreign keys have done to the children of a changed row.
func (c *changes) addCascades(t *sourceTable, before, after logRow, update bool) {
	for i := range t.cascades {
		k := &t.cascades[i]
		child, ok := c.table(k.child)
		if !ok || !child.chunked() || update && !k.onUpdate || !update && !k.onDelete {
			continue
		}
		columns := t.columnsNamed(k.parent)
		was, okWas := before.possibleKeys(columns)
		var now []table.Key
		if update {
			var okNow bool
			if now, okNow = after.possibleKeys(columns); okNow && okWas && slices.EqualFunc(was, now, slices.Equal[table.Key]) {
				continue
			}
		}
		if !okWas {
			continue // no row refers to a NULL
		}
		for _, b := range was {
			c.addReference(child, cascadeValue{cascade: k, before: b})
		}
		for _, b := range now {
			c.addReference(child, cascadeValue{cascade: k, after: b})
		}
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
