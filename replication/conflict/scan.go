package conflict

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	logevent "github.com/go-mysql-org/go-mysql/replication"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/report"
)

const (
	batchChanges = 500
	batchBytes   = 256 << 10
	// maxShares bounds the number of passes over both logs.
	maxShares = 4096
)

var (
	// errTooManyKeys says that a pass would need more memory than it may.
	errTooManyKeys = errors.New("too many keys for one pass")
	// errUnordered says that the two logs have the same transactions in different orders.
	errUnordered = errors.New("the logs have the same transactions in different orders")
)

// leftWrite is what a scan keeps of a keyChange of the side that was left.
type leftWrite struct {
	nth, seen uint64
	by        binlog.Transaction
	op        string
	row       [16]byte
}

// leftWrites are the writes of one key on the side that was left, in their order.
type leftWrites struct {
	writes  []leftWrite
	inTurn  bool // a write of the entered side saw them all
	crossed bool // a write of the entered side and one of them did not see each other
	report  int  // its number in the report's list, from 1; 0 is none
}

// scan finds keys that both sides wrote without having the other's write. It reads one
// log into memory, by the hashes of its keys, and compares the other with it. Both
// servers log the transactions that arrive by the link in the order of their commits,
// so counting is enough to know what a transaction could see: transaction t of one
// server did not see the nth transaction of the other exactly if fewer than n
// transactions of the other precede t in the log of t's server.
type scan struct {
	left, entered *binlog.Reader
	schemas       []string               // empty is all but the system's
	start, goal   [2]replication.GTIDSet // in the log of the side that was left, and in the other
	limit         int                    // of writes in memory
	maxListed     int                    // conflicts to list
	report        *Report

	ids           [2]binlog.Origin
	tables        map[string]*binlog.Table
	collator      binlog.Collator
	keys          map[[16]byte]*leftWrites
	writesHeld    int
	share, shares int    // this pass handles the keys whose hash modulo shares is share
	unordered     bool   // a link does not keep the order of commits
	known         uint64 // how many transactions of the entered side the other log has
	unsure        map[string]bool
}

// run reads both logs, in as many passes as the memory needs.
func (c *scan) run(ctx context.Context) error {
	c.tables, c.shares = map[string]*binlog.Table{}, 1
	empty := *c.report
	for {
		err := c.passes(ctx)
		switch {
		case errors.Is(err, errUnordered):
			report.Note(ctx, "%s: a link does not keep the order of commits: every row that both sides wrote is listed", c.report.Pair)
			c.unordered = true
		case errors.Is(err, errTooManyKeys) && c.shares < maxShares:
			c.shares *= 8
			report.Note(ctx, "%s: more writes than fit in memory: the logs are read in %d passes", c.report.Pair, c.shares)
		default:
			return err
		}
		*c.report = empty
	}
}

// passes reads both logs once for each share of the keys.
func (c *scan) passes(ctx context.Context) error {
	c.unsure = map[string]bool{}
	for _, t := range c.tables {
		c.noteUnusedKeys(t)
	}
	for c.share = 0; c.share < c.shares; c.share++ {
		if err := c.pass(ctx); err != nil {
			return err
		}
	}
	c.report.Unsure = slices.Sorted(maps.Keys(c.unsure))
	return nil
}

// pass reads both logs once, for the keys of the current share.
func (c *scan) pass(ctx context.Context) error {
	c.keys, c.writesHeld = map[[16]byte]*leftWrites{}, 0
	first := &logVisitor{scan: c, side: 0, reader: c.left, apply: c.remember}
	if err := c.left.Read(ctx, c.start[0], c.goal[0], first); err != nil {
		return err
	}
	if err := first.flush(ctx); err != nil {
		return err
	}
	c.known = first.other.n
	second := &logVisitor{scan: c, side: 1, reader: c.entered, apply: c.match}
	if err := c.entered.Read(ctx, c.start[1], c.goal[1], second); err != nil {
		return err
	}
	if err := second.flush(ctx); err != nil {
		return err
	}
	// If the other log has the same transactions in another order, counting does not
	// tell what a transaction could see.
	reordered := first.disordered || second.disordered || first.other.n == second.matched.n && first.other.order != second.matched.order ||
		first.own.n == second.other.n && first.own.order != second.other.order
	if reordered && !c.unordered {
		return errUnordered
	}
	for _, k := range c.keys {
		if k.inTurn && !k.crossed {
			c.report.InTurn++
		}
	}
	return nil
}

