package cfsim

import (
	"fmt"
	"net"

	"github.com/miekg/dns"
)

// resourceRecord returns the record as DNS transmits it, with the given owner and TTL.
// The owner differs from the record's name for a wildcard.
func (r *Record) resourceRecord(owner string, ttl uint32) (dns.RR, error) {
	header := dns.RR_Header{Name: owner, Rrtype: dns.StringToType[r.Type], Class: dns.ClassINET, Ttl: ttl}
	switch r.Type {
	case "A":
		return &dns.A{Hdr: header, A: net.ParseIP(r.Content).To4()}, nil
	case "AAAA":
		return &dns.AAAA{Hdr: header, AAAA: net.ParseIP(r.Content)}, nil
	case "CNAME":
		return &dns.CNAME{Hdr: header, Target: dns.Fqdn(r.Content)}, nil
	case "NS":
		return &dns.NS{Hdr: header, Ns: dns.Fqdn(r.Content)}, nil
	case "PTR":
		return &dns.PTR{Hdr: header, Ptr: dns.Fqdn(r.Content)}, nil
	case "MX":
		return &dns.MX{Hdr: header, Preference: uint16(r.Priority), Mx: dns.Fqdn(r.Content)}, nil
	case "TXT":
		text, ok := characterStrings(r.Content)
		if !ok {
			return nil, fmt.Errorf("record %s: not a TXT content", r.ID)
		}
		return &dns.TXT{Hdr: header, Txt: text}, nil
	}
	content := r.Content
	if r.Type == "SRV" || r.Type == "NAPTR" {
		content = dns.Fqdn(content) // the content ends with the target
	}
	rr, err := dns.NewRR(". 1 IN " + r.Type + " " + content)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", r.ID, err)
	}
	*rr.Header() = header
	return rr, nil
}

// soa returns the zone's start of authority.
func (z *zone) soa(ttl uint32) dns.RR {
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: dns.Fqdn(z.name), Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: ttl},
		Ns:  dns.Fqdn(z.nameServers[0]), Mbox: "dns.cloudflare.com.",
		Serial: z.serial, Refresh: 10000, Retry: 2400, Expire: 604800, Minttl: negativeTTL,
	}
}
