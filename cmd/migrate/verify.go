package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/move"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication/verify"
	"github.com/dcmigrate/migrate/report"
)

func (a *app) verifyCommand() *cobra.Command {
	var o move.VerifyOptions
	var repair bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compare every row and definition of both sides, while they are live",
		Long: `Compare every row of every table, and users, routines, views and events, on both
sides, without locks and without a write. Exit code 8 when something differs.

With --repair, on a fenced target before the cutover: say what differs, make
those rows on the target what they are on the source, out of the target's
binlog, and compare again. Nothing else is written. Tables without a key, with
triggers or with a history of their rows, definitions and accounts are left,
with the reason.

A verify of some tables only is no clean verify for the cutover.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(func(m *move.Move) error {
				if !a.json {
					o.Progress = a.verifyProgress()
				}
				if repair {
					return a.repair(c, m, o)
				}
				reports, err := m.Verifies.Verify(c.Context(), o)
				if a.json {
					return errors.Join(err, a.printJSON(reports))
				}
				for _, r := range reports {
					a.printVerify(r)
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "make rows that differ on the fenced target what they are on the source")
	cmd.Flags().StringVar(&o.Pair, "pair", "", "compare this pair only")
	cmd.Flags().StringArrayVar(&o.Tables, "table", nil, "compare this table only, as schema.table; may be given again")
	cmd.Flags().IntVar(&o.Parallel, "parallel", 0, "chunks compared side by side (2)")
	return cmd
}

// verifyProgress prints the progress of a verify as that of a step is printed.
func (a *app) verifyProgress() func(pair string, p report.Progress) {
	w := a.watcher()
	return func(pair string, p report.Progress) {
		w.event(plan.Event{Time: time.Now(), Kind: "verify", Step: plan.Key{Kind: "verify", Step: pair}, Type: plan.StepProgress, Progress: &p})
	}
}

func (a *app) printVerify(r verify.Report) {
	if a.isTerminal() {
		_, _ = fmt.Fprint(a.out, "\r\x1b[K") // clears the progress line
	}
	_, _ = fmt.Fprintf(a.out, "%s: %s\n", r.Pair, r.Summary())
	for _, left := range r.LeftOut {
		_, _ = fmt.Fprintf(a.out, "  left out: %s\n", left)
	}
	for _, d := range r.Differences {
		_, _ = fmt.Fprintf(a.out, "  %s\n", d)
	}
	if more := r.Found - int64(len(r.Differences)); more > 0 {
		_, _ = fmt.Fprintf(a.out, "  and %d more\n", more)
	}
	if n := len(r.NotCompared); n > 0 {
		_, _ = fmt.Fprintf(a.out, "  not compared: %d kinds of what a server holds, with the reasons: docs/verify.md, or --json\n", n)
	}
}

// repair repairs rows, and prints what differs, what is written, and what is left.
func (a *app) repair(c *cobra.Command, m *move.Move, verify move.VerifyOptions) error {
	o := move.RepairOptions{VerifyOptions: verify}
	if !a.json {
		o.Found = a.printVerify
		o.Writes = func(pair, text string) { _, _ = fmt.Fprintf(a.out, "%s: repairs %s\n", pair, text) }
	}
	reports, err := m.Verifies.Repair(c.Context(), o)
	if a.json {
		return errors.Join(err, a.printJSON(reports))
	}
	for _, r := range reports {
		_, _ = fmt.Fprintf(a.out, "%s: %d rows were repaired\n", r.After.Pair, len(r.Written))
		for _, d := range r.Left {
			_, _ = fmt.Fprintf(a.out, "  %s\n", d)
		}
		a.printVerify(r.After)
	}
	return err
}
