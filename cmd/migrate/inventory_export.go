package main

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/inventory/export"
	"github.com/dcmigrate/migrate/move"
)

func (a *app) inventoryExportCommand() *cobra.Command {
	var format, to string
	cmd := &cobra.Command{
		Use: "export [HOST...]", Short: "Write what rebuilds the hosts: Ansible roles, Salt states or cloud-init's user-data",
		Long: `Write what rebuilds the hosts, all of them or those named, to a new folder:
packages, accounts, files, services and timers, once for what all hosts have, once
for each role, and what is odd on one host. No secret is written: what must be
filled in is listed, as is what is not exported and why. Old addresses become
those of the new hosts as soon as migrate apply has made them.`,
		RunE: func(c *cobra.Command, names []string) error {
			switch {
			case !slices.Contains(export.Formats, export.Format(format)):
				return wrongUsage(c, errors.New("--format is ansible, salt or cloud-init"))
			case to == "":
				return wrongUsage(c, errors.New("--to names the folder to write to"))
			}
			return a.with(func(m *move.Move) error { return m.Inventory.Export(a.out, format, to, a.json, names...) })
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "ansible, salt or cloud-init")
	cmd.Flags().StringVar(&to, "to", "", "a folder that does not exist yet, or is empty")
	return cmd
}
