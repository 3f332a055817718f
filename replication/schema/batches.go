package schema

import (
	"context"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
)

const (
	// MostBatch is about how many tables are taken up together: what is needed of
	// one while it is copied is a few kilobytes.
	MostBatch = 2000
	// PageBatches is how many waves of one schema are listed together: a server
	// looks at all tables of the schema for each list.
	PageBatches = 10
)

// Batch is tables that are taken up together: those of some schemas, or of one
// schema those whose names are from `from` on and before `to`.
type Batch struct {
	Schemas  []string
	From, To string                // "" is no bound
	Kinds    map[table.Name]string // kindTable, kindSequence
	Size     BatchSize
}

// Batches cuts what a server has into parts that fit in memory.
type Batches struct {
	server  *replication.Server
	Schemas []string
	Most    int                  // tables
	Tables  map[string]int       // of each schema
	Sizes   map[string]BatchSize // what there is to copy, where that is of interest
}

// BatchSize is what there is to copy, by the source's statistics.
type BatchSize struct {
	Tables      int
	Bytes, Rows int64
}

// Plus is the sum of two sizes.
func (s BatchSize) Plus(o BatchSize) BatchSize {
	return BatchSize{s.Tables + o.Tables, s.Bytes + o.Bytes, s.Rows + o.Rows}
}

// Minus is the difference of two sizes.
func (s BatchSize) Minus(o BatchSize) BatchSize {
	return BatchSize{max(s.Tables-o.Tables, 0), max(s.Bytes-o.Bytes, 0), max(s.Rows-o.Rows, 0)}
}

// Where is the condition for a wave's notes, whose names are bytes: a collation would
// leave spaces at their ends out of account.
func (w Batch) Where() string {
	list := make([]string, len(w.Schemas))
	for i, name := range w.Schemas {
		list[i] = query.Literal(name)
	}
	out := " WHERE table_schema IN (" + strings.Join(list, ",") + ")"
	if w.From != "" {
		out += fmt.Sprintf(" AND table_name >= 0x%X", w.From)
	}
	if w.To != "" {
		out += fmt.Sprintf(" AND table_name < 0x%X", w.To)
	}
	return out
}

// Covers reports whether a table's name is one of the wave's.
func (w Batch) Covers(name string) bool {
	return name >= w.From && (w.To == "" || name < w.To)
}

const isTable = "TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE')"

// NewBatches asks how many tables there are, views among them: servers know that
// without opening any.
func NewBatches(ctx context.Context, server *replication.Server, schemas []string, most int) (*Batches, error) {
	w := &Batches{server: server, Schemas: schemas, Most: most, Tables: map[string]int{}}
	queries := make([]string, len(schemas))
	for i, schema := range schemas {
		queries[i] = "SELECT COUNT(*) AS number FROM information_schema.TABLES WHERE TABLE_SCHEMA = " + query.Literal(schema)
	}
	return w, wire.Ask(ctx, server, queries, func(i int, rows []query.Record, err error) error {
		if err != nil || len(rows) == 0 {
			return server.Wrap("count the tables of "+schemas[i], replication.FirstError(err, replication.ErrGone))
		}
		w.Tables[schemas[i]] = int(table.Estimate(rows[0]["number"]))
		return nil
	})
}

// SchemaSizes is what there is to copy of each schema.
func SchemaSizes(ctx context.Context, server *replication.Server, schemas []string) (map[string]BatchSize, error) {
	out := map[string]BatchSize{}
	queries := make([]string, len(schemas))
	for i, schema := range schemas {
		queries[i] = `SELECT COUNT(*) AS number, COALESCE(SUM(DATA_LENGTH), 0) AS bytes, COALESCE(SUM(TABLE_ROWS), 0) AS n
			FROM information_schema.TABLES WHERE ` + isTable + ` AND TABLE_SCHEMA = ` + query.Literal(schema)
	}
	return out, wire.Ask(ctx, server, queries, func(i int, rows []query.Record, err error) error {
		if err != nil || len(rows) == 0 {
			return server.Wrap("read the size of "+schemas[i], replication.FirstError(err, replication.ErrGone))
		}
		out[schemas[i]] = BatchSize{int(table.Estimate(rows[0]["number"])), table.Estimate(rows[0]["bytes"]), table.Estimate(rows[0]["n"])}
		return nil
	})
}

