package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/move"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
)

func (a *app) rollbackCommand() *cobra.Command {
	var o move.RunOptions
	var dry, all bool
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "One step back to the old site",
		Long: `Switch the service back to the old site: the cutover's protocol in the other
direction, then the DNS before-images. It needs no reviewed plan, and may be run
until finish. Before the target has taken over it only takes the cutover back.
--all takes back what apply made, in reverse order.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(func(m *move.Move) error {
				if dry {
					return a.dryRollback(c, m, all, o)
				}
				a.prepare(&o)
				if all {
					return m.Runs.TakeBack(c.Context(), o)
				}
				return m.Runs.GoBack(c.Context(), o)
			})
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would be done; change nothing")
	takeOverFlag(cmd, &o)
	cmd.Flags().BoolVar(&all, "all", false, "before a cutover: take back everything that apply made")
	cmd.Flags().BoolVar(&o.Force, "force", false, "overwrite DNS records that somebody else has changed since")
	return cmd
}

func (a *app) dryRollback(c *cobra.Command, m *move.Move, all bool, o move.RunOptions) error {
	steps, ok, err := m.Reviews.WouldTakeBack(c.Context(), all)
	switch {
	case err != nil:
		return err
	case ok:
		return a.printUndo(steps)
	}
	return a.dryRun(c, m, verb.Rollback, o)
}

// printUndo lists the steps that would be undone, in their order.
func (a *app) printUndo(steps []plan.Step) error {
	if a.json {
		names := []string{}
		for _, s := range steps {
			names = append(names, s.Name)
		}
		return a.printJSON(names)
	}
	for _, s := range steps {
		text := "undo: " + s.Summary
		if s.CannotUndo != "" {
			text = "stays: " + s.CannotUndo
		}
		if _, err := fmt.Fprintf(a.out, "  - %-24s %s\n", s.Name, text); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(a.out, "\ndry run: nothing was changed")
	return err
}
