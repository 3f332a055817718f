package conflict

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
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
	touchesAtOnce = 500
	touchBytes    = 256 << 10
	// mostShares bounds the passes over both logs.
	mostShares = 4096
)

// errTooManyKeys says that a pass would need more memory than it may,
// errUnordered that the same transactions stand in another order in the other log.
var (
	errTooManyKeys = errors.New("too many keys for one pass")
	errUnordered   = errors.New("the logs have the same transactions in different orders")
)

// touch is one write of one key.
type touch struct {
	by    binlog.Transaction
	op    string
	table *binlog.Table
	key   string
	parts []binlog.KeyPart
	row   [16]byte // its row, so that a unique key of the same row is not told twice
	// nth is the transaction's number among those of its server, seen how many
	// of the other server's that server had executed before it.
	nth, seen uint64
}

// write is what is kept of a touch of the side that was left.
type write struct {
	nth, seen uint64
	by        binlog.Transaction
	op        string
	row       [16]byte
}

// keyWrites are the writes of one key on the side that was left, in their order.
type keyWrites struct {
	writes          []write
	inTurn, crossed bool
	report          int // its place in the report's list from 1; 0: none
}

// conflictScan finds keys that were written on both sides without either
// having the other's write. One log is read into memory, by the hashes of its
// keys; the other is held against it. Both servers log what comes by the link
// in the order of commits, so counting is enough to know what a transaction
// could see: s, the nth of one side, was not there yet for t exactly when less
// than the nth of that side's transactions precedes t in the log of t's server.
type conflictScan struct {
	left, entered *binlog.Reader
	schemas       []string               // empty: all but the system's
	start, goal   [2]replication.GTIDSet // in the log of the side that was left, in the other
	limit         int                    // of writes in memory
	most          int                    // conflicts to list
	report        *Report

	ids       [2]binlog.Origin
	tables    map[string]*binlog.Table
	collator  binlog.Collator
	keys      map[[16]byte]*keyWrites
	held      int
	share, of int    // this pass does keys whose hash is share modulo of
	unordered bool   // the links do not keep the order of commits
	known     uint64 // transactions of the entered side that the other log has
	unsure    map[string]bool
}

// run reads both logs, as often as the memory needs.
func (c *conflictScan) run(ctx context.Context) error {
	c.tables, c.of = map[string]*binlog.Table{}, 1
	blank := *c.report
	for {
		err := c.passes(ctx)
		switch {
		case errors.Is(err, errUnordered):
			report.Note(ctx, "%s: a link does not keep the order of commits: every row that both sides wrote is listed", c.report.Pair)
			c.unordered = true
		case errors.Is(err, errTooManyKeys) && c.of < mostShares:
			c.of *= 8
			report.Note(ctx, "%s: more writes than fit in memory: the logs are read in %d passes", c.report.Pair, c.of)
		default:
			return err
		}
		*c.report = blank
	}
}

func (c *conflictScan) passes(ctx context.Context) error {
	c.unsure = map[string]bool{}
	for _, t := range c.tables {
		c.doubtKeys(t)
	}
	for c.share = 0; c.share < c.of; c.share++ {
		if err := c.pass(ctx); err != nil {
			return err
		}
	}
	c.report.Unsure = slices.Sorted(maps.Keys(c.unsure))
	return nil
}

func (c *conflictScan) pass(ctx context.Context) error {
	c.keys, c.held = map[[16]byte]*keyWrites{}, 0
	first := &logVisitor{scan: c, side: 0, reader: c.left, apply: c.remember}
	if err := c.left.Read(ctx, c.start[0], c.goal[0], first); err != nil {
		return err
	}
	if err := first.flush(ctx); err != nil {
		return err
	}
	c.known = first.other.n
	second := &logVisitor{scan: c, side: 1, reader: c.entered, apply: c.hold}
	if err := c.entered.Read(ctx, c.start[1], c.goal[1], second); err != nil {
		return err
	}
	if err := second.flush(ctx); err != nil {
		return err
	}
	// The same transactions in another order on the other side: what a
	// transaction could see is not known by counting.
	differ := first.muddled || second.muddled || first.other.n == second.matched.n && first.other.order != second.matched.order ||
		first.own.n == second.other.n && first.own.order != second.other.order
	if differ && !c.unordered {
		return errUnordered
	}
	for _, k := range c.keys {
		if k.inTurn && !k.crossed {
			c.report.InTurn++
		}
	}
	return nil
}

