package cfsim

import (
	"net/netip"
	"strings"
	"time"
)

// maxChain is the maximum number of CNAMEs in a chain.
const maxChain = 8

// zoneOf returns the zone of a name, the one with the longest name, or nil. The caller
// holds s.mu.
func (s *Sim) zoneOf(name string) *zone {
	for n := name; n != ""; n = parent(n) {
		if z := s.byName[n]; z != nil {
			return z
		}
	}
	return nil
}

// find returns the records that answer for a name, and whether the name exists. A
// wildcard answers below its parent, but not at or below a name with records of its own,
// of any type.
func (z *zone) find(name string, now time.Time) (records []*Record, exists bool) {
	if records = z.view.recordsAt(name, now); len(records) > 0 {
		return records, true
	}
	if name == z.name || z.view.existsAt(name, now) {
		return nil, true
	}
	for p := parent(name); within(p, z.name); p = parent(p) {
		if p == z.name || z.view.existsAt(p, now) { // the closest name that exists
			records = z.view.recordsAt("*."+p, now)
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

// anyProxied reports whether the edge proxies a name: one proxied record is enough.
func anyProxied(records []*Record) bool {
	for _, r := range records {
		if r.Proxied && proxiable(r.Type) {
			return true
		}
	}
	return false
}

// destination is where the edge sends a host's requests.
type destination struct {
	zone  string
	addrs []netip.Addr
	code  int // 0, or Cloudflare's code for the error page
}

// Codes on the edge's error pages.
const (
	edgeNoDNS     = 1001 // the host is not proxied
	edgeOriginDNS = 1016 // the record's target does not resolve
)

// destination resolves a host's proxied record to the origin's addresses.
func (s *Sim) destination(name string) destination {
	now := s.options.Now()
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

// addresses returns the addresses of A and AAAA records. It follows CNAMEs within this
// account. The caller holds s.mu.
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

// lowerHost returns a host name in lower case, without the final dot.
func lowerHost(host string) string {
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
