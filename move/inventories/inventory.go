// Package inventories has the verbs of migrate inventory, and turns what was
// captured into the new site. It needs the wired site. Only Capture connects to
// hosts, and it changes nothing there; the others read what was captured.
package inventories

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/capture"
	"github.com/dcmigrate/migrate/inventory/redact"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/move/wiring"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/report"
)

// capturesAtOnce bounds the hosts that are captured side by side.
const capturesAtOnce = 16

// Inventory is what was captured of the old site's hosts, in the state folder.
type Inventory struct{ site *wiring.Site }

// Of is the inventory of a site.
func Of(site *wiring.Site) *Inventory { return &Inventory{site} }

func (v *Inventory) dir() string { return v.site.State.Path("inventory") }

// Capture captures every host of the old site and saves what it finds. Where a host
// fails, the others are captured all the same.
func (v *Inventory) Capture(ctx context.Context, deep bool) error {
	var targets []capture.Target
	for _, h := range v.site.Config.Hosts {
		t := capture.Target{Host: v.site.Source(h.Name), Roles: h.Roles, Deep: deep}
		for _, a := range v.site.Config.Applications {
			for _, name := range a.Hosts {
				if name == h.Name {
					t.Files = append(t.Files, a.Files...)
				}
			}
		}
		for _, d := range v.site.Config.Databases {
			if d.Host == h.Name {
				t.MySQL = &capture.MySQLTarget{Socket: d.Source.Socket, User: d.Source.User}
			}
		}
		targets = append(targets, t)
	}
	var errs []error
	key, err := inventory.OpenKey(v.site.State.Path("inventory.key"))
	if err != nil {
		return err
	}
	options := capture.Options{AtOnce: capturesAtOnce, Redactor: redact.New(key), Objects: v.objects()}
	for _, r := range capture.Hosts(ctx, targets, options) {
		if r.Err != nil {
			errs = append(errs, r.Err)
			continue
		}
		errs = append(errs, v.save(r.Host))
	}
	return errors.Join(append(errs, v.audit(options.Redactor))...)
}

// save saves what was captured, unless it is a plain login's view of a host that was
// captured as root before: if sudo stops working, nothing known is lost.
func (v *Inventory) save(h *inventory.Host) error {
	file := filepath.Join(v.dir(), h.Name+".json")
	if earlier, err := inventory.LoadFile(file); err == nil && earlier.AsRoot() && !h.AsRoot() {
		err = fmt.Errorf("capture %s: %w: the inventory of %s, captured as root, is kept", h.Name, remote.ErrSudo, earlier.CapturedAt.Format(time.DateTime))
		return report.WithHint(err, "let %s run sudo without a password on %s, or remove %s to keep what a plain login sees", v.site.Config.SSH.User, h.Name, file)
	}
	return inventory.Save(v.dir(), h)
}

// audit reads what was written and looks for secrets in it (I7).
func (v *Inventory) audit(r *redact.Redactor) error {
	leaks, err := capture.Audit(v.dir(), r)
	if err != nil || len(leaks) == 0 {
		return err
	}
	err = fmt.Errorf("%d secrets were written, the first a %s in %s", len(leaks), leaks[0].Kind, leaks[0].Path)
	return report.WithHint(err, "remove %s, do not commit it, and report the kind of file", v.dir())
}

func (v *Inventory) objects() *inventory.Objects {
	return inventory.NewObjects(filepath.Join(v.dir(), "objects"))
}

// Hosts are the captured hosts. If there are none, the error is a *verb.RefusedError.
func (v *Inventory) Hosts() ([]*inventory.Host, error) {
	hosts, err := inventory.Load(v.dir())
	if err == nil && len(hosts) == 0 {
		return nil, verb.Refuse("migrate inventory capture", "there is no inventory yet")
	}
	return hosts, err
}

// named returns the hosts of these names, or all if no name is given.
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
