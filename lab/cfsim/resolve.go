package cfsim

import (
	"net/netip"
	"strings"
	"time"
)

// maxChain is how many CNAMEs are followed.
const maxChain = 8

// zoneOf is the zone that a name is in, the longest one; s.mu must be held.
func (s *Sim) zoneOf(name string) *zone {
	for n := name; n != ""; n = parent(n) {
		if z := s.byName[n]; z != nil {
			return z
		}
	}
	return nil
}

// find returns the records that answer for a name, and whether the name exists.
// A wildcard answers only below the name it hangs on, and not at or below a name
// that has records of its own, whatever their type.
func (z *zone) find(name string, now time.Time) (records []*Record, exists bool) {
	if records = z.view.at(name, now); len(records) > 0 {
		return records, true
	}
	if name == z.name || z.view.exists(name, now) {
		return nil, true
	}
	for p := parent(name); within(p, z.name); p = parent(p) {
		if p == z.name || z.view.exists(p, now) { // the closest name that exists
			records = z.view.at("*."+p, now)
			return records, len(records) > 0
		}
	}
	return nil, false
}

// ofType returns the records of a type.
func ofType(records []*Record, kind string) []*Record {
	var out []*Record
	for _, r := range records {
		if r.Type == kind {
			out = append(out, r)
		}
	}
	return out
}

// anyProxied tells whether the edge stands in front of a name: one proxied
// record is enough.
func anyProxied(records []*Record) bool {
	for _, r := range records {
		if r.Proxied && proxiable(r.Type) {
			return true
		}
	}
	return false
}

// destination is where the edge sends requests for a host.
type destination struct {
	zone  string
	addrs []netip.Addr
	code  int // 0, or Cloudflare's code for the error page
}

// Codes on the edge's error pages.
const (
	edgeNoDNS     = 1001 // the host is not proxied here
	edgeOriginDNS = 1016 // the record's target does not resolve
)

// destination follows a host's proxied record to the origin's addresses.
func (s *Sim) destination(name string) destination {
	now := s.opts.Now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	z := s.zoneOf(name)
	if z == nil || z.status != "active" {
		return destination{code: edgeNoDNS}
	}
	records, _ := z.find(name, now)
	if !anyProxied(records) {
		return destination{code: edgeNoDNS}
	}
	addrs := s.addresses(records, now)
	if len(addrs) == 0 {
		return destination{zone: z.name, code: edgeOriginDNS}
	}
	return destination{zone: z.name, addrs: addrs}
}

// addresses are the contents of a name's A and AAAA records, behind CNAMEs too
// as long as they stay in this account; s.mu must be held.
func (s *Sim) addresses(records []*Record, now time.Time) []netip.Addr {
	for range maxChain {
		cname := ofType(records, "CNAME")
		if len(cname) == 0 {
			break
		}
		z := s.zoneOf(cname[0].Content)
		if z == nil {
			return nil
		}
		records, _ = z.find(cname[0].Content, now)
	}
	var out []netip.Addr
	for _, r := range records {
		if r.Type != "A" && r.Type != "AAAA" {
			continue
		}
		if addr, err := netip.ParseAddr(r.Content); err == nil {
			out = append(out, addr)
		}
	}
	return out
}

// lowerHost is a host as records have it.
func lowerHost(host string) string {
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
