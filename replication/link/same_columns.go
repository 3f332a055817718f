package link

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/report"
)

// SameColumns returns the gate that holds while every table of the pair's
// schemas has the same columns in the same order on both sides (H3): events of
// rows name columns by their position only. DDL travels by the link and in its
// order, so the sides differ only where it ran past the binlog, or on the side
// that takes no writes, or is not applied yet. What differs is looked at again
// once `to` has executed what `from` has.
//
// It reads definitions only, one query a side; all that they say beside the
// columns is compared by Verify.
func SameColumns(pair replication.Pair, from replication.Side) plan.Step {
	return plan.Step{
		Name:    "columns-" + pair.Name,
		Summary: fmt.Sprintf("every table of %s has the same columns on both sides", pair.Name),
		Gate:    true,
		Op:      replication.WhenProvisioned{Op: sameColumns{pair: pair, from: from}},
	}
}

type sameColumns struct {
	plan.ReadOnly
	pair replication.Pair
	from replication.Side
}

// Check compares once.
func (g sameColumns) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Want: "the same columns on both sides"}
	if err := g.pair.Of(g.from).RequireProvisioned(ctx); err != nil {
		return state, err
	}
	differ, err := g.differ(ctx)
	state.Done, state.Now = err == nil && len(differ) == 0, "the same columns on both sides"
	if len(differ) > 0 {
		state.Now = fmt.Sprintf("%d tables differ: %s", len(differ), phrase.FirstOf(5, differ))
	}
	return state, err
}

// Apply compares, once more where a table differs.
func (g sameColumns) Apply(ctx context.Context) error {
	differ, err := g.differ(ctx)
	if err != nil || len(differ) == 0 {
		return err
	}
	report.Note(ctx, "%d tables have other columns on the two sides, and are compared again when the link has caught up: %s", len(differ), phrase.FirstOf(5, differ))
	if err := (Op{g.pair.Of(g.from), g.pair.Of(g.from.Other())}).caughtUp(ctx); err != nil {
		return err
	}
	if differ, err = g.differ(ctx); err != nil || len(differ) == 0 {
		return err
	}
	return report.WithHint(fmt.Errorf("%s: these tables have other columns on the two sides (H3): %s", g.pair.Name, phrase.FirstOf(5, differ)),
		"run on one side, with sql_log_bin = 0, what only the other side has; then migrate verify: rows that went by the link meanwhile may be wrong")
}

// Verify compares once.
func (g sameColumns) Verify(ctx context.Context) error { return g.Apply(ctx) }

// differ names the tables whose columns are not the same.
func (g sameColumns) differ(ctx context.Context) ([]string, error) {
	here, there := g.pair.Of(g.from), g.pair.Of(g.from.Other())
	a, err := here.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	b, err := there.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	sameStyle := a.SameStyle(b)
	want, err := shapes(ctx, here, g.pair.Schemas, sameStyle)
	if err != nil {
		return nil, err
	}
	have, err := shapes(ctx, there, g.pair.Schemas, sameStyle)
	if err != nil {
		return nil, err
	}
	var differ []string
	for name, shape := range want {
		if have[name] != shape {
			differ = append(differ, name)
		}
		delete(have, name)
	}
	for name := range have {
		differ = append(differ, name)
	}
	slices.Sort(differ)
	return differ, nil
}

// shapes are hashes of the columns of each table, by the table's name.
func shapes(ctx context.Context, s *replication.Server, configured []string, full bool) (map[string]string, error) {
	session, err := s.Session(ctx, "SET SESSION group_concat_max_len = 16777216")
	if err != nil {
		return nil, err
	}
	defer session.Close()
	schemas, err := schema.Names(ctx, session, configured)
	if err != nil || len(schemas) == 0 {
		return nil, err
	}
	args := make([]any, len(schemas))
	for i, name := range schemas {
		args[i] = name
	}
	kind := "DATA_TYPE"
	if full {
		kind = "CONCAT(COLUMN_TYPE, ' ', COALESCE(COLLATION_NAME, ''))"
	}
	in := " IN (" + strings.Repeat(",?", len(args))[1:] + ")"
	views, err := query.Strings(ctx, session, "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_TYPE = 'VIEW' AND TABLE_SCHEMA"+in, args...)
	if err != nil {
		return nil, s.Wrap("list the views", err)
	}
	records, err := query.All(ctx, session, "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) AS name, SHA2(GROUP_CONCAT(HEX(COLUMN_NAME), ' ', "+kind+
		" ORDER BY ORDINAL_POSITION), 256) AS shape FROM information_schema.COLUMNS WHERE TABLE_SCHEMA"+in+" GROUP BY TABLE_SCHEMA, TABLE_NAME", args...)
	if err != nil {
		return nil, s.Wrap("read the columns", err)
	}
	out := make(map[string]string, len(records))
	for _, r := range records {
		out[r["name"]] = r["shape"]
	}
	for _, name := range views { // one that is broken is on one side only, and holds no rows
		delete(out, name)
	}
	return out, nil
}
