package cfsim

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// completeName returns the FQDN of a record's name as Cloudflare does: "@" is the zone,
// and a name that does not end with the zone's is below it.
func (z *zone) completeName(name string) (string, error) {
	name = strings.TrimSuffix(name, ".")
	switch {
	case name == "@" || strings.EqualFold(name, z.name):
		return z.name, nil
	case name == "":
		return "", invalid(codeName, "DNS name is invalid.")
	}
	ascii, err := toASCII(name)
	if err != nil {
		return "", invalid(codeName, "DNS name is invalid.")
	}
	if !strings.HasSuffix(ascii, "."+z.name) {
		ascii += "." + z.name
	}
	if !validName(ascii) {
		return "", invalid(codeName, "DNS name is invalid.")
	}
	return ascii, nil
}

// toASCII returns a name in lower case and Punycode.
func toASCII(name string) (string, error) {
	if !utf8.ValidString(name) {
		return "", invalid(codeName, "DNS name is invalid.")
	}
	for _, r := range name {
		if r >= utf8.RuneSelf {
			ascii, err := idna.Punycode.ToASCII(strings.ToLower(name))
			return strings.ToLower(ascii), err
		}
	}
	return strings.ToLower(name), nil
}

// validName checks the lengths and characters of a lower-case name. An asterisk must be
// a whole label; it makes a wildcard only as the first label.
func validName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "*" {
			continue
		}
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// normalizeHostname checks the target of a CNAME, MX, NS, PTR or SRV record and returns
// it in lower case, without the final dot, and with the zone for "@".
func normalizeHostname(target, zone string) (string, bool) {
	if target == "@" {
		return zone, true
	}
	ascii, err := toASCII(strings.TrimSuffix(target, "."))
	if err != nil || !validName(ascii) || strings.Contains(ascii, "*") {
		return "", false
	}
	return ascii, true
}

// parent returns a name without its first label, or "".
func parent(name string) string {
	_, rest, _ := strings.Cut(name, ".")
	return rest
}

// within reports whether name is zone or below it.
func within(name, zone string) bool {
	return name == zone || strings.HasSuffix(name, "."+zone)
}
