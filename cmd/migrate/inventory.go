package main

import (
	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/move"
)

func (a *app) inventoryCommand() *cobra.Command {
	cmd := group(&cobra.Command{Use: "inventory", Short: "What runs on the old site's hosts"})
	var deep bool
	capture := &cobra.Command{
		Use: "capture", Short: "Capture every host over SSH; nothing is installed or changed there",
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(func(m *move.Move) error {
				err := m.Inventory.Capture(c.Context(), deep)
				if a.json {
					return err
				}
				return joinShow(m.Inventory.Show(a.out, false), err)
			})
		},
	}
	capture.Flags().BoolVar(&deep, "deep", false, "also check every packaged file and ask for packages' origins: minutes of each host's time")
	cmd.AddCommand(
		capture,
		a.inventoryShowCommand(),
		a.inventoryDiffCommand(),
		a.inventoryRolesCommand(),
		a.inventoryExportCommand(),
		a.inventoryFindingsCommand(),
	)
	return cmd
}

// joinShow prefers the capture's error: what was captured is printed already.
func joinShow(show, capture error) error {
	if capture != nil {
		return capture
	}
	return show
}
