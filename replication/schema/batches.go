package schema

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
)

const (
	// BatchTables is about how many tables a batch has: what is kept in memory of a
	// table while it is copied is a few kilobytes.
	BatchTables = 2000
	// PageBatches is how many batches of one schema are listed together: a server
	// looks at all tables of the schema for each list.
	PageBatches = 10
)

// Batch is tables that are worked on together: all tables of some schemas, or those
// of one schema whose names are in a range.
type Batch struct {
	Schemas  []string
	From, To string                // the range is From <= name < To, by bytes; "" is no bound
	Kinds    map[table.Name]string // KindTable or KindSequence, by table
	Size     Size
}

// WholeSchemas reports whether the batch is all tables of its schemas.
func (b Batch) WholeSchemas() bool { return b.From == "" && b.To == "" }

// Where is the condition that selects the batch's tables in a table with the columns
// table_schema and table_name. Names are compared as bytes: a collation would ignore
// spaces at their ends.
func (b Batch) Where() string {
	list := make([]string, len(b.Schemas))
	for i, name := range b.Schemas {
		list[i] = query.Literal(name)
	}
	out := " WHERE table_schema IN (" + strings.Join(list, ",") + ")"
	if b.From != "" {
		out += fmt.Sprintf(" AND table_name >= 0x%X", b.From)
	}
	if b.To != "" {
		out += fmt.Sprintf(" AND table_name < 0x%X", b.To)
	}
	return out
}

// Covers reports whether the batch's range has a table's name.
func (b Batch) Covers(name string) bool {
	return name >= b.From && (b.To == "" || name < b.To)
}

// add adds a table, unless it is one of the seed's own.
func (b Batch) add(t Object) {
	if !t.IsSeedTable() {
		b.Kinds[table.Name{Schema: t.Schema, Name: t.Name}] = t.Kind
	}
}

// Batches cuts the tables of a server into batches that fit in memory.
type Batches struct {
	server  *replication.Server
	schemas []string
	limit   int             // tables of a batch
	tables  map[string]int  // number by schema
	sizes   map[string]Size // by schema; nil before SetSizes
}

const isTable = "TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE')"

// NewBatches counts the tables of the schemas, and plans batches of about limit
// tables. Views are counted too: servers know that number without opening any table.
func NewBatches(ctx context.Context, server *replication.Server, schemas []string, limit int) (*Batches, error) {
	b := &Batches{server: server, schemas: schemas, limit: limit, tables: map[string]int{}}
	queries := make([]string, len(schemas))
	for i, schema := range schemas {
		queries[i] = "SELECT COUNT(*) AS number FROM information_schema.TABLES WHERE TABLE_SCHEMA = " + query.Literal(schema)
	}
	return b, wire.Ask(ctx, server, queries, func(i int, rows []query.Record, err error) error {
		if err != nil || len(rows) == 0 {
			return server.Wrap("count the tables of "+schemas[i], cmp.Or(err, replication.ErrGone))
		}
		b.tables[schemas[i]] = int(query.Number(rows[0]["number"]))
		return nil
	})
}

// SetSizes sets the sizes of the schemas, from which Each tells the size of each batch.
func (b *Batches) SetSizes(sizes map[string]Size) { b.sizes = sizes }

// Tables is about how many tables there are; views are counted too.
func (b *Batches) Tables() int {
	n := 0
	for _, tables := range b.tables {
		n += tables
	}
	return n
}

// TablesOf is how many of them a batch has.
func (b *Batches) TablesOf(batch Batch) int {
	if !batch.WholeSchemas() {
		return len(batch.Kinds)
	}
	n := 0
	for _, schema := range batch.Schemas {
		n += b.tables[schema]
	}
	return n
}

// Groups yields some of the schemas at a time, in their order: as many as have tables
// for one batch, but at most limit. large says that the group is a single schema
// whose tables do not fit in one batch.
func (b *Batches) Groups(limit int) iter.Seq2[[]string, bool] {
	return func(yield func(schemas []string, large bool) bool) {
		for rest := b.schemas; len(rest) > 0; {
			n, tables := 0, 0
			for n == 0 || n < len(rest) && n < limit && tables+b.tables[rest[n]] <= b.limit {
				tables += b.tables[rest[n]]
				n++
			}
			if !yield(rest[:n], tables > 2*b.limit) {
				return
			}
			rest = rest[n:]
		}
	}
}

// Each lists the tables batch by batch, without the seed's own tables.
func (b *Batches) Each(ctx context.Context, do func(Batch) error) error {
	for schemas, large := range b.Groups(wire.StatementsAtOnce) {
		if large {
			if err := b.eachOf(ctx, schemas[0], do); err != nil {
				return err
			}
			continue
		}
		batch := Batch{Schemas: schemas, Kinds: map[table.Name]string{}}
		for _, schema := range schemas {
			batch.Size = batch.Size.Plus(b.sizes[schema])
		}
		if err := b.list(ctx, schemas, batch.add); err != nil {
			return err
		}
		if err := do(batch); err != nil {
			return err
		}
	}
	return nil
}

// eachOf cuts a schema of many tables by their names.
func (b *Batches) eachOf(ctx context.Context, schema string, do func(Batch) error) error {
	for from, more := "", true; more; {
		page, next, err := b.page(ctx, schema, from)
		if err != nil {
			return err
		}
		more = next != ""
		page = append(page, Object{Name: next}) // where the last batch ends; "" is the end of the schema
		for end := len(page) - 1; ; {
			n := min(b.limit, end)
			if err := do(b.part(schema, from, page[:n], page[n].Name)); err != nil {
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

// page lists tables of a schema, beginning with a name, for some batches.
func (b *Batches) page(ctx context.Context, schema, from string) (tables []Object, next string, err error) {
	c, err := wire.OpenForQuestions(ctx, b.server)
	if err != nil {
		return nil, "", err
	}
	defer c.Close()
	return ListTables(ctx, c, schema, from, PageBatches*b.limit)
}

// part is the batch of some tables of a schema. Its size is the tables' share of the
// schema's size.
func (b *Batches) part(schema, from string, tables []Object, to string) Batch {
	batch := Batch{Schemas: []string{schema}, From: from, To: to, Kinds: map[table.Name]string{}}
	for _, t := range tables {
		batch.add(t)
	}
	all, n := b.sizes[schema], int64(len(tables))
	of := int64(max(all.Tables, 1))
	batch.Size = Size{len(tables), all.Bytes * n / of, all.Rows * n / of}
	return batch
}

// list lists the tables of schemas.
func (b *Batches) list(ctx context.Context, schemas []string, take func(Object)) error {
	queries := make([]string, len(schemas))
	for i, schema := range schemas {
		queries[i] = objectLists[0].query + query.Literal(schema)
	}
	return wire.Ask(ctx, b.server, queries, func(i int, rows []query.Record, err error) error {
		if err != nil {
			return b.server.Wrap("list the tables of "+schemas[i], err)
		}
		for _, t := range rows {
			take(Object{Kind: tableKinds[t["kind"]], Schema: schemas[i], Name: t["name"]})
		}
		return nil
	})
}
