package main

import (
	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/move"
	"github.com/dcmigrate/migrate/move/verb"
)

func (a *app) cutoverCommand() *cobra.Command {
	var o move.RunOptions
	var dry bool
	cmd := &cobra.Command{
		Use:   "cutover",
		Short: "Switch the service to the new site",
		Long: `Run the reviewed cutover: gates, then the writers change sides, then DNS is
flipped in waves. Review it first: migrate cutover --dry-run. A failure or signal
before the target takes over gives the source its writes back by itself; after
that, migrate rollback is one step back.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if dry {
				return a.with(func(m *move.Move) error { return a.dryRun(c, m, verb.Cutover, o) })
			}
			return a.runVerb(c, verb.Cutover, o)
		},
	}
	takeOverFlag(cmd, &o)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show and save the plan; change nothing")
	cmd.Flags().StringVar(&o.Wave, "wave", "", "stop after this wave of records was flipped and purged")
	return cmd
}