// remember keeps a write of the side that was left. Of several writes of a row with no
// transaction of the other side between them, the last is enough.
func (c *scan) remember(change keyChange) {
	h := change.hash()
	if int(binary.BigEndian.Uint16(h[:]))%c.shares != c.share {
		return
	}
	k := c.keys[h]
	if k == nil {
		k = &leftWrites{}
		c.keys[h] = k
	}
	w := leftWrite{change.nth, change.seen, change.by, change.op, change.row}
	if n := len(k.writes); n > 0 && k.writes[n-1].seen == change.seen && k.writes[n-1].row == change.row {
		k.writes[n-1] = w
		return
	}
	k.writes = append(k.writes, w)
	c.writesHeld++
}

// match compares a write of the entered side with those of the other side.
func (c *scan) match(change keyChange) {
	h := change.hash()
	k := c.keys[h]
	if k == nil {
		return
	}
	unique := change.key != "" && change.key != "PRIMARY"
	first := 0
	if !c.unordered { // both numbers grow along the list
		first = sort.Search(len(k.writes), func(i int) bool { return k.writes[i].nth > change.seen })
	}
	for _, w := range k.writes[first:] {
		if w.seen >= change.nth && !c.unordered {
			break
		}
		if !unique || w.row != change.row { // else the row's primary key reports it
			c.addConflict(k, change, w)
			return
		}
	}
	k.inTurn = k.inTurn || !unique
}

// addConflict counts the key of a write of each side as a conflict, once, and lists it
// while the list is short.
func (c *scan) addConflict(k *leftWrites, change keyChange, w leftWrite) {
	if k.crossed {
		if k.report > 0 {
			c.report.Conflicts[k.report-1].Times++
		}
		return
	}
	k.crossed = true
	c.report.Found++
	if len(c.report.Conflicts) >= c.maxListed {
		return
	}
	c.report.Conflicts = append(c.report.Conflicts, Conflict{
		Table: change.table.Title, Key: change.describe(), Unique: change.uniqueName(), Times: 1,
		Left:    Write{GTID: w.by.ID.String(), At: w.by.At, What: w.op},
		Entered: Write{GTID: change.by.ID.String(), At: change.by.At, What: change.op},
	})
	k.report = len(c.report.Conflicts)
}

// inScope reports whether the schema is one of the pair's.
func (c *scan) inScope(name string) bool {
	if len(c.schemas) > 0 {
		return slices.Contains(c.schemas, name)
	}
	return name != replication.OwnSchema && !slices.Contains(schema.SystemSchemas, strings.ToLower(name))
}

// noteUnsure adds to the report, once, what the logs do not show.
func (c *scan) noteUnsure(format string, args ...any) {
	const maxUnsure = 1000
	if len(c.unsure) < maxUnsure {
		c.unsure[fmt.Sprintf(format, args...)] = true
	}
}

// noteUnusedKeys adds the keys of a table that cannot be read from the log.
func (c *scan) noteUnusedKeys(t *binlog.Table) {
	for _, key := range t.Unused {
		c.noteUnsure("unique key %s of %s: it is over an expression or a virtual column", key, t.Title)
	}
}

// table reads the shape of an event's table on the entered side, once.
func (c *scan) table(ctx context.Context, e *logevent.RowsEvent) (*binlog.Table, error) {
	schema, name := string(e.Table.Schema), string(e.Table.Table)
	if t, ok := c.tables[schema+"\x00"+name]; ok {
		return t, nil
	}
	db, err := c.entered.Server.DB(ctx)
	if err != nil {
		return nil, err
	}
	t, err := binlog.ReadTable(ctx, db, c.entered.Dialect, schema, name)
	if err != nil {
		return nil, c.entered.Server.Wrap("read a table's shape", err)
	}
	c.noteUnusedKeys(t)
	c.tables[schema+"\x00"+name] = t
	return t, nil
}