// All is how many tables there are, about: views count as well.
func (w *Batches) All() int {
	n := 0
	for _, tables := range w.Tables {
		n += tables
	}
	return n
}

// Count is how many of them a wave is.
func (w *Batches) Count(one Batch) int {
	if one.From != "" || one.To != "" {
		return len(one.Kinds)
	}
	n := 0
	for _, schema := range one.Schemas {
		n += w.Tables[schema]
	}
	return n
}

// Each lists the tables, wave by wave, without the seed's own.
func (w *Batches) Each(ctx context.Context, do func(Batch) error) error {
	for schemas := w.Schemas; len(schemas) > 0; {
		n, tables, size := 0, 0, BatchSize{}
		for n == 0 || n < len(schemas) && n < wire.StatementsAtOnce && tables+w.Tables[schemas[n]] <= w.Most {
			tables, size = tables+w.Tables[schemas[n]], size.Plus(w.Sizes[schemas[n]])
			n++
		}
		some := schemas[:n]
		schemas = schemas[n:]
		if tables > 2*w.Most {
			if err := w.eachOf(ctx, some[0], do); err != nil {
				return err
			}
			continue
		}
		one := Batch{Schemas: some, Size: size, Kinds: map[table.Name]string{}}
		if err := w.list(ctx, some, one.take); err != nil {
			return err
		}
		if err := do(one); err != nil {
			return err
		}
	}
	return nil
}

// eachOf cuts a schema of many tables by their names.
func (w *Batches) eachOf(ctx context.Context, schema string, do func(Batch) error) error {
	for from, more := "", true; more; {
		page, next, err := w.page(ctx, schema, from)
		if err != nil {
			return err
		}
		more = next != ""
		page = append(page, Object{Name: next}) // where the last wave ends, or nowhere
		for end := len(page) - 1; ; {
			n := min(w.Most, end)
			if err := do(w.part(schema, from, page[:n], page[n].Name)); err != nil {
				return err
			}
			from, page, end = page[n].Name, page[n:], end-n
			if end == 0 {
				break
			}
		}
	}
	return nil
}

// page lists tables of a schema from a name on, for some waves.
func (w *Batches) page(ctx context.Context, schema, from string) (tables []Object, next string, err error) {
	asker, err := wire.OpenForQuestions(ctx, w.server)
	if err != nil {
		return nil, "", err
	}
	defer asker.Close()
	return ListTables(ctx, asker, schema, from, PageBatches*w.Most)
}

func (w *Batches) part(schema, from string, tables []Object, to string) Batch {
	one := Batch{Schemas: []string{schema}, From: from, To: to, Kinds: map[table.Name]string{}}
	for _, t := range tables {
		one.take(t)
	}
	all, n := w.Sizes[schema], int64(len(tables))
	of := int64(max(all.Tables, 1))
	one.Size = BatchSize{len(tables), all.Bytes * n / of, all.Rows * n / of}
	return one
}

// list lists the tables of schemas.
func (w *Batches) list(ctx context.Context, schemas []string, take func(Object)) error {
	queries := make([]string, len(schemas))
	for i, schema := range schemas {
		queries[i] = objectLists[0].query + query.Literal(schema)
	}
	return wire.Ask(ctx, w.server, queries, func(i int, rows []query.Record, err error) error {
		if err != nil {
			return w.server.Wrap("list the tables of "+schemas[i], err)
		}
		for _, t := range rows {
			take(Object{Kind: tableKinds[t["kind"]], Schema: schemas[i], Name: t["name"]})
		}
		return nil
	})
}

// take takes in a table that is none of the seed's own.
func (w Batch) take(t Object) {
	if !t.IsSeedTable() {
		w.Kinds[table.Name{Schema: t.Schema, Name: t.Name}] = t.Kind
	}
}
