package seed

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
)

// The phases of a table in the notes.
const (
	phaseNew          = "new"   // it may exist on the target half made, or in an old shape
	phaseMade         = "made"  // it is made; its parts tell what is copied
	phaseSnapshotOnly = "loose" // like new, and the binlog does not tell its rows: it is copied in a snapshot
	phaseComplete     = "whole" // its indexes and foreign keys are made, too
)

// keyRange is a range of a table's keys that one worker copies: the rows after pos, up to
// upper.
type keyRange struct {
	table     *sourceTable
	part      int
	pos       table.Key // nil: from the start
	upper     table.Key // nil: to the end
	chunkRows int64     // of the next chunk

	rowsDone int64 // in this run
	rowsLeft int64 // estimated
}

// notes reads and writes the seed's notes on the target.
type notes struct{ target *replication.Server }

func (n notes) create(ctx context.Context) error {
	session, err := n.target.Session(ctx, dialect.Unlogged)
	if err != nil {
		return err
	}
	defer session.Close()
	for _, t := range []struct{ name, columns string }{
		{schema.SeedTables, `table_schema VARBINARY(256) NOT NULL, table_name VARBINARY(256) NOT NULL, phase VARCHAR(8) NOT NULL,
			late LONGTEXT NOT NULL, PRIMARY KEY (table_schema, table_name)`},
		{schema.SeedParts, `table_schema VARBINARY(256) NOT NULL, table_name VARBINARY(256) NOT NULL, part INT NOT NULL, pos LONGTEXT NOT NULL,
			upper LONGTEXT NOT NULL, done TINYINT NOT NULL, row_count BIGINT NOT NULL DEFAULT 0, byte_count BIGINT NOT NULL DEFAULT 0,
			PRIMARY KEY (table_schema, table_name, part)`},
		{schema.SeedDoubts, `table_schema VARBINARY(256) NOT NULL, table_name VARBINARY(256) NOT NULL, PRIMARY KEY (table_schema, table_name)`},
	} {
		if err := replication.MakeOwnTable(ctx, session, t.name, t.columns); err != nil {
			return n.target.Wrap("make the seed's notes", err)
		}
	}
	return nil
}

// write runs statements in one transaction that does not reach the binlog.
func (n notes) write(ctx context.Context, statements ...string) error {
	session, err := n.target.Session(ctx, dialect.Unlogged)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := inOneTransaction(ctx, session, statements); err != nil {
		return n.target.Wrap("write the seed's notes", err)
	}
	return nil
}

// inOneTransaction runs statements in one transaction, again if a deadlock with another
// worker's notes rolled it back.
func inOneTransaction(ctx context.Context, session *replication.Session, statements []string) error {
	if len(statements) == 0 {
		return nil
	}
	return wire.RetryDeadlock(ctx, "the seed's notes", func() error { return tryTransaction(ctx, session, statements) })
}

