package traits

import (
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// Names replaces names and addresses that differ from host to host by marks that do
// not. The zero Names replaces nothing.
type Names struct{ needles []needle }

type needle struct{ text, mark string }

// Marks are characters of Unicode's private use area: no name contains them by
// chance, and no needle is found in them.
const (
	ownName    = "\uE000"
	ownAddress = "\uE001"
	peerMark   = "\uE002"
)

// minNameLength is the length of the shortest name that is replaced: shorter names
// occur in too many words.
const minNameLength = 3

// OwnNames returns Names that replace the host's own names and addresses. outside
// are further addresses of the host, which its interfaces do not show.
func OwnNames(h *inventory.Host, outside ...netip.Addr) Names {
	var n Names
	for _, text := range []string{h.Name, h.Network.Hostname, h.Network.FQDN} {
		n.add(text, ownName)
	}
	for _, a := range append(Addresses(h), outside...) {
		n.add(a.String(), ownAddress)
	}
	n.sort()
	return n
}

// With returns Names that also replace addresses of other hosts, each by a mark of
// its host. An address that several hosts have, such as that of a container bridge,
// is not replaced.
func (n Names) With(peers map[string][]netip.Addr) Names {
	with := Names{slices.Clone(n.needles)}
	of := map[netip.Addr]string{}
	for peer, addresses := range peers {
		for _, a := range addresses {
			if other, ok := of[a]; ok && other != peer {
				of[a] = ""
				continue
			}
			of[a] = peer
		}
	}
	for a, peer := range of {
		if peer != "" {
			with.add(a.String(), peerMark+peer+peerMark)
		}
	}
	with.sort()
	return with
}

func (n *Names) add(text, mark string) {
	known := slices.ContainsFunc(n.needles, func(k needle) bool { return k.text == text })
	if len(text) >= minNameLength && text != "localhost" && !known {
		n.needles = append(n.needles, needle{text, mark})
	}
}

// sort puts the longest first: a host's full name before its first part.
func (n *Names) sort() {
	slices.SortFunc(n.needles, func(a, b needle) int {
		return cmp.Or(cmp.Compare(len(b.text), len(a.text)), cmp.Compare(a.text, b.text), cmp.Compare(a.mark, b.mark))
	})
}

// Addresses returns the addresses of a host's interfaces, loopback and link-local
// ones excluded.
func Addresses(h *inventory.Host) []netip.Addr {
	var all []netip.Addr
	for _, i := range h.Network.Interfaces {
		for _, text := range i.Addresses {
			p, err := netip.ParsePrefix(text)
			if err == nil && !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() {
				all = append(all, p.Addr().Unmap().WithZone(""))
			}
		}
	}
	return all
}

// Replace replaces whole names and addresses by their marks: 10.0.0.1 is not found in
// 10.0.0.12, nor db1 in db1.example.com.
func (n Names) Replace(text string) string {
	for _, k := range n.needles {
		if strings.Contains(text, k.text) {
			text = replaceWhole(text, k)
		}
	}
	return text
}

func replaceWhole(text string, k needle) string {
	var b strings.Builder
	from := 0 // text before it is written
	for at := 0; ; {
		i := strings.Index(text[at:], k.text)
		if i < 0 {
			b.WriteString(text[from:])
			return b.String()
		}
		start, end := at+i, at+i+len(k.text)
		if at = start + 1; k.begins(text[:start]) && k.ends(text[end:]) {
			b.WriteString(text[from:start])
			b.WriteString(k.mark)
			from, at = end, end
		}
	}
}

// begins reports whether the needle may begin after text. A colon ends the part
// before it, except in an IPv6 address.
func (k needle) begins(text string) bool {
	if text == "" {
		return true
	}
	last := text[len(text)-1]
	return !isWord(last) && last != '.' && last != '-' && (last != ':' || !strings.Contains(k.text, ":"))
}

// fileSuffix matches the suffixes of files that are named after a host: web1.conf.
var fileSuffix = regexp.MustCompile(`^\.(conf|cnf|cfg|ini|pem|crt|cer|key|csr|json|ya?ml|toml|sh|log|list|service|timer)($|[^\w.-])`)

// ends reports whether the needle may end before text. A dot may follow only as the
// end of a sentence or of a fully qualified name, or before a file's suffix.
func (k needle) ends(text string) bool {
	if text == "" {
		return true
	}
	switch text[0] {
	case '.':
		return len(text) == 1 || strings.ContainsRune(" \t\r\n;:,", rune(text[1])) || fileSuffix.MatchString(text)
	case ':':
		return !strings.Contains(k.text, ":")
	}
	return !isWord(text[0]) && text[0] != '-'
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// Readable replaces the marks that Replace made by readable ones: "{own name}".
func Readable(text string) string {
	text = strings.NewReplacer(ownName, "{own name}", ownAddress, "{own address}").Replace(text)
	parts := strings.Split(text, peerMark)
	for i := 1; i+1 < len(parts); i += 2 {
		parts[i] = "{" + parts[i] + "}"
	}
	return strings.Join(parts, "")
}
