package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/move"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
)

func (a *app) finishCommand() *cobra.Command {
	var o move.RunOptions
	var dry bool
	cmd := &cobra.Command{
		Use:   "finish",
		Short: "Let go of the old site: the point of no return",
		Long: `Let go of the old site: both links end, the new databases' settings and the TTLs
become what they were before the move. The target stands alone; the old site stays
fenced and is no longer followed. After this there is no rollback. Review it
first: migrate finish --dry-run.

--source-lost is for an old site whose databases are gone for good: nothing is
asked of them, and what they alone had is lost. It is refused while one answers.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(func(m *move.Move) error {
				if dry {
					return a.dryRun(c, m, verb.Finish, o)
				}
				a.prepare(&o)
				return m.Runs.Run(c.Context(), verb.Finish, o)
			})
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show and save the plan; change nothing")
	cmd.Flags().BoolVar(&o.SourceLost, "source-lost", false, "the old site's databases are gone for good: do without them")
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
