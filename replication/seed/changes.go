package seed

import (
	"maps"
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
	mismatches   map[table.Name]int  // how often a table's events could not be read, in all segments
	ddl                              // what statements have done
	statementErr error               // the log holds a statement in place of rows: errStatement
	current      replication.GTID    // the transaction that is being read

	branch   *logSegment                         // what the distributed transaction (XA) that is being read has changed, else nil
	prepared map[replication.XID]preparedChanges // of all segments
	copied   func(table.Name) bool               // whether a table was copied since the reached position
	followed map[reachedKey]bool                 // see reach
}

// logSegment holds the rows that one part of the log has changed.
type logSegment struct {
	known      *knownTables
	tables     map[table.Name]*sourceTable
	keys       map[*sourceTable]map[string]table.Key
	references map[*sourceTable]map[string]reference // to rows that foreign keys may have changed
	orphans    map[*sourceTable]map[string]reference // to rows whose parents may have come and gone
	count      int
	acts       map[*cascade]bool   // of a distributed transaction: the foreign keys that act, and whether they change values
	doubtful   map[table.Name]bool // of all segments: tables of which foreign keys may have changed rows that no reference finds
	recopied   map[table.Name]bool // tables that are copied again as a whole
	ended      []replication.XID   // distributed transactions that were committed in it
	unread     map[table.Name]bool // doubtful tables that were found while it was brought up to date
}

func newLogSegment(known *knownTables) *logSegment {
	return &logSegment{
		known: known, tables: map[table.Name]*sourceTable{}, keys: map[*sourceTable]map[string]table.Key{},
		references: map[*sourceTable]map[string]reference{}, orphans: map[*sourceTable]map[string]reference{}, acts: map[*cascade]bool{}, doubtful: map[table.Name]bool{}, recopied: map[table.Name]bool{},
		unread: map[table.Name]bool{},
	}
}

// maxMismatches is how often a table is copied again because its events have another
// shape.
const maxMismatches = 3

func newChanges(known *knownTables, schemas []string, mismatches map[table.Name]int, prepared map[replication.XID]preparedChanges, copied func(table.Name) bool) *changes {
	schemaSet := map[string]bool{}
	for _, schema := range schemas {
		schemaSet[schema] = true
	}
	return &changes{
		logSegment: newLogSegment(known), schemaSet: schemaSet, schemas: schemas, mismatches: mismatches, dirty: map[table.Name]bool{}, snapshotOnly: map[table.Name]bool{},
		ddl: newDDL(), prepared: prepared, copied: copied, followed: map[reachedKey]bool{},
	}
}

