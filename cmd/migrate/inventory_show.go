package main

import (
	"bytes"
	"errors"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/move"
	"github.com/dcmigrate/migrate/plan"
)

func (a *app) inventoryShowCommand() *cobra.Command {
	var html string
	cmd := &cobra.Command{
		Use: "show [HOST...]", Short: "Show what was captured: a line a host, or all of those named",
		RunE: func(c *cobra.Command, names []string) error {
			if html != "" && a.json {
				return wrongUsage(c, errors.New("--html and --json cannot be had at once"))
			}
			return a.with(func(m *move.Move) error {
				if html != "" {
					return writePage(m, html, names)
				}
				return m.Inventory.Show(a.out, a.json, names...)
			})
		},
	}
	cmd.Flags().StringVar(&html, "html", "", "write a page for the browser to this file instead: search, hosts, findings, the map of connections")
	return cmd
}

// writePage writes the page completely or not at all.
func writePage(m *move.Move, file string, names []string) error {
	var b bytes.Buffer
	if err := m.Inventory.Page(&b, names...); err != nil {
		return err
	}
	return plan.WriteFile(file, b.Bytes())
}
