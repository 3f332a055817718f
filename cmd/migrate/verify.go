package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/move"
)

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Compare every row and definition of both sides, while they are live",
		Long: `Compare every row of every table, and users, routines, views and events, on both
sides, without locks and without a write. Exit code 8 when something differs.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(func(m *move.Move) error {
				reports, err := m.Verify(c.Context())
				if a.json {
					return errors.Join(err, a.printJSON(reports))
				}
				for _, r := range reports {
					_, _ = fmt.Fprintf(a.out, "%s: %s\n", r.Pair, r.Summary())
					for _, d := range r.Differences {
						_, _ = fmt.Fprintf(a.out, "  %s\n", d)
					}
				}
				return err
			})
		},
	}
}
