// Package records decides which DNS records a move flips, and makes the stages that
// lower their TTLs, flip them wave by wave, and flip them back. It needs the wired
// site and the zones' vendor. It learns what a cutover has flipped from the journal
// alone: the way back must not depend on zones that were edited since.
package records

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/dns/cloudflare"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/move/wiring"
	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/report"
)

// Records are a site's records at the zones' vendor.
type Records struct {
	site  *wiring.Site
	zones *cloudflare.Client
	prober
}

// Open returns the records of a site. Without the vendor's token the error wraps
// wiring.ErrVendorLogin.
func Open(site *wiring.Site) (*Records, error) {
	zones, err := site.Zones()
	if err != nil {
		return nil, err
	}
	return &Records{site, zones, prober{site}}, nil
}

// Derive derives which records flip from the zones as they are now. If a setting does
// not fit the zones, the error is a *config.Error that names file and line.
func (r *Records) Derive(ctx context.Context) (dns.Derivation, error) {
	c := r.site.Config
	snapshot, err := dns.Snapshot(ctx, r.zones, r.zones, c.DNS.Zones)
	if err != nil {
		return dns.Derivation{}, r.located(err)
	}
	sel := dns.Selection{Addresses: newAddresses{r.site}, Exclude: c.DNS.Exclude}
	for _, h := range c.Hosts {
		sel.Old = append(sel.Old, h.Address.Addr)
	}
	for _, w := range c.Cutover.Waves {
		sel.Waves = append(sel.Waves, dns.Wave{Name: w.Name, Records: w.Records})
	}
	d, err := dns.Derive(snapshot, sel)
	return d, r.located(err)
}

// RequireUnled returns an error that names the records that lead clients to one of the
// new hosts.
func (r *Records) RequireUnled(ctx context.Context, hosts []provision.Host) error {
	var addresses []netip.Addr
	for _, h := range hosts {
		for _, a := range []netip.Addr{h.Public, h.Private, h.PublicV6, h.Reserved} {
			if a.IsValid() {
				addresses = append(addresses, a)
			}
		}
	}
	if len(addresses) == 0 {
		return nil
	}
	zones, err := dns.Snapshot(ctx, r.zones, r.zones, r.site.Config.DNS.Zones)
	if err != nil {
		return fmt.Errorf("look for records that lead to the new hosts: %w", err)
	}
	leading := dns.LeadTo(zones, addresses)
	if len(leading) == 0 {
		return nil
	}
	return report.WithHint(report.Permanent(fmt.Errorf("DNS leads clients to the new hosts: %s", phrase.FirstOf(5, leading))),
		"migrate status tells where the move stands; migrate rollback leads clients back, and records that were made by hand have to be removed by hand")
}

func (r *Records) located(err error) error {
	var wrong *dns.SettingError
	if errors.As(err, &wrong) {
		return r.site.Config.Wrong(wrong.Setting, wrong.Error(), report.Hint(err))
	}
	return err
}

func (r *Records) propagation() dns.Propagation {
	return dns.Propagation{Server: r.site.Config.DNS.Resolver}
}

// Journaled is the derivation for the way back: the journal says which records flip,
// and the zones only which names follow them.
func (r *Records) Journaled(ctx context.Context, h *plan.History) (dns.Derivation, error) {
	journaled, err := flipsIn(h)
	if err != nil || len(journaled) == 0 {
		return dns.Derivation{}, err
	}
	var flips []dns.PastFlip
	var names []string
	for _, f := range journaled {
		flips = append(flips, f.PastFlip)
		if !slices.Contains(names, f.Zone) {
			names = append(names, f.Zone)
		}
	}
	all := slices.Clone(names)
	for _, z := range r.site.Config.DNS.Zones {
		if !slices.Contains(all, z) {
			all = append(all, z)
		}
	}
	snapshot, err := dns.Snapshot(ctx, r.zones, r.zones, all)
	if err != nil && len(all) > len(names) {
		report.Note(ctx, "names that follow in other zones are not purged: %v", err)
		snapshot, err = dns.Snapshot(ctx, r.zones, r.zones, names)
	}
	if err != nil {
		return dns.Derivation{}, err
	}
	return dns.DeriveFromFlips(eachOnce(snapshot), flips), nil
}

// eachOnce removes zones that are listed twice, because the configuration spells them
// differently.
func eachOnce(zones []dns.ZoneRecords) []dns.ZoneRecords {
	seen := map[string]bool{}
	return slices.DeleteFunc(zones, func(z dns.ZoneRecords) bool {
		twice := seen[z.Zone.ID]
		seen[z.Zone.ID] = true
		return twice
	})
}

// Strays are records of d that have a target address already, but no before-image in a
// flip of the cutover: somebody pointed them there by hand.
func Strays(d dns.Derivation, h *plan.History) []string {
	flipped := map[string]bool{}
	for _, r := range h.Ours(verb.Cutover) {
		if _, _, ok := verb.FlipOf(r.Key); !ok {
			continue
		}
		images, err := dns.ParseImages(r.Before)
		if err != nil {
			continue // the flip back fails with this error
		}
		for _, i := range images {
			flipped[i.ID] = true
		}
	}
	var out []string
	for _, e := range entriesOf(d) {
		if e.Record.Content != e.Old.String() && !flipped[e.Record.ID] {
			out = append(out, e.Record.Name+" "+e.Record.Type)
		}
	}
	return out
}

func entriesOf(d dns.Derivation) []dns.Entry {
	var entries []dns.Entry
	for _, z := range d.Zones {
		entries = append(entries, z.Entries()...)
	}
	return entries
}

// newAddresses maps addresses of the source hosts to those of the target hosts. It
// implements dns.Addresses.
type newAddresses struct{ site *wiring.Site }

func (a newAddresses) TargetOf(old netip.Addr) (netip.Addr, error) {
	addr, err := a.site.NewAddress(old)
	if errors.Is(err, provision.ErrNotProvisioned) {
		return addr, fmt.Errorf("%w: %w", dns.ErrNotProvisioned, err)
	}
	return addr, err
}

// sameAddresses maps the addresses of the old site to themselves.
func sameAddresses(site *wiring.Site) dns.Addresses {
	same := dns.AddressMap{}
	for _, h := range site.Config.Hosts {
		same[h.Address.Addr] = h.Address.Addr
	}
	return same
}
