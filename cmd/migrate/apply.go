package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/move"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
)

func (a *app) applyCommand() *cobra.Command {
	var o move.RunOptions
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Provision, seed, link: all that comes before the cutover",
		Long: `Run the reviewed plan: make the new site, copy the data, link the databases both
ways. The old site goes on serving. A run that was interrupted goes on where it
was; a second run changes nothing. Take it back with migrate rollback --all.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.runVerb(c, verb.Apply, o) },
	}
	takeOverFlag(cmd, &o)
	cmd.Flags().StringVar(&o.To, "to", "", "stop after this stage")
	return cmd
}

// runVerb runs the reviewed plan of a kind and prints the journal as it grows.
func (a *app) runVerb(c *cobra.Command, kind string, o move.RunOptions) error {
	return a.with(func(m *move.Move) error {
		a.prepare(&o)
		return m.Runs.Run(c.Context(), kind, o)
	})
}

// takeOverFlag adds the flag of the verbs that may begin with a take-over.
func takeOverFlag(cmd *cobra.Command, o *move.RunOptions) {
	cmd.Flags().BoolVar(&o.TakeOver, "take-over", false, "lead the migration from this state folder, though the servers name another one")
}

func (a *app) prepare(o *move.RunOptions) {
	o.Stop, o.Watch = a.stop, a.watcher().event
	if !a.json {
		o.Ready = func(p plan.Plan) {
			n := 0
			for _, s := range p.Stages {
				n += len(s.Steps)
			}
			_, _ = fmt.Fprintf(a.out, "site %s, %s: %d stages, %d steps\n", p.Site, p.Kind, len(p.Stages), n)
		}
	}
}