// remember keeps a write of the side that was left. Of writes with nothing of
// the other side between them, the last says all.
func (c *conflictScan) remember(t touch) {
	h := t.hash()
	if int(binary.BigEndian.Uint16(h[:]))%c.of != c.share {
		return
	}
	k := c.keys[h]
	if k == nil {
		k = &keyWrites{}
		c.keys[h] = k
	}
	w := write{t.nth, t.seen, t.by, t.op, t.row}
	if n := len(k.writes); n > 0 && k.writes[n-1].seen == t.seen && k.writes[n-1].row == t.row {
		k.writes[n-1] = w
		return
	}
	k.writes = append(k.writes, w)
	c.held++
}

// hold holds a write of the entered side against the other's.
func (c *conflictScan) hold(t touch) {
	h := t.hash()
	k := c.keys[h]
	if k == nil {
		return
	}
	unique := t.key != "" && t.key != "PRIMARY"
	first := 0
	if !c.unordered { // both numbers grow along the list
		first = sort.Search(len(k.writes), func(i int) bool { return k.writes[i].nth > t.seen })
	}
	for _, w := range k.writes[first:] {
		if w.seen >= t.nth && !c.unordered {
			break
		}
		if !unique || w.row != t.row { // else the row itself tells it
			c.found(k, t, w)
			return
		}
	}
	k.inTurn = k.inTurn || !unique
}

func (c *conflictScan) found(k *keyWrites, t touch, w write) {
	if k.crossed {
		if k.report > 0 {
			c.report.Conflicts[k.report-1].Times++
		}
		return
	}
	k.crossed = true
	c.report.Found++
	if len(c.report.Conflicts) >= c.most {
		return
	}
	c.report.Conflicts = append(c.report.Conflicts, Conflict{
		Table: t.table.Title, Key: t.describe(), Unique: t.uniqueName(), Times: 1,
		Left:    Write{GTID: w.by.ID.String(), At: w.by.At, What: w.op},
		Entered: Write{GTID: t.by.ID.String(), At: t.by.At, What: t.op},
	})
	k.report = len(c.report.Conflicts)
}

func (t touch) uniqueName() string {
	if t.key == "PRIMARY" {
		return ""
	}
	return t.key
}

// describe is the key as SQL literals; a row without a primary key is named by its hash.
func (t touch) describe() string {
	if t.key == "" {
		hash := t.hash()
		return fmt.Sprintf("(no primary key) row %x", hash[:8])
	}
	texts := make([]string, len(t.parts))
	for i, p := range t.parts {
		texts[i] = p.String()
	}
	return strings.Join(texts, ", ")
}

// hash is by what the same key is known on both sides.
func (t touch) hash() [16]byte {
	return hashParts(t.table.Title+"\x00"+t.key, t.parts, true)
}

func hashParts(head string, parts []binlog.KeyPart, weighed bool) [16]byte {
	text := []byte(head)
	for _, p := range parts {
		value := p.Raw
		if weighed && p.Weight != nil {
			value = p.Weight
		}
		text = fmt.Appendf(text, "\x00%t %d:", p.Null, len(value))
		text = append(text, value...)
	}
	sum := sha256.Sum256(text) // spread evenly over the shares, and nobody can aim at another's
	return [16]byte(sum[:16])
}

// counted is how far the transactions of a server have come in a log. MySQL's
// are counted, and their order is kept. On MariaDB the last sequence number
// tells: it grows within a domain, and what comes by the link and changes
// nothing is not in the log there.
type counted struct{ n, order uint64 }

// add reports whether the transaction is in order.
func (c *counted) add(g replication.GTID, id binlog.Origin) bool {
	if g.UUID == "" {
		ordered := g.Domain == id.Domain && g.Sequence > c.n
		c.n = max(c.n, g.Sequence)
		return ordered
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %s", c.order, g)
	c.n, c.order = c.n+1, h.Sum64()
	return true
}

// moved reports whether rows of the schema are moved.
func (c *conflictScan) moved(name string) bool {
	if len(c.schemas) > 0 {
		return slices.Contains(c.schemas, name)
	}
	return name != replication.OwnSchema && !slices.Contains(schema.SystemSchemas, strings.ToLower(name))
}

// doubt notes, once, what the logs could not tell.
func (c *conflictScan) doubt(format string, args ...any) {
	const most = 1000
	if len(c.unsure) < most {
		c.unsure[fmt.Sprintf(format, args...)] = true
	}
}

func (c *conflictScan) doubtKeys(t *binlog.Table) {
	for _, key := range t.Unused {
		c.doubt("unique key %s of %s: it is over an expression or a virtual column", key, t.Title)
	}
}

// table is a table's shape on the entered side.
func (c *conflictScan) table(ctx context.Context, e *logevent.RowsEvent) (*binlog.Table, error) {
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
	c.doubtKeys(t)
	c.tables[schema+"\x00"+name] = t
	return t, nil
}
