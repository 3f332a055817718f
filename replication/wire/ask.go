package wire

import (
	"context"
	"errors"

	"github.com/go-sql-driver/mysql"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
)

// What one packet of questions may hold. A site of many small tables is asked
// several things of each, and a source may be an ocean away: a round trip for
// every answer would take longer than the rows do.
const (
	StatementsAtOnce = 256
	BytesAtOnce      = 256 << 10
)

// OpenForQuestions opens a connection that asks for definitions: names and texts come as
// UTF-8 and are sorted by all of their bytes, and counters are as they are now.
func OpenForQuestions(ctx context.Context, s *replication.Server, settings ...string) (*Conn, error) {
	dialect, err := s.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	settings = append(settings, "SET NAMES utf8mb4 COLLATE utf8mb4_bin", "SET SESSION max_sort_length = 1024")
	return Open(ctx, s, append(settings, dialect.FreshStatistics()...)...)
}

// Ask asks on a connection of its own.
func Ask(ctx context.Context, s *replication.Server, queries []string, take func(i int, rows []query.Record, err error) error) error {
	w, err := OpenForQuestions(ctx, s)
	if err != nil {
		return err
	}
	defer w.Close()
	return w.Ask(ctx, queries, take)
}

// Ask sends queries with small results, many to a packet, and hands the answer
// of each to take, in their order. A query that the server refuses is handed
// over with its error; if take returns nil, the next ones are asked.
func (w *Conn) Ask(ctx context.Context, queries []string, take func(i int, rows []query.Record, err error) error) error {
	for i := 0; i < len(queries); {
		n, size, most := 0, 0, min(BytesAtOnce, w.Most/2)
		for n == 0 || n < StatementsAtOnce && i+n < len(queries) && size+len(queries[i+n]) < most {
			size += len(queries[i+n])
			n++
		}
		answers, refused := w.Several(ctx, queries[i:i+n]...)
		for _, a := range answers {
			if err := take(i, a.records(), nil); err != nil {
				return err
			}
			i++
		}
		if refused == nil {
			continue
		}
		if server := (*mysql.MySQLError)(nil); !errors.As(refused, &server) || w.Broken {
			return refused
		}
		if err := take(i, nil, refused); err != nil {
			return err
		}
		i++
	}
	return nil
}
