package main

import (
	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/move"
)

func (a *app) inventoryCommand() *cobra.Command {
	cmd := group(&cobra.Command{Use: "inventory", Short: "What runs on the old site's hosts"})
	cmd.AddCommand(
		&cobra.Command{
			Use: "capture", Short: "Capture every host over SSH; nothing is installed or changed there",
			Args: noArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				return a.with(func(m *move.Move) error {
					err := m.Capture(c.Context())
					if a.json {
						return err
					}
					return joinShow(m.ShowInventory(a.out, false), err)
				})
			},
		},
		&cobra.Command{
			Use: "show", Short: "Show what was captured",
			Args: noArgs,
			RunE: func(*cobra.Command, []string) error {
				return a.with(func(m *move.Move) error { return m.ShowInventory(a.out, a.json) })
			},
		},
	)
	return cmd
}

// joinShow prefers the capture's error: what could be shown was shown.
func joinShow(show, capture error) error {
	if capture != nil {
		return capture
	}
	return show
}
