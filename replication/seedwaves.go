package replication

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

const (
	// mostWave is about how many tables are taken up together: what is needed of
	// one while it is copied is a few kilobytes.
	mostWave = 2000
	// pageWaves is how many waves of one schema are listed together: a server
	// looks at all tables of the schema for each list.
	pageWaves = 10
)

// wave is tables that are taken up together: those of some schemas, or of one
// schema those whose names are from `from` on and before `to`.
type wave struct {
	schemas  []string
	from, to string               // "" is no bound
	kinds    map[tableName]string // kindTable, kindSequence
	size     waveSize
}

// waves cuts what a server has into parts that fit in memory.
type waves struct {
	server  *Server
	schemas []string
	most    int                 // tables
	tables  map[string]int      // of each schema
	sizes   map[string]waveSize // what there is to copy, where that is of interest
}

// waveSize is what there is to copy, by the source's statistics.
type waveSize struct {
	tables      int
	bytes, rows int64
}

func (s waveSize) plus(o waveSize) waveSize {
	return waveSize{s.tables + o.tables, s.bytes + o.bytes, s.rows + o.rows}
}

func (s waveSize) minus(o waveSize) waveSize {
	return waveSize{max(s.tables-o.tables, 0), max(s.bytes-o.bytes, 0), max(s.rows-o.rows, 0)}
}

// where is the condition for a wave's notes, whose names are bytes: a collation would
// leave spaces at their ends out of account.
func (w wave) where() string {
	list := make([]string, len(w.schemas))
	for i, name := range w.schemas {
		list[i] = literal(name)
	}
	out := " WHERE table_schema IN (" + strings.Join(list, ",") + ")"
	if w.from != "" {
		out += fmt.Sprintf(" AND table_name >= 0x%X", w.from)
	}
	if w.to != "" {
		out += fmt.Sprintf(" AND table_name < 0x%X", w.to)
	}
	return out
}

// covers reports whether a table's name is one of the wave's.
func (w wave) covers(name string) bool {
	return name >= w.from && (w.to == "" || name < w.to)
}

const isTable = "TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE')"

// newWaves asks how many tables there are, views among them: servers know that
// without opening any.
func newWaves(ctx context.Context, server *Server, schemas []string, most int) (*waves, error) {
	w := &waves{server: server, schemas: schemas, most: most, tables: map[string]int{}}
	queries := make([]string, len(schemas))
	for i, schema := range schemas {
		queries[i] = "SELECT COUNT(*) AS number FROM information_schema.TABLES WHERE TABLE_SCHEMA = " + literal(schema)
	}
	return w, askServer(ctx, server, queries, func(i int, rows []record, err error) error {
		if err != nil || len(rows) == 0 {
			return server.wrap("count the tables of "+schemas[i], firstError(err, errGone))
		}
		w.tables[schemas[i]] = int(estimate(rows[0]["number"]))
		return nil
	})
}

// schemaSizes is what there is to copy of each schema.
func schemaSizes(ctx context.Context, server *Server, schemas []string) (map[string]waveSize, error) {
	out := map[string]waveSize{}
	queries := make([]string, len(schemas))
	for i, schema := range schemas {
		queries[i] = `SELECT COUNT(*) AS number, COALESCE(SUM(DATA_LENGTH), 0) AS bytes, COALESCE(SUM(TABLE_ROWS), 0) AS n
			FROM information_schema.TABLES WHERE ` + isTable + ` AND TABLE_SCHEMA = ` + literal(schema)
	}
	return out, askServer(ctx, server, queries, func(i int, rows []record, err error) error {
		if err != nil || len(rows) == 0 {
			return server.wrap("read the size of "+schemas[i], firstError(err, errGone))
		}
		out[schemas[i]] = waveSize{int(estimate(rows[0]["number"])), estimate(rows[0]["bytes"]), estimate(rows[0]["n"])}
		return nil
	})
}

// all is how many tables there are, about: views count as well.
func (w *waves) all() int {
	n := 0
	for _, tables := range w.tables {
		n += tables
	}
	return n
}

// count is how many of them a wave is.
func (w *waves) count(one wave) int {
	if one.from != "" || one.to != "" {
		return len(one.kinds)
	}
	n := 0
	for _, schema := range one.schemas {
		n += w.tables[schema]
	}
	return n
}