// takeSegment returns the segment that has been read and begins a new one, which inherits
// the doubtful tables.
func (c *changes) takeSegment() *logSegment {
	out := c.logSegment
	out.recopied = maps.Clone(c.dirty)
	maps.Copy(out.recopied, c.snapshotOnly)
	c.logSegment = newLogSegment(out.known)
	c.doubtful = out.doubtful
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
func (c *logSegment) isLarge(times, keys int) bool {
	return c.count >= times*keys || len(c.tables) >= times*maxSegmentTables
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

// addEvent adds the rows of one event.
func (c *changes) addEvent(e *logevent.RowsEvent, broken bool) {
	id := table.Name{Schema: string(e.Table.Schema), Name: string(e.Table.Table)}
	if (schema.Object{Schema: id.Schema, Name: id.Name}).IsSeedTable() {
		return
	}
	into := c.logSegment
	if c.branch != nil {
		into = c.branch
	}
	t, ok := c.known.get(id)
	if ok {
		t, ok = into.table(id)
	}
	switch {
	case !c.schemaSet[id.Schema]:
		if e.Type() != logevent.EnumRowsEventTypeInsert {
			c.doubtChildren(into, id)
		}
		return
	case ok && t.sequence:
		return
	case !ok || c.dirty[id]:
		into.recopied[id] = true
		if !ok {
			c.appear(id)
		}
		return
	case !t.chunked() && len(t.cascades) == 0:
		return
	}
	images, ok := t.log.Images(e)
	if broken || !ok {
		c.addUnreadable(into, id, broken)
		return
	}
	c.addRows(into, t, images)
}

// addUnreadable adds a table's event whose rows cannot be read: either DDL has run, which
// the log will tell, or they can never be.
func (c *changes) addUnreadable(into *logSegment, id table.Name, never bool) {
	into.recopied[id] = true
	c.doubtChildren(into, id)
	if t, ok := c.known.get(id); ok && !t.chunked() {
		return
	}
	if c.mismatches[id]++; never || c.mismatches[id] > maxMismatches {
		c.snapshotOnly[id] = true
	} else {
		c.dirty[id] = true
	}
}

// addRows adds the rows of an event, and what foreign keys have done to their children.
func (c *changes) addRows(into *logSegment, t *sourceTable, images binlog.Images) {
	columns := images.Find(t.keyCols)
	for row := range images.Count {
		if !t.chunked() {
			break
		}
		var before, after []table.Key
		readBefore, readAfter := binlog.Complete, binlog.Complete
		if images.Change != binlog.Insert {
			before, readBefore = images.Before(columns, row)
		}
		if images.Change == binlog.Insert || images.Change == binlog.Update && images.Changes(columns, row) {
			after, readAfter = images.After(columns, row)
		}
		for _, key := range before {
			into.addKey(t, key)
		}
		for _, key := range after {
			into.addKey(t, key)
		}
		if readBefore != binlog.Complete || readAfter != binlog.Complete {
			c.addUnreadable(into, t.id(), false) // of a session with another binlog_row_image
		}
	}
	for i := range t.cascades {
		c.addReferences(into, t, &t.cascades[i], images)
	}
}

// preparedChanges are the rows of a distributed transaction that is prepared. They are
// visible once it is committed.
type preparedChanges struct {
	*logSegment
	id replication.GTID // that prepared it
}

// addXA adds a step of a distributed transaction. Its rows count as changed where the log
// commits it. An end without its rows is of a transaction that was prepared before the copy
// began, which waited for it. final is false if the log will be read again from before the
// step.
func (c *changes) addXA(step binlog.XAStep, x replication.XID, final bool) {
	branch := c.branch
	if step != binlog.XAStarted {
		c.branch = nil
	}
	switch step {
	case binlog.XAStarted:
		c.branch = newLogSegment(c.known)
	case binlog.XAPrepared:
		c.prepared[x] = preparedChanges{branch, c.current}
	case binlog.XAOnePhase:
		c.merge(branch)
	case binlog.XACommitted:
		if p, ok := c.prepared[x]; ok {
			c.merge(p.logSegment)
		}
		c.ended = append(c.ended, x)
	case binlog.XARolledBack:
	}
	if final && (step == binlog.XACommitted || step == binlog.XARolledBack) {
		delete(c.prepared, x)
	}
}

// merge adds the rows of a distributed transaction that was committed.
func (c *changes) merge(branch *logSegment) {
	for id := range branch.recopied {
		if t, ok := c.known.get(id); !ok {
			c.appear(id)
		} else if t.chunked() {
			c.dirty[id] = true
		}
	}
	for then, keys := range branch.keys {
		t, ok := c.table(then.id())
		if !ok || !t.chunked() {
			continue // it is gone, or copied at the end
		}
		if t.keyName != then.keyName {
			c.dirty[then.id()] = true
			continue
		}
		for _, key := range keys {
			c.addKey(t, key)
		}
	}
	for _, all := range []map[*sourceTable]map[string]reference{branch.references, branch.orphans} {
		for then, references := range all {
			for _, r := range references {
				if t, ok := c.table(then.id()); ok && t.chunked() {
					c.addReference(t, r)
				}
			}
		}
	}
	for k, changesValues := range branch.acts {
		c.reach(c.logSegment, k, changesValues)
	}
	for id := range branch.doubtful {
		c.doubt(c.logSegment, id)
	}
}

// forgetRows keeps only the tables of a distributed transaction that is too large for
// memory.
func (c *changes) forgetRows(branch *logSegment) {
	for t := range branch.keys {
		branch.recopied[t.id()] = true
	}
	for _, all := range []map[*sourceTable]map[string]reference{branch.references, branch.orphans} {
		for t := range all {
			branch.doubtful[t.id()] = true
		}
		clear(all)
	}
	branch.keys, branch.count = map[*sourceTable]map[string]table.Key{}, 0
}
