package move

import (
	"context"
	_ "embed" // the runbook
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"

	"github.com/dcmigrate/migrate/move/records"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/move/way"
	"github.com/dcmigrate/migrate/provision"
)

//go:embed runbook.md.tmpl
var runbookText string

// templateOf is the runbook's template with the texts of the way.
func templateOf(t way.Traits) (*template.Template, error) {
	text := runbookText
	for name, said := range map[string]string{
		"way-cutover":    indented(t.Runbook.Cutover),
		"way-before-dns": t.Runbook.BeforeDNS,
		"way-after-dns":  paragraph(t.Runbook.AfterDNS),
	} {
		text += fmt.Sprintf("{{define %q}}%s{{end}}", name, said)
	}
	out, err := template.New("runbook").Parse(text)
	if err != nil {
		return nil, fmt.Errorf("runbook of way %s: %w", t.Name, err)
	}
	return out, nil
}

// indented makes text an item below a list item.
func indented(text string) string {
	if text == "" {
		return ""
	}
	return "\n   " + strings.ReplaceAll(text, "\n", "\n   ")
}

// paragraph makes text a paragraph of its own.
func paragraph(text string) string {
	if text == "" {
		return ""
	}
	return "\n\n" + text
}

type (
	runbookHost     struct{ Name, Roles, Old, New string }
	runbookDatabase struct{ Name, Host, Old, New string }
	runbookRecord   struct{ Zone, Name, Type, Old, New string }
)

type runbook struct {
	Site, File, Config, Now, Way, Price, StateDir string
	Position                                      verb.Position
	MaxLag, Budget, VerifyAge, TTL                time.Duration
	Hosts                                         []runbookHost
	Databases                                     []runbookDatabase
	Records                                       []runbookRecord
	Waves                                         []string
}

// Runbook writes the runbook and the rollback runbook, with this move's real values.
func (m *Move) Runbook(ctx context.Context, w io.Writer) error {
	zones, err := records.Open(m.site)
	if err != nil {
		return err
	}
	h, err := m.site.State.History()
	if err != nil {
		return err
	}
	c, traits := m.site.Config, m.plans.Way()
	r := runbook{
		Site: c.Site, File: c.File, Config: c.Digest, Now: time.Now().UTC().Format(time.RFC3339), Position: verb.PositionOf(h),
		Way: traits.Name, Price: traits.Price(), StateDir: c.StateDir,
		MaxLag: c.Cutover.MaxLag, Budget: c.Cutover.Budget, VerifyAge: c.Cutover.VerifyAge, TTL: c.DNS.TTL,
	}
	for _, host := range c.Hosts {
		r.Hosts = append(r.Hosts, runbookHost{host.Name, strings.Join(host.Roles, ", "), host.Address.String(), newText(m.site.Directory, host.Name)})
	}
	for _, d := range c.Databases {
		r.Databases = append(r.Databases, runbookDatabase{d.Name, d.Host, m.site.OldAddress(d.Host).String(), newText(m.site.Directory, d.Host)})
	}
	d, err := zones.Derive(ctx)
	if err != nil {
		return err
	}
	if len(d.Waves) > 1 {
		r.Waves = d.Waves
	}
	for _, z := range d.Zones {
		for _, e := range z.Entries() {
			to := "(not provisioned yet)"
			if addr, err := m.site.NewAddress(e.Old); err == nil {
				to = addr.String()
			}
			r.Records = append(r.Records, runbookRecord{z.Zone.Name, e.Record.Name, e.Record.Type, e.Old.String(), to})
		}
	}
	text, err := templateOf(traits)
	if err != nil {
		return err
	}
	if err := text.Execute(w, r); err != nil {
		return fmt.Errorf("write runbook: %w", err)
	}
	return nil
}

func newText(new *provision.Directory, host string) string {
	t, err := new.Lookup(host)
	if err != nil {
		return "(not provisioned yet)"
	}
	return t.Public.String()
}
