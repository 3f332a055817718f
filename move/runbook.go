package move

import (
	"context"
	_ "embed" // the runbook
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"

	"github.com/dcmigrate/migrate/config"
)

//go:embed runbook.md.tmpl
var runbookText string

var runbookTemplate = template.Must(template.New("runbook").Parse(runbookText))

// prices is what each way costs its users.
var prices = map[string]string{
	config.WayFence: "one writer at a time; writes fail on the old site from the fence until its clients follow DNS",
	config.WayDual:  "both sides take writes while DNS moves; nothing fails; conflicting writes are possible, and reported",
}

type (
	runbookHost     struct{ Name, Roles, Old, New string }
	runbookDatabase struct{ Name, Host, Old, New string }
	runbookRecord   struct{ Zone, Name, Type, Old, New string }
)

type runbook struct {
	Site, File, Config, Now, Way, Price, StateDir string
	Position                                      Position
	MaxLag, Budget, VerifyAge, TTL                time.Duration
	Hosts                                         []runbookHost
	Databases                                     []runbookDatabase
	Records                                       []runbookRecord
	Waves                                         []string
}

// Runbook writes the runbook and rollback runbook with this move's real values.
func (m *Move) Runbook(ctx context.Context, w io.Writer) error {
	if err := m.vendors(); err != nil {
		return err
	}
	h, err := m.History()
	if err != nil {
		return err
	}
	c := m.Config
	r := runbook{
		Site: c.Site, File: c.File, Config: c.Digest, Now: time.Now().UTC().Format(time.RFC3339), Position: PositionOf(h),
		Way: c.Cutover.Way, Price: prices[c.Cutover.Way], StateDir: c.StateDir,
		MaxLag: c.Cutover.MaxLag, Budget: c.Cutover.Budget, VerifyAge: c.Cutover.VerifyAge, TTL: c.DNS.TTL,
	}
	for _, host := range c.Hosts {
		r.Hosts = append(r.Hosts, runbookHost{host.Name, strings.Join(host.Roles, ", "), host.Address.String(), m.newText(host.Name)})
	}
	for _, d := range c.Databases {
		r.Databases = append(r.Databases, runbookDatabase{d.Name, d.Host, addrOf(m, d.Host).String(), m.newText(d.Host)})
	}
	d, err := m.records(ctx)
	if err != nil {
		return err
	}
	if len(d.Waves) > 1 {
		r.Waves = d.Waves
	}
	for _, z := range d.Zones {
		for _, e := range z.Entries() {
			to := "(not provisioned yet)"
			if addr, err := m.newAddress(e.Old); err == nil {
				to = addr.String()
			}
			r.Records = append(r.Records, runbookRecord{z.Zone.Name, e.Record.Name, e.Record.Type, e.Old.String(), to})
		}
	}
	if err := runbookTemplate.Execute(w, r); err != nil {
		return fmt.Errorf("write runbook: %w", err)
	}
	return nil
}

func (m *Move) newText(host string) string {
	t, err := m.directory.Lookup(host)
	if err != nil {
		return "(not provisioned yet)"
	}
	return t.Public.String()
}
