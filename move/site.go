package move

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/candidates"
	"github.com/dcmigrate/migrate/inventory/redact"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/report"
)

const (
	gib = 1 << 30
	mib = 1 << 20
	// capturesAtOnce bounds the hosts that are captured side by side.
	capturesAtOnce = 16
)

func (m *Move) inventoryDir() string { return m.path("inventory") }

// Capture captures every host of the old site and keeps what was found. A host
// that could not be captured does not keep the others from being so.
func (m *Move) Capture(ctx context.Context, deep bool) error {
	var targets []inventory.Target
	for _, h := range m.Config.Hosts {
		t := inventory.Target{Host: m.Source(h.Name), Roles: h.Roles, Deep: deep}
		for _, a := range m.Config.Applications {
			for _, name := range a.Hosts {
				if name == h.Name {
					t.Files = append(t.Files, a.Files...)
				}
			}
		}
		for _, d := range m.Config.Databases {
			if d.Host == h.Name {
				t.MySQL = &inventory.MySQLTarget{Socket: d.Source.Socket, User: d.Source.User}
			}
		}
		targets = append(targets, t)
	}
	var errs []error
	key, err := inventory.OpenKey(m.path("inventory.key"))
	if err != nil {
		return err
	}
	options := inventory.Options{AtOnce: capturesAtOnce, Redactor: redact.New(key), Objects: m.objects()}
	for _, r := range inventory.Capture(ctx, targets, options) {
		if r.Err != nil {
			errs = append(errs, r.Err)
			continue
		}
		errs = append(errs, m.saveInventory(r.Host))
	}
	return errors.Join(append(errs, m.auditInventory(options.Redactor))...)
}

// saveInventory keeps what was captured, but for a plain login's view of a host
// that was captured as root before: a sudo that broke meanwhile costs nothing
// that is known.
func (m *Move) saveInventory(h *inventory.Host) error {
	file := filepath.Join(m.inventoryDir(), h.Name+".json")
	if earlier, err := inventory.LoadFile(file); err == nil && earlier.AsRoot() && !h.AsRoot() {
		err = fmt.Errorf("capture %s: %w: the inventory of %s, captured as root, is kept", h.Name, remote.ErrSudo, earlier.CapturedAt.Format(time.DateTime))
		return report.WithHint(err, "let %s run sudo without a password on %s, or remove %s to keep what a plain login sees", m.Config.SSH.User, h.Name, file)
	}
	return inventory.Save(m.inventoryDir(), h)
}

// auditInventory reads again what was written: no secret may be in it (I7).
func (m *Move) auditInventory(r *redact.Redactor) error {
	leaks, err := inventory.Audit(m.inventoryDir(), r)
	if err != nil || len(leaks) == 0 {
		return err
	}
	err = fmt.Errorf("%d secrets were written, the first a %s in %s", len(leaks), leaks[0].Kind, leaks[0].Path)
	return report.WithHint(err, "remove %s, do not commit it, and report the kind of file", m.inventoryDir())
}

func (m *Move) objects() *inventory.Objects {
	return inventory.NewObjects(filepath.Join(m.inventoryDir(), "objects"))
}

// ShowInventory prints what was captured: a line a host, or all of those named.
func (m *Move) ShowInventory(w io.Writer, asJSON bool, names ...string) error {
	hosts, err := m.inventory()
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
		return inventory.Show(w, hosts)
	}
	for _, h := range hosts {
		if err := inventory.ShowHost(w, h); err != nil {
			return err
		}
	}
	return nil
}

// named are those hosts that are asked for; no names ask for all.
func named(hosts []*inventory.Host, names []string) ([]*inventory.Host, error) {
	if len(names) == 0 {
		return hosts, nil
	}
	var only []*inventory.Host
	for _, name := range names {
		i := slices.IndexFunc(hosts, func(h *inventory.Host) bool { return h.Name == name })
		if i < 0 {
			return nil, verb.Refuse("migrate inventory show", "host %s is not in the inventory", name)
		}
		only = append(only, hosts[i])
	}
	return only, nil
}

