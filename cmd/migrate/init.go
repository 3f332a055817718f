package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/plan"
)

func (a *app) initCommand() *cobra.Command {
	in := config.Init{Ways: a.ways.Settings()}
	var hosts []string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a commented migration.yaml to start from",
		Example: `  migrate init --site blog --host web1=192.0.2.10:web,app --host db1=192.0.2.11:db \
               --zone blog.example --zone shop.example`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			for _, text := range hosts {
				h, err := config.ParseHost(text)
				if err != nil {
					return usageError{err}
				}
				in.Hosts = append(in.Hosts, h)
			}
			return a.writeConfig(in)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Site, "site", "", "the site's name (default blog)")
	f.StringArrayVar(&hosts, "host", nil, "a server of the old site: name=address:role,role (repeat)")
	f.StringArrayVar(&in.Zones, "zone", nil, "a DNS zone to flip (repeat)")
	f.StringVar(&in.Region, "region", "", "DigitalOcean region (default fra1)")
	f.StringVar(&in.Way, "way", "", fmt.Sprintf("how to cut over: %s (default %s)", config.List(a.ways.Names(), "or"), a.ways.Names()[0]))
	return cmd
}

func (a *app) writeConfig(in config.Init) error {
	if _, err := os.Stat(a.file); !errors.Is(err, fs.ErrNotExist) {
		return &config.Error{File: a.file, Text: "the file is there already", Hint: "edit it, or name another: migrate init --config FILE"}
	}
	data, err := in.Render()
	if err != nil {
		return err
	}
	if err := plan.WriteFile(a.file, data); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "wrote %s; next: read it, then migrate inventory capture\n", a.file)
	return err
}
