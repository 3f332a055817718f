package main

import (
	"bytes"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/move"
	"github.com/dcmigrate/migrate/plan"
)

func (a *app) runbookCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "runbook",
		Short: "Print the runbook and rollback runbook, with this move's real values",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(func(m *move.Move) error {
				var b bytes.Buffer
				if err := m.Runbook(c.Context(), &b); err != nil {
					return err
				}
				if out != "" {
					return plan.WriteFile(out, b.Bytes())
				}
				if a.json {
					return a.printJSON(map[string]string{"markdown": b.String()})
				}
				_, err := a.out.Write(b.Bytes())
				return err
			})
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "write it to this file instead")
	return cmd
}