// ShowFindings prints what is worth a look before the move. With options it
// asks the archives of the new hosts' distribution too, whose image is that of
// the configuration where they name none.
func (m *Move) ShowFindings(ctx context.Context, w io.Writer, asJSON bool, o *candidates.Options) error {
	hosts, err := m.inventory()
	if err != nil {
		return err
	}
	found, err := m.findings(hosts)
	if err != nil {
		return err
	}
	var incomplete error
	if o != nil {
		image := *o
		image.Image = cmp.Or(o.Image, m.Config.Provision.DigitalOcean.Image)
		var offered []inventory.Finding
		if offered, incomplete = candidates.Find(ctx, hosts, image); incomplete != nil && !errors.Is(incomplete, candidates.ErrIncomplete) {
			return incomplete
		}
		found = append(found, offered...)
		inventory.SortFindings(found)
	}
	if asJSON {
		return cmp.Or(incomplete, inventory.WriteJSON(w, found))
	}
	return cmp.Or(incomplete, inventory.ShowFindings(w, found))
}

func (m *Move) findings(hosts []*inventory.Host) ([]inventory.Finding, error) {
	site := inventory.Site{Old: map[string][]netip.Addr{}, Objects: m.objects(), Now: time.Now()}
	for _, h := range m.Config.Hosts {
		site.Old[h.Name] = []netip.Addr{h.Address.Addr}
	}
	found, err := inventory.Findings(hosts, site)
	return found, report.WithHint(err, "migrate inventory capture")
}

func (m *Move) inventory() ([]*inventory.Host, error) {
	hosts, err := inventory.Load(m.inventoryDir())
	if err == nil && len(hosts) == 0 {
		return nil, verb.Refuse("migrate inventory capture", "there is no inventory yet")
	}
	return hosts, err
}

// site is the new site that the configuration and the inventory ask for, whose
// vendor is called from here on.
func (m *Move) site() (provision.Site, error) {
	captured, err := m.inventory()
	if err != nil {
		return provision.Site{}, err
	}
	if _, err := m.provider(); err != nil {
		return provision.Site{}, err
	}
	facts := map[string]*inventory.Host{}
	for _, h := range captured {
		facts[h.Name] = h
	}
	c, do := m.Config, m.Config.Provision.DigitalOcean
	key, err := os.ReadFile(c.SSH.IdentityFile + ".pub")
	if err != nil {
		return provision.Site{}, report.WithHint(fmt.Errorf("read the operator's public key: %w", err), "ssh-keygen -y -f %s > %s.pub", c.SSH.IdentityFile, c.SSH.IdentityFile)
	}
	site := provision.Site{
		ID: c.ID, Name: c.Site, Region: do.Region, Image: do.Image, PublicPorts: do.PublicPorts,
		SSHPublicKey: strings.TrimSpace(string(key)), SSHUser: c.SSH.User, SSHPort: c.SSH.Port,
	}
	if do.VPCRange != "" {
		if site.VPCRange, err = netip.ParsePrefix(do.VPCRange); err != nil {
			return site, fmt.Errorf("provision.digitalocean.vpc_range: %w", err)
		}
	}
	for _, p := range do.Operators {
		site.Operators = append(site.Operators, p.Prefix)
	}
	for _, h := range c.Hosts {
		f, ok := facts[h.Name]
		if !ok {
			return site, verb.Refuse("migrate inventory capture", "host %s is not in the inventory", h.Name)
		}
		site.Hosts = append(site.Hosts, provision.HostSpec{
			Name: h.Name, Roles: h.Roles, OldAddress: h.Address.Addr, Size: h.Size, Facts: factsOf(f),
		})
	}
	for _, a := range c.Applications {
		site.Applications = append(site.Applications, provision.Application{
			Name: a.Name, Hosts: a.Hosts, Files: a.Files, Services: a.Services, Health: a.Health,
		})
	}
	return site, nil
}

// factsOf is what a host's clone must have: as many processors and as much
// memory, half as much disk again as is used, the packages that were asked for
// and the services that are enabled.
func factsOf(h *inventory.Host) provision.Facts {
	f := provision.Facts{CPUs: h.CPU.Count, MemoryMiB: int(h.Memory.Total / mib)}
	var used int64
	devices := map[string]bool{}
	for _, d := range h.Disks {
		if !devices[d.Device] {
			used += d.Used
		}
		devices[d.Device] = true
	}
	f.DiskGiB = int((used*3/2 + gib - 1) / gib)
	for _, p := range h.Packages {
		if p.Manual {
			f.Packages = append(f.Packages, p.Name)
		}
	}
	for _, s := range h.Services {
		if s.Enabled == "enabled" && strings.HasSuffix(s.Unit, ".service") && s.Package != "" {
			f.Services = append(f.Services, s.Unit)
		}
	}
	return f
}
