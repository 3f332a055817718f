package dns

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Finding is a record, or a zone, that the flip does not change and that a person
// should look at. It is a hazard of the zone's flip.
type Finding struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Text string `json:"text"`
}

func (f Finding) String() string { return strings.TrimSpace(f.Name+" "+f.Type) + ": " + f.Text }

// findings examines the records that the flip leaves alone. It reports records of
// other types that mention a source address or name a host that flips, and A or AAAA
// records of a name whose other address flips.
func findings(z ZoneRecords, flip ZoneFlip, flippingWaves map[string]string, old []netip.Addr) []Finding {
	var out []Finding
	if len(flip.Waves) > 0 && !z.Zone.Active {
		out = append(out, Finding{z.Zone.Name, "zone", "is not active: its name servers do not answer for it yet, so a flip reaches nobody"})
	}
	flippingIDs := map[string]bool{}
	for _, e := range flip.Entries() {
		flippingIDs[e.Record.ID] = true
	}
	for _, r := range z.Records {
		switch {
		case flippingIDs[r.ID] || slices.ContainsFunc(flip.Excluded, func(x Record) bool { return x.ID == r.ID }):
		case r.Type == "A" || r.Type == "AAAA":
			if _, ok := flippingWaves[r.Name]; ok {
				out = append(out, Finding{r.Name, r.Type, fmt.Sprintf("stays at %s, which is no source host's address, while another address of the name flips", r.Content)})
			}
		case r.Type == "CNAME": // see recordIndex.followers
		default:
			out = append(out, recordFindings(r, flippingWaves, old)...)
		}
	}
	return out
}

// hostFindings says, for each type whose content names a host, what a flip of that
// host means.
var hostFindings = map[string]string{
	"MX":  "mail for it goes to the target after the flip: something must listen there, or keep a record for the mail host at the source",
	"SRV": "its clients go to the target after the flip: the port must be open there",
	"NS":  "a delegation to a host that flips: its name service must run at the target",
}

func recordFindings(r Record, flippingWaves map[string]string, old []netip.Addr) []Finding {
	var out []Finding
	for _, a := range mentionedAddresses(r.Content, old) {
		text := fmt.Sprintf("mentions the source address %s and does not flip", a)
		if strings.Contains(strings.ToLower(r.Content), "v=spf1") {
			text = fmt.Sprintf("SPF allows mail from the source address %s: add the target's before it sends mail", a)
		}
		out = append(out, Finding{r.Name, r.Type, text})
	}
	if text, ok := hostFindings[r.Type]; ok {
		fields := strings.Fields(r.Content)
		if len(fields) == 0 {
			return out
		}
		host := canonical(fields[len(fields)-1])
		if _, ok := flippingWaves[host]; ok {
			out = append(out, Finding{r.Name, r.Type, fmt.Sprintf("names %s, which flips: %s", host, text)})
		}
	}
	return out
}

var (
	contentSeparators = regexp.MustCompile(`[\s"'=,;()\\]+`)
	spfMechanism      = regexp.MustCompile(`(?i)^[+?~-]?ip[46]:`)
)

// mentionedAddresses returns the source addresses that content mentions: alone, with
// a port, or as part of a network.
func mentionedAddresses(content string, old []netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, word := range contentSeparators.Split(content, -1) {
		word = spfMechanism.ReplaceAllString(word, "")
		for _, a := range old {
			if namesAddress(word, a) && !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	return out
}

func namesAddress(word string, a netip.Addr) bool {
	if x, err := netip.ParseAddr(word); err == nil {
		return x == a
	}
	if x, err := netip.ParsePrefix(word); err == nil {
		return x.Bits() > 0 && x.Contains(a)
	}
	x, err := netip.ParseAddrPort(word)
	return err == nil && x.Addr() == a
}
