package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/move"
)

func (a *app) inventoryDiffCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "diff OLD NEW", Short: "Compare two hosts, two captures or two roles",
		Long: `Compare two hosts, two captures or two roles. OLD and NEW are each

  HOST        a host of the inventory
  FOLDER      an inventory, such as a checkout of an earlier one: its hosts are
              compared by name
  FILE        the inventory of one host
  role:NAME   the hosts of a role, as most of them are

Each difference is drift, harmless (a patch of a package, a comment, an order), or
expected (names, addresses, what belongs to the machine or the moment). What one
side's capture could not see is listed, and never taken for "there is none".

Exit code 2 when there is drift.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return wrongUsage(c, errors.New("diff compares two: OLD and NEW"))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			return a.with(func(m *move.Move) error {
				drift, err := m.Inventory.Compare(a.out, args[0], args[1], a.json, all)
				if err == nil && drift {
					err = errChanges
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also show what is harmless or expected; --json always has it")
	return cmd
}

func (a *app) inventoryRolesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "roles", Short: "Show which hosts are alike, what is odd on one, and which must move together",
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.with(func(m *move.Move) error { return m.Inventory.ShowRoles(a.out, a.json) })
		},
	}
}
