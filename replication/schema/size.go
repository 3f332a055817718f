package schema

import (
	"cmp"
	"context"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/wire"
)

// Size is how much there is to copy, by the server's statistics.
type Size struct {
	Tables      int
	Bytes, Rows int64
}

// Plus is the sum of two sizes.
func (s Size) Plus(o Size) Size {
	return Size{s.Tables + o.Tables, s.Bytes + o.Bytes, s.Rows + o.Rows}
}

// Minus is the difference of two sizes, never less than zero.
func (s Size) Minus(o Size) Size {
	return Size{max(s.Tables-o.Tables, 0), max(s.Bytes-o.Bytes, 0), max(s.Rows-o.Rows, 0)}
}

// Sizes reads the size of each schema.
func Sizes(ctx context.Context, server *replication.Server, schemas []string) (map[string]Size, error) {
	out := map[string]Size{}
	queries := make([]string, len(schemas))
	for i, schema := range schemas {
		queries[i] = `SELECT COUNT(*) AS number, COALESCE(SUM(DATA_LENGTH), 0) AS bytes, COALESCE(SUM(TABLE_ROWS), 0) AS n
			FROM information_schema.TABLES WHERE ` + isTable + ` AND TABLE_SCHEMA = ` + query.Literal(schema)
	}
	return out, wire.Ask(ctx, server, queries, func(i int, rows []query.Record, err error) error {
		if err != nil || len(rows) == 0 {
			return server.Wrap("read the size of "+schemas[i], cmp.Or(err, replication.ErrGone))
		}
		out[schemas[i]] = Size{int(query.Number(rows[0]["number"])), query.Number(rows[0]["bytes"]), query.Number(rows[0]["n"])}
		return nil
	})
}
