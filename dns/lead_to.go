package dns

import (
	"net/netip"
	"slices"
)

// LeadTo lists the records that lead clients to one of the addresses: "www.example.net A".
func LeadTo(zones []ZoneRecords, addresses []netip.Addr) []string {
	var out []string
	for _, z := range zones {
		for _, r := range z.Records {
			if r.leadsTo(addresses) {
				out = append(out, r.String())
			}
		}
	}
	return out
}

// leadsTo reports whether clients that follow the record reach one of the addresses: the
// record is one, or hints at one (RFC 9460).
func (r Record) leadsTo(addresses []netip.Addr) bool {
	if r.Type == "HTTPS" || r.Type == "SVCB" {
		return len(mentionedAddresses(r.Content, addresses)) > 0
	}
	a, ok := recordAddress(r)
	return ok && slices.Contains(addresses, a.Unmap())
}
