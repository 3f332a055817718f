package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/move"
	"github.com/dcmigrate/migrate/plan"
)

func (a *app) planCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show everything that would change, and save it as the reviewed plan",
		Long: `Show every step that is next, with what is there now and what will be, its
hazards, and what cannot be undone. The plan is saved with a digest: apply and
cutover run it, and refuse when the configuration or the world is not the
reviewed one any more. Nothing is changed. Exit code 2 when there are changes.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(func(m *move.Move) error {
				reviews, err := m.Reviews.Next(c.Context(), out)
				if err != nil {
					return err
				}
				return a.showReviews(reviews)
			})
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "save the plan to this file too")
	return cmd
}

func (a *app) showReviews(reviews []plan.Review) error {
	changes := 0
	for i, r := range reviews {
		changes += r.Changes()
		if a.json {
			continue
		}
		if i > 0 {
			_, _ = fmt.Fprintln(a.out)
		}
		if err := a.printReview(r); err != nil {
			return err
		}
	}
	if a.json {
		if err := a.printJSON(reviews); err != nil {
			return err
		}
	} else if _, err := fmt.Fprintf(a.out, "\n%s\n", reviewLegend); err != nil {
		return err
	}
	if changes > 0 {
		return errChanges
	}
	return nil
}

// dryRun reviews one kind: it shows and saves the plan, and changes nothing (I6).
func (a *app) dryRun(c *cobra.Command, m *move.Move, kind string, o move.RunOptions) error {
	r, err := m.Reviews.Review(c.Context(), kind, o, "")
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(r)
	}
	if err := a.printReview(r); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "\n%s\ndry run: nothing was changed; this is the reviewed plan for migrate %s\n", reviewLegend, kind)
	return err
}
