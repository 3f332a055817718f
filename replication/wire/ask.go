package wire

import (
	"context"
	"errors"

	"github.com/go-sql-driver/mysql"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// Limits of the questions in one packet. A site of many small tables is asked
// several things about each, and a source may be an ocean away: a round trip for
// every answer would take longer than the rows do.
const (
	StatementsAtOnce = 256
	bytesAtOnce      = 256 << 10
)

// PacketGoal is how many bytes of statements go into one packet of several
// statements.
func (c *Conn) PacketGoal() int { return min(bytesAtOnce, c.maxPacket/2) }

// OpenForQuestions opens a connection that asks for definitions: names and texts come as
// UTF-8 and are sorted by all of their bytes, and statistics are not cached.
func OpenForQuestions(ctx context.Context, s *replication.Server, settings ...string) (*Conn, error) {
	d, err := s.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	settings = append(settings, "SET NAMES utf8mb4 COLLATE utf8mb4_bin", d.ExactTexts(), "SET SESSION max_sort_length = 1024")
	return Open(ctx, s, append(settings, d.FreshStatistics()...)...)
}

// Ask asks on a connection of its own; see Conn.Ask.
func Ask(ctx context.Context, s *replication.Server, queries []string, take func(i int, rows []query.Record, err error) error) error {
	c, err := OpenForQuestions(ctx, s)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Ask(ctx, queries, take)
}

// Ask sends queries with small results, many to a packet, and calls take with
// the answer of each, in their order. For a query that the server refuses, take
// gets its error; if take returns nil, the next queries are asked. A query that was the
// victim of a deadlock, as those with DDL are, is asked again, unless that has ended a
// transaction.
func (c *Conn) Ask(ctx context.Context, queries []string, take func(i int, rows []query.Record, err error) error) error {
	for i, tries := 0, 0; i < len(queries); {
		n, size, limit := 0, 0, c.PacketGoal()
		for n == 0 || n < StatementsAtOnce && i+n < len(queries) && size+len(queries[i+n]) < limit {
			size += len(queries[i+n])
			n++
		}
		answers, refused := c.RunAll(ctx, queries[i:i+n]...)
		for _, a := range answers {
			if err := take(i, a.records(), nil); err != nil {
				return err
			}
			i++
		}
		if refused == nil {
			continue
		}
		if server := (*mysql.MySQLError)(nil); !errors.As(refused, &server) || c.lost {
			return refused
		}
		if query.ErrorNumber(refused) == 1213 && tries < deadlockTries && !c.Pinned() {
			tries++
			report.Note(ctx, "a question about definitions: again after %v (%d of %d)", refused, tries, deadlockTries)
			if err := wait.For(ctx, deadlockPause); err != nil {
				return err
			}
			continue
		}
		if err := take(i, nil, refused); err != nil {
			return err
		}
		i++
	}
	return nil
}
