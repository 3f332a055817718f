package conflict

import (
	"fmt"
	"hash/fnv"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
)

// logProgress is how far a reader has come in the transactions that a server wrote. On
// MySQL n counts them, and order is a hash of their order. On MariaDB n is the last
// sequence number: it grows within a domain, and counting would not do, because
// transactions that arrive by the link and change nothing are not in the log.
type logProgress struct{ n, order uint64 }

// add adds a transaction, and reports whether it is in order.
func (c *logProgress) add(g replication.GTID, id binlog.Origin) bool {
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
