package seed

import (
	"context"
	"errors"
	"strings"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
)

// maxOrphans is the number of values that are carried to the next segment.
const maxOrphans = 10_000

// orphanedValue is a value that rows of a child have on the target, and that no row of the
// parent has there.
type orphanedValue struct {
	cascade *cascade
	parent  table.Name
	value   table.Key
}

// syncOrphans brings the children up to date that have a value of a segment's parents, or of
// an earlier segment's, and no parent on the target. Its parent has gone before it was read,
// or comes with a later segment: what is an orphan still is looked for again then.
func (c *rowSync) syncOrphans(ctx context.Context, s *logSegment) error {
	for _, o := range c.orphaned {
		child, ok := s.table(o.cascade.child)
		parent, known := s.table(o.parent)
		if ok && known && child.chunked() {
			s.addReference(child, reference{cascade: o.cascade, value: o.value, orphansOf: parent})
		}
	}
	clear(c.orphaned)
	for child, all := range s.orphans {
		for text, r := range all {
			if s.recopied[child.id()] || s.recopied[r.orphansOf.id()] {
				delete(all, text) // the children of what is copied anew are compared
			}
		}
	}
	lookups := takeLookups(s.orphans)
	todo, found := lookups, false
	for len(todo) > 0 {
		var err error
		if todo, err = c.findChildren(ctx, s, todo); err != nil {
			return err
		}
		if found = found || len(s.keys) > 0; len(s.keys) > 0 { // none is the usual case
			if err := c.syncReferences(ctx, s); err != nil {
				return err
			}
		}
	}
	if !found {
		return nil
	}
	return c.carryOrphans(ctx, s, lookups)
}

// carryOrphans remembers the values that still are of orphans.
func (c *rowSync) carryOrphans(ctx context.Context, s *logSegment, lookups []*lookup) error {
	for _, l := range lookups {
		columns := l.child.columnsNamed(l.cascade.columns)
		if len(columns) < len(l.cascade.columns) { // a generated column
			s.unread[l.child.id()] = true
			continue
		}
		err := l.child.read(ctx, c.workers[0].to, columns, "WHERE "+l.where(), func(value table.Key) {
			r := reference{cascade: l.cascade, value: value}
			c.orphaned[r.text()] = orphanedValue{l.cascade, l.orphansOf.id(), value}
		})
		if err != nil && !errors.Is(err, schema.ErrTableChanged) { // the log will tell: it is copied again
			return err
		}
	}
	if len(c.orphaned) > maxOrphans {
		for _, o := range c.orphaned {
			s.unread[o.cascade.child] = true
		}
		clear(c.orphaned)
	}
	return nil
}

// isOrphan is a condition for the rows of a child whose parent is not there.
func (k *cascade) isOrphan(child, parent *sourceTable) string {
	terms := make([]string, len(k.columns))
	for i := range k.columns {
		terms[i] = "parent." + query.Quote(k.parent[i]) + " = " + child.Quoted() + "." + query.Quote(k.columns[i])
	}
	return "NOT EXISTS (SELECT 1 FROM " + parent.Quoted() + " AS parent WHERE " + strings.Join(terms, " AND ") + ")"
}
