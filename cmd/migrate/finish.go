package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/move"
	"github.com/dcmigrate/migrate/plan"
)

func (a *app) finishCommand() *cobra.Command {
	var o move.RunOptions
	var dry bool
	cmd := &cobra.Command{
		Use:   "finish",
		Short: "Let go of the old site: the point of no return",
		Long: `End both links and the TTL changes: the target stands alone, the old site stays
fenced and is no longer followed. After this there is no rollback. Review it
first: migrate finish --dry-run.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if dry {
				return a.with(func(m *move.Move) error { return a.dryRun(c, m, move.Finish, o) })
			}
			return a.runVerb(c, move.Finish, o)
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show and save the plan; change nothing")
	return cmd
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