// each lists the tables, wave by wave, without the seed's own.
func (w *waves) each(ctx context.Context, do func(wave) error) error {
	for schemas := w.schemas; len(schemas) > 0; {
		n, tables, size := 0, 0, waveSize{}
		for n == 0 || n < len(schemas) && n < askedStatements && tables+w.tables[schemas[n]] <= w.most {
			tables, size = tables+w.tables[schemas[n]], size.plus(w.sizes[schemas[n]])
			n++
		}
		some := schemas[:n]
		schemas = schemas[n:]
		if tables > 2*w.most {
			if err := w.eachOf(ctx, some[0], do); err != nil {
				return err
			}
			continue
		}
		one := wave{schemas: some, size: size, kinds: map[tableName]string{}}
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
func (w *waves) eachOf(ctx context.Context, schema string, do func(wave) error) error {
	for from, more := "", true; more; {
		page, next, err := w.page(ctx, schema, from)
		if err != nil {
			return err
		}
		more = next != ""
		page = append(page, object{Name: next}) // where the last wave ends, or nowhere
		for end := len(page) - 1; ; {
			n := min(w.most, end)
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
func (w *waves) page(ctx context.Context, schema, from string) (tables []object, next string, err error) {
	asker, err := openAsker(ctx, w.server)
	if err != nil {
		return nil, "", err
	}
	defer asker.close()
	return listTables(ctx, asker, schema, from, pageWaves*w.most)
}

func (w *waves) part(schema, from string, tables []object, to string) wave {
	one := wave{schemas: []string{schema}, from: from, to: to, kinds: map[tableName]string{}}
	for _, t := range tables {
		one.take(t)
	}
	all, n := w.sizes[schema], int64(len(tables))
	of := int64(max(all.tables, 1))
	one.size = waveSize{len(tables), all.bytes * n / of, all.rows * n / of}
	return one
}

// list lists the tables of schemas.
func (w *waves) list(ctx context.Context, schemas []string, take func(object)) error {
	queries := make([]string, len(schemas))
	for i, schema := range schemas {
		queries[i] = objectLists[0].query + literal(schema)
	}
	return askServer(ctx, w.server, queries, func(i int, rows []record, err error) error {
		if err != nil {
			return w.server.wrap("list the tables of "+schemas[i], err)
		}
		for _, t := range rows {
			take(object{Kind: tableKinds[t["kind"]], Schema: schemas[i], Name: t["name"]})
		}
		return nil
	})
}

// take takes in a table that is none of the seed's own.
func (w wave) take(t object) {
	if !t.isSeedTable() {
		w.kinds[tableName{t.Schema, t.Name}] = t.Kind
	}
}

// bonds are the foreign keys of the source whose actions change rows, and its sequences.
type bonds struct {
	cascades  map[tableName][]cascade  // of a parent
	lookups   map[tableName][][]string // the columns by which a child's rows must be found
	sequences bool
}

// readBonds asks for them; there are few on most servers, and any may lead from one schema to another.
func (r *seedRun) readBonds(ctx context.Context) (bonds, error) {
	source, found := r.pair.Source, bonds{cascades: map[tableName][]cascade{}, lookups: map[tableName][][]string{}}
	dialect, err := source.Dialect(ctx)
	if err != nil {
		return found, err
	}
	var queries []string
	for _, schema := range r.schemas {
		queries = append(queries, cascadesOf(schema), dialect.SequenceOf(schema))
	}
	err = askServer(ctx, source, queries, func(i int, rows []record, err error) error {
		if err != nil {
			return source.wrap("read the foreign keys of "+r.schemas[i/2], err)
		}
		if i%2 == 0 {
			found.bind(rows)
		} else {
			found.sequences = found.sequences || len(rows) > 0
		}
		return nil
	})
	for _, list := range found.cascades {
		for _, c := range list {
			found.lookups[c.child] = append(found.lookups[c.child], c.columns)
		}
	}
	return found, err
}

// lostTable is a table of the source that the seed has not noted, if there is
// one. It looks once more at what is there, beside all that the seed knows.
func (r *seedRun) lostTable(ctx context.Context) (lost tableName, err error) {
	waves, err := newWaves(ctx, r.pair.Source, r.schemas, r.options.waveTables)
	if err != nil {
		return lost, err
	}
	return lost, waves.each(ctx, func(w wave) error {
		noted, err := r.notes.read(ctx, w)
		for id := range w.kinds {
			if err == nil && noted[id] == nil {
				lost = id
			}
		}
		return err
	})
}

// sortedIDs are table names in their order.
func sortedIDs(ids []tableName) []tableName {
	slices.SortFunc(ids, func(a, b tableName) int { return cmp.Or(cmp.Compare(a.schema, b.schema), cmp.Compare(a.name, b.name)) })
	return ids
}
