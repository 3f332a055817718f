package wire

import (
	"context"
	"errors"
	"strings"
)

// Prefetch sends queries in one packet. Query, given the same queries in the same
// order, then reads their results without a round trip for each. The results
// wait in the network's buffers meanwhile, so they must be small. The server does
// not run the queries behind one that fails: Query sends those again. Any other
// statement in between ends the connection and drops the results that wait.
func (c *Conn) Prefetch(ctx context.Context, queries []string) error {
	c.DropPrefetched()
	if err := c.Restore(ctx); err != nil {
		return err
	}
	defer c.guard(ctx)()
	if err := c.setMultiStatements(ctx, true); err != nil {
		return err
	}
	if err := c.send(comQuery, textPacket(strings.Join(queries, "; "))); err != nil {
		return c.fail(ctx, err)
	}
	c.prefetched = queries
	return nil
}

// errUnread means that prefetched results wait to be read: the next answer on the
// connection would be theirs.
var errUnread = errors.New("results wait that were asked for ahead")

// DropPrefetched ends the connection if prefetched results were not read.
func (c *Conn) DropPrefetched() {
	if len(c.prefetched) > 0 {
		c.lost = true // before Close, whose COM_QUIT does not belong in front of unread results
		c.Close()
	}
	c.prefetched = nil
}
