// Package used tells whether a target may be in use: whether something would be lost with
// its data. Every undo that takes data away asks it first. It only reads, but for the
// account with which a log is read.
package used

import (
	"context"
	"errors"
	"fmt"
	"slices"

	logevent "github.com/go-mysql-org/go-mysql/replication"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/statement"
	"github.com/dcmigrate/migrate/report"
)

// ErrUsed is wrapped if a target may be in use.
var ErrUsed = errors.New("its data is not taken away")

// Refuse returns an error that wraps ErrUsed unless nothing is lost with the
// target's data: it is empty, or refuses application writes and has no write of its own
// that the source lacks. The journal cannot tell: it may be a copy of an earlier time.
func Refuse(ctx context.Context, pair replication.Pair) error {
	db, d, err := pair.Target.Open(ctx)
	if err != nil {
		return err
	}
	schemas, err := schema.Names(ctx, db, nil)
	if err != nil || len(schemas) == 0 {
		return pair.Target.Wrap("look for schemas", err)
	}
	v, err := query.Variables(ctx, db, "read_only")
	if err != nil {
		return pair.Target.Wrap("read the fence", err)
	}
	if !dialect.IsOn(v["read_only"]) {
		return report.WithHint(report.Permanent(fmt.Errorf("%s accepts application writes: %w", pair.Target.Name(), ErrUsed)),
			"it may be the server that is used: migrate status; if no application uses it, SET GLOBAL read_only = 1 there, and run the same command again")
	}
	only, err := onlyOnTarget(ctx, pair)
	if err != nil || len(only) == 0 {
		return err
	}
	return report.WithHint(report.Permanent(fmt.Errorf("%s has writes that %s lacks, in %s: %w",
		pair.Target.Name(), pair.Source.Name(), phrase.FirstOf(5, only), ErrUsed)),
		"migrate status tells which side is used; if nobody needs these writes, %s there, and run the same command again", d.ResetBinlog())
}

// onlyOnTarget lists the tables with rows that only the target's own transactions have
// changed, and the schemas of its statements. Those of migrate's schema do not count.
func onlyOnTarget(ctx context.Context, pair replication.Pair) (names []string, err error) {
	onSource, err := replication.Executed(ctx, pair.Source)
	if err != nil {
		return nil, err
	}
	logged, err := binlog.Logged(ctx, pair.Target)
	if err != nil || onSource.Contains(logged) {
		return nil, err
	}
	reader, err := binlog.Open(ctx, pair.Target)
	if err != nil {
		return nil, err
	}
	found := &writes{tables: map[string]bool{}}
	err = reader.Read(ctx, logged.Intersect(onSource), logged, found)
	if closed := reader.Close(ctx); err == nil {
		err = closed
	}
	if err != nil {
		return nil, fmt.Errorf("look for writes of %s that %s lacks (%s): %w", pair.Target.Name(), pair.Source.Name(), logged.Minus(onSource), err)
	}
	for name := range found.tables {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// writes are the tables and schemas that transactions of a log have changed.
type writes struct{ tables map[string]bool }

// Begin implements binlog.Visitor.
func (w *writes) Begin(binlog.Transaction) (wanted bool) { return true }

// Rows implements binlog.Visitor.
func (w *writes) Rows(_ context.Context, e *logevent.RowsEvent, _ bool) error {
	if name := string(e.Table.Schema); name != replication.OwnSchema {
		w.tables[name+"."+string(e.Table.Table)] = true
	}
	return nil
}

// Statement implements binlog.Visitor. What is not certain to concern migrate's schema alone
// counts.
func (w *writes) Statement(s statement.Logged) {
	for _, e := range statement.Read(s) {
		if !ownTablesOnly(e) {
			w.tables[fmt.Sprintf("schema %q (%s)", e.Schema, e.Verb)] = true
		}
	}
}

// XA implements binlog.Visitor. A transaction that only ends here has changed what was
// logged before.
func (w *writes) XA(step binlog.XAStep, x replication.XID) {
	if step == binlog.XACommitted {
		w.tables["XA COMMIT "+x.String()] = true
	}
}

func ownTablesOnly(e statement.Effect) bool {
	foreign := func(t statement.TableChange) bool { return t.Table.Schema != replication.OwnSchema }
	return len(e.Tables) > 0 && len(e.Schemas) == 0 && !e.Rows && !e.Unknown && !slices.ContainsFunc(e.Tables, foreign)
}
