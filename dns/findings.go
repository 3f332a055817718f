package dns

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Finding is something that does not flip by itself and that a person should
// look at: it is a hazard of the zone's flip.
type Finding struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Text string `json:"text"`
}

func (f Finding) String() string { return strings.TrimSpace(f.Name+" "+f.Type) + ": " + f.Text }

// findings looks at what the flip leaves alone: records of other types that
// mention a source address or name a host that flips, and A or AAAA records that
// stay at a name whose other address flips.
func findings(z ZoneRecords, flip ZoneFlip, flipping map[string]string, old []netip.Addr) []Finding {
	var out []Finding
	if len(flip.Waves) > 0 && !z.Zone.Active {
		out = append(out, Finding{z.Zone.Name, "zone", "is not active: its name servers do not answer for it yet, so a flip reaches nobody"})
	}
	changed := map[string]bool{}
	for _, e := range flip.Entries() {
		changed[e.Record.ID] = true
	}
	for _, r := range z.Records {
		switch {
		case changed[r.ID] || slices.ContainsFunc(flip.Excluded, func(x Record) bool { return x.ID == r.ID }):
		case r.Type == "A" || r.Type == "AAAA":
			if _, ok := flipping[r.Name]; ok {
				out = append(out, Finding{r.Name, r.Type, fmt.Sprintf("stays at %s, which is no source host's address, while another address of the name flips", r.Content)})
			}
		case r.Type == "CNAME": // follows
		default:
			out = append(out, mentions(r, flipping, old)...)
		}
	}
	return out
}

// byName says, for types whose content names a host, what the flip does to it.
var byName = map[string]string{
	"MX":  "mail for it goes to the target after the flip: something must listen there, or keep a record for the mail host at the source",
	"SRV": "its clients go to the target after the flip: the port must be open there",
	"NS":  "a delegation to a host that flips: its name service must run at the target",
}

func mentions(r Record, flipping map[string]string, old []netip.Addr) []Finding {
	var out []Finding
	for _, a := range mentioned(r.Content, old) {
		text := fmt.Sprintf("mentions the source address %s and does not flip", a)
		if strings.Contains(strings.ToLower(r.Content), "v=spf1") {
			text = fmt.Sprintf("SPF allows mail from the source address %s: add the target's before it sends mail", a)
		}
		out = append(out, Finding{r.Name, r.Type, text})
	}
	if text, ok := byName[r.Type]; ok {
		fields := strings.Fields(r.Content)
		if len(fields) == 0 {
			return out
		}
		host := canonical(fields[len(fields)-1])
		if _, ok := flipping[host]; ok {
			out = append(out, Finding{r.Name, r.Type, fmt.Sprintf("names %s, which flips: %s", host, text)})
		}
	}
	return out
}

var (
	separators = regexp.MustCompile(`[\s"'=,;()\\]+`)
	mechanism  = regexp.MustCompile(`(?i)^[+?~-]?ip[46]:`)
)

// mentioned returns the addresses that content names, alone, with a port, or in
// a network.
func mentioned(content string, old []netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, word := range separators.Split(content, -1) {
		word = mechanism.ReplaceAllString(word, "")
		for _, a := range old {
			if names(word, a) && !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	return out
}

func names(word string, a netip.Addr) bool {
	if x, err := netip.ParseAddr(word); err == nil {
		return x == a
	}
	if x, err := netip.ParsePrefix(word); err == nil {
		return x.Bits() > 0 && x.Contains(a)
	}
	x, err := netip.ParseAddrPort(word)
	return err == nil && x.Addr() == a
}
