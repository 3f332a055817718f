package inventories

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/candidates"
	"github.com/dcmigrate/migrate/inventory/findings"
	"github.com/dcmigrate/migrate/inventory/page"
	"github.com/dcmigrate/migrate/inventory/roles"
	"github.com/dcmigrate/migrate/inventory/show"
	"github.com/dcmigrate/migrate/report"
)

// Show prints what was captured: a line a host, or all of those named.
func (v *Inventory) Show(w io.Writer, asJSON bool, names ...string) error {
	hosts, err := v.Hosts()
	if err != nil {
		return err
	}
	if hosts, err = named(hosts, names); err != nil {
		return err
	}
	switch {
	case asJSON:
		return inventory.WriteJSON(w, hosts)
	case len(names) == 0:
		return show.Overview(w, hosts)
	}
	for _, h := range hosts {
		if err := show.Host(w, h); err != nil {
			return err
		}
	}
	return nil
}

// ShowFindings prints what is worth a look before the move. With options it also asks
// the archives of the new hosts' distribution. Where the options name no image, it
// is that of the configuration, or of the hosts' distribution.
func (v *Inventory) ShowFindings(ctx context.Context, w io.Writer, asJSON bool, o *candidates.Options) error {
	hosts, err := v.Hosts()
	if err != nil {
		return err
	}
	found, err := v.findings(hosts)
	if err != nil {
		return err
	}
	var incomplete error
	if o != nil {
		image := *o
		if image.Image == "" {
			if image.Image, err = oneImage(v.site.Config, hosts); err != nil {
				return err
			}
		}
		var offered []findings.Finding
		if offered, incomplete = candidates.Find(ctx, hosts, image); incomplete != nil && !errors.Is(incomplete, candidates.ErrIncomplete) {
			return incomplete
		}
		found = append(found, offered...)
		findings.Sort(found)
	}
	if asJSON {
		return cmp.Or(incomplete, inventory.WriteJSON(w, found))
	}
	return cmp.Or(incomplete, show.Findings(w, found))
}

// oneImage returns the image that all hosts' clones are made from.
func oneImage(c *config.Config, hosts []*inventory.Host) (string, error) {
	image := ""
	for _, h := range hosts {
		of := ImageOf(c, h)
		if image != "" && of != image || of == "" {
			return "", report.WithHint(errors.New("the hosts are not of one distribution and release, so packages can be compared with one image only"),
				"name it: --image debian-13-x64")
		}
		image = of
	}
	return image, nil
}

func (v *Inventory) findings(hosts []*inventory.Host) ([]findings.Finding, error) {
	site := findings.Site{Old: map[string][]netip.Addr{}, Objects: v.objects(), Now: time.Now()}
	for _, h := range v.site.Config.Hosts {
		site.Old[h.Name] = []netip.Addr{h.Address.Addr}
	}
	found, err := findings.Find(hosts, site)
	return found, report.WithHint(err, "migrate inventory capture")
}

// ShowRoles prints which hosts are alike, what is odd on one, and which must
// move together.
func (v *Inventory) ShowRoles(w io.Writer, asJSON bool) error {
	hosts, err := v.Hosts()
	if err != nil {
		return err
	}
	survey := roles.SurveyOf(hosts, v.objects())
	if asJSON {
		return inventory.WriteJSON(w, survey)
	}
	return roles.Show(w, survey)
}

// Page writes one HTML page of what was captured: of all hosts, or of those named.
func (v *Inventory) Page(w io.Writer, names ...string) error {
	all, err := v.Hosts()
	if err != nil {
		return err
	}
	hosts, err := named(all, names)
	if err != nil {
		return err
	}
	slices.SortFunc(hosts, func(a, b *inventory.Host) int { return strings.Compare(a.Name, b.Name) })
	hosts = slices.Compact(hosts)
	found, err := v.findings(all)
	if err != nil {
		return err
	}
	site := page.Site{Name: v.site.Config.Site, Hosts: hosts, Objects: v.objects(), Addresses: map[string][]netip.Addr{}}
	shown := map[string]bool{}
	for _, h := range hosts {
		shown[h.Name] = true
	}
	for _, f := range found {
		if shown[f.Host] {
			site.Findings = append(site.Findings, f)
		}
	}
	for _, h := range v.site.Config.Hosts {
		site.Addresses[h.Name] = []netip.Addr{h.Address.Addr}
	}
	return page.Write(w, site)
}
