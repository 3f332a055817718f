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

// SameColumns returns the gate that is open while every table of the pair's schemas
// has the same columns in the same order on both sides (H3): row events name columns
// by their position only. DDL travels by the link in its order, so the sides differ
// only if a DDL statement bypassed the binlog, ran on the side that takes no writes,
// or is not applied yet. Tables that differ are compared again once the other side has
// executed everything of the side `from`.
//
// The gate reads definitions only, with few queries a side. Package verify compares
// everything else in them.
func SameColumns(pair replication.Pair, from replication.Side) plan.Step {
	return plan.Step{
		Name:    "columns-" + pair.Name,
		Summary: fmt.Sprintf("every table of %s has the same columns on both sides", pair.Name),
		Gate:    true,
		Op:      replication.WhenProvisioned{Op: sameColumnsOp{pair: pair, from: from}},
	}
}

// sameColumnsOp is the gate that both sides have the same columns.
type sameColumnsOp struct {
	plan.ReadOnly
	pair replication.Pair
	from replication.Side
}

// Check compares once.
func (g sameColumnsOp) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Want: "the same columns on both sides"}
	if err := g.pair.Of(g.from).RequireProvisioned(ctx); err != nil {
		return state, err
	}
	differ, err := g.differing(ctx)
	state.Done, state.Now = err == nil && len(differ) == 0, "the same columns on both sides"
	if len(differ) > 0 {
		state.Now = fmt.Sprintf("%d tables differ: %s", len(differ), phrase.FirstOf(5, differ))
	}
	return state, err
}

// Apply compares, and once more if a table differs.
func (g sameColumnsOp) Apply(ctx context.Context) error {
	differ, err := g.differing(ctx)
	if err != nil || len(differ) == 0 {
		return err
	}
	report.Note(ctx, "%d tables have other columns on the two sides, and are compared again when the link has caught up: %s", len(differ), phrase.FirstOf(5, differ))
	if err := (linkOp{g.pair.Of(g.from), g.pair.Of(g.from.Other())}).catchUp(ctx); err != nil {
		return err
	}
	if differ, err = g.differing(ctx); err != nil || len(differ) == 0 {
		return err
	}
	return report.WithHint(fmt.Errorf("%s: these tables have other columns on the two sides (H3): %s", g.pair.Name, phrase.FirstOf(5, differ)),
		"run on one side, with sql_log_bin = 0, what only the other side has; then migrate verify: rows that went by the link meanwhile may be wrong")
}

// Verify does what Apply does.
func (g sameColumnsOp) Verify(ctx context.Context) error { return g.Apply(ctx) }

// differing lists the tables whose columns are not the same on both sides.
func (g sameColumnsOp) differing(ctx context.Context) ([]string, error) {
	from, to := g.pair.Of(g.from), g.pair.Of(g.from.Other())
	fromDialect, err := from.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	toDialect, err := to.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	sameStyle := fromDialect.SameStyle(toDialect)
	want, err := columnHashes(ctx, from, g.pair.Schemas, sameStyle)
	if err != nil {
		return nil, err
	}
	have, err := columnHashes(ctx, to, g.pair.Schemas, sameStyle)
	if err != nil {
		return nil, err
	}
	var differ []string
	for name, hash := range want {
		if have[name] != hash {
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

// columnHashes are hashes of the columns of each table, by the table's name. full
// hashes whole types and collations, which only servers of one style write alike.
func columnHashes(ctx context.Context, s *replication.Server, configured []string, full bool) (map[string]string, error) {
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
	hashes := make(map[string]string, len(records))
	for _, r := range records {
		hashes[r["name"]] = r["shape"]
	}
	for _, name := range views { // a broken view has columns on one side only, and no view holds rows
		delete(hashes, name)
	}
	return hashes, nil
}