func tryTransaction(ctx context.Context, session *replication.Session, statements []string) error {
	tx, err := session.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func whereTable(id table.Name) string {
	return " WHERE table_schema = " + query.Literal(id.Schema) + " AND table_name = " + query.Literal(id.Name)
}

// bytesPrefix begins the note of a definition with literals that are not UTF-8. No
// definition begins so.
const bytesPrefix = "0x"

// exactTexts are definitions as JSON keeps them.
func exactTexts(definitions []string) []string {
	out := slices.Clone(definitions)
	for i, d := range out {
		if !utf8.ValidString(d) {
			out[i] = bytesPrefix + hex.EncodeToString([]byte(d))
		}
	}
	return out
}

// readExact replaces what exactTexts has written by the definitions.
func readExact(noted []string) error {
	for i, d := range noted {
		digits, ok := strings.CutPrefix(d, bytesPrefix)
		if !ok {
			continue
		}
		text, err := hex.DecodeString(digits)
		if err != nil {
			return err
		}
		noted[i] = string(text)
	}
	return nil
}

// phaseNote notes a table's phase and its deferred definitions.
func phaseNote(t table.Name, phase string, deferred []string) string {
	text, _ := json.Marshal(exactTexts(deferred)) // a list of strings always marshals
	return "REPLACE INTO " + query.QuoteTable(replication.OwnSchema, schema.SeedTables) + " (table_schema, table_name, phase, late) VALUES (" +
		strings.Join([]string{query.Literal(t.Schema), query.Literal(t.Name), query.Literal(phase), query.Literal(string(text))}, ",") + ")"
}

// completeNote notes that tables have their indexes and keys.
func completeNote(tables []table.Name) string {
	list := make([]string, len(tables))
	for i, t := range tables {
		list[i] = "(" + query.Literal(t.Schema) + "," + query.Literal(t.Name) + ")"
	}
	return "UPDATE " + query.QuoteTable(replication.OwnSchema, schema.SeedTables) + " SET phase = " + query.Literal(phaseComplete) + ", late = 'null' WHERE (table_schema, table_name) IN (" +
		strings.Join(list, ",") + ")"
}

func forgetParts(t table.Name) string {
	return "DELETE FROM " + query.QuoteTable(replication.OwnSchema, schema.SeedParts) + whereTable(t)
}

func forgetTable(t table.Name) string {
	return "DELETE FROM " + query.QuoteTable(replication.OwnSchema, schema.SeedTables) + whereTable(t)
}

// doubtfulNote notes that the rows of a table are to be compared.
func doubtfulNote(t table.Name) string {
	return "REPLACE INTO " + query.QuoteTable(replication.OwnSchema, schema.SeedDoubts) + " (table_schema, table_name) VALUES (" +
		query.Literal(t.Schema) + "," + query.Literal(t.Name) + ")"
}

var forgetDoubtful = "DELETE FROM " + query.QuoteTable(replication.OwnSchema, schema.SeedDoubts)

// readDoubtful reads which tables are to be compared.
func (n notes) readDoubtful(ctx context.Context) (map[table.Name]bool, error) {
	db, err := n.target.DB(ctx)
	if err != nil {
		return nil, err
	}
	records, err := query.All(ctx, db, "SELECT table_schema AS s, table_name AS t FROM "+query.QuoteTable(replication.OwnSchema, schema.SeedDoubts))
	out := map[table.Name]bool{}
	for _, r := range records {
		out[table.Name{Schema: r["s"], Name: r["t"]}] = true
	}
	return out, n.target.Wrap("read the seed's notes", err)
}

func boundText(b table.Key) string {
	text, _ := json.Marshal(b) // a list of strings always marshals
	return query.Literal(string(text))
}

// partNote notes a new part of a table.
func (p *keyRange) partNote() string {
	return "REPLACE INTO " + query.QuoteTable(replication.OwnSchema, schema.SeedParts) + " (table_schema, table_name, part, pos, upper, done) VALUES (" +
		strings.Join([]string{query.Literal(p.table.Schema), query.Literal(p.table.Name), fmt.Sprint(p.part), boundText(p.pos), boundText(p.upper), "0"}, ",") + ")"
}

// reachedNote notes how far a part is copied, and how much has been copied. It leaves the
// part's end alone, which another worker may change.
func (p *keyRange) reachedNote(pos table.Key, got pumpResult, done bool) string {
	flag := "0"
	if done {
		flag = "1"
	}
	return "UPDATE " + query.QuoteTable(replication.OwnSchema, schema.SeedParts) + " SET pos = " + boundText(pos) + ", done = " + flag +
		fmt.Sprintf(", row_count = row_count + %d, byte_count = byte_count + %d", got.rows, got.bytes) +
		whereTable(p.table.id()) + fmt.Sprintf(" AND part = %d", p.part)
}

func (p *keyRange) upperNote(upper table.Key) string {
	return "UPDATE " + query.QuoteTable(replication.OwnSchema, schema.SeedParts) + " SET upper = " + boundText(upper) + whereTable(p.table.id()) +
		fmt.Sprintf(" AND part = %d", p.part)
}

// tableNote is what the notes hold about a table.
type tableNote struct {
	phase    string
	parts    []keyRange // those that are not done
	lastPart int        // the highest number of a part

	rows, bytes int64 // copied
}

// read reads the notes of a batch.
func (n notes) read(ctx context.Context, b schema.Batch) (map[table.Name]*tableNote, error) {
	db, err := n.target.DB(ctx)
	if err != nil {
		return nil, err
	}
	tables, err := query.All(ctx, db, "SELECT table_schema AS s, table_name AS t, phase FROM "+query.QuoteTable(replication.OwnSchema, schema.SeedTables)+b.Where())
	if err != nil {
		return nil, n.target.Wrap("read the seed's notes", err)
	}
	out := map[table.Name]*tableNote{}
	for _, r := range tables {
		out[table.Name{Schema: r["s"], Name: r["t"]}] = &tableNote{phase: r["phase"]}
	}
	parts, err := query.All(ctx, db, "SELECT table_schema AS s, table_name AS t, part, pos, upper, done, row_count AS n, byte_count AS size FROM "+query.QuoteTable(replication.OwnSchema, schema.SeedParts)+b.Where()+" ORDER BY part")
	if err != nil {
		return nil, n.target.Wrap("read the seed's notes", err)
	}
	for _, r := range parts {
		note, ok := out[table.Name{Schema: r["s"], Name: r["t"]}]
		if !ok {
			continue
		}
		p := keyRange{part: int(query.Number(r["part"]))}
		note.lastPart = max(note.lastPart, p.part)
		note.rows, note.bytes = note.rows+query.Number(r["n"]), note.bytes+query.Number(r["size"])
		if err := json.Unmarshal([]byte(r["pos"]), &p.pos); err != nil {
			return nil, fmt.Errorf("read the seed's notes: %w", err)
		}
		if err := json.Unmarshal([]byte(r["upper"]), &p.upper); err != nil {
			return nil, fmt.Errorf("read the seed's notes: %w", err)
		}
		if r["done"] != "1" {
			note.parts = append(note.parts, p)
		}
	}
	return out, nil
}

// deferredNote holds the definitions to be added to a table after its rows.
type deferredNote struct {
	table    table.Name
	deferred []string
}

// notesPerPage is how many of them are read at a time.
const notesPerPage = 1000

// eachIncomplete calls do for the tables that are made and not complete, a page at a time.
func (n notes) eachIncomplete(ctx context.Context, do func([]deferredNote) error) error {
	db, err := n.target.DB(ctx)
	if err != nil {
		return err
	}
	for last := (table.Name{}); ; {
		records, err := query.All(ctx, db, "SELECT table_schema AS s, table_name AS t, late FROM "+query.QuoteTable(replication.OwnSchema, schema.SeedTables)+
			" WHERE phase = ? AND (table_schema > ? OR table_schema = ? AND table_name > ?) ORDER BY table_schema, table_name LIMIT ?",
			phaseMade, last.Schema, last.Schema, last.Name, notesPerPage)
		if err != nil {
			return n.target.Wrap("read the seed's notes", err)
		}
		list := make([]deferredNote, len(records))
		for i, r := range records {
			last = table.Name{Schema: r["s"], Name: r["t"]}
			list[i].table = last
			err := json.Unmarshal([]byte(r["late"]), &list[i].deferred)
			if err == nil {
				err = readExact(list[i].deferred)
			}
			if err != nil {
				return fmt.Errorf("read the seed's notes: %w", err)
			}
		}
		if err := do(list); err != nil || len(list) < notesPerPage {
			return err
		}
	}
}
