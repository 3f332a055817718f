package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/inventory/candidates"
	"github.com/dcmigrate/migrate/move"
	"github.com/dcmigrate/migrate/report"
)

func (a *app) inventoryFindingsCommand() *cobra.Command {
	var (
		ask bool
		o   candidates.Options
	)
	cmd := &cobra.Command{
		Use: "findings", Short: "Show what is worth a look before the move",
		Long: `Show what is worth a look before the move: what was captured is looked through,
no host is asked. With --candidates the archives of the new hosts' distribution,
and the hosts' other repositories with its codename, are asked over the network
for the packages that somebody asked for on the old hosts: those that are not
offered, that only others provide, or that are older than what is installed. The
distribution is that of provision.digitalocean.image. Signatures are not checked:
nothing is installed from what is read, and apt checks on the new host. Exit code
4 when an archive could not be asked; what the others offer is compared and shown.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !ask && (o != candidates.Options{}) {
				return wrongUsage(c, errors.New("--image, --mirror and --security-mirror are for --candidates"))
			}
			for _, address := range []string{o.Mirror, o.SecurityMirror} {
				if address != "" && !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
					return wrongUsage(c, fmt.Errorf("%q is no mirror: its URL begins with http:// or https://", address))
				}
				if u, err := url.Parse(address); err != nil || u.User != nil {
					return wrongUsage(c, errors.New("a mirror is named without a login: it would be shown"))
				}
			}
			return a.with(func(m *move.Move) error {
				if ask {
					return m.Inventory.ShowFindings(c.Context(), a.out, a.json, &o)
				}
				report.Note(c.Context(), "whether the new hosts' distribution offers the packages was not looked at: add --candidates, which asks its archives")
				return m.Inventory.ShowFindings(c.Context(), a.out, a.json, nil)
			})
		},
	}
	cmd.Flags().BoolVar(&ask, "candidates", false, "also ask the archives of the new hosts' distribution which packages they offer")
	cmd.Flags().StringVar(&o.Image, "image", "", "the new hosts' image, such as debian-13-x64 (default: provision.digitalocean.image, or that of the hosts)")
	cmd.Flags().StringVar(&o.Mirror, "mirror", "", "URL of a mirror of the distribution's archive")
	cmd.Flags().StringVar(&o.SecurityMirror, "security-mirror", "", "URL of a mirror of the distribution's security archive")
	return cmd
}
