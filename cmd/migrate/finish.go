package main

import (
	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/move"
	"github.com/dcmigrate/migrate/move/verb"
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
	takeOverFlag(cmd, &o)
	cmd.Flags().BoolVar(&o.SourceLost, "source-lost", false, "the old site's databases are gone for good: do without them")
	return cmd
}
