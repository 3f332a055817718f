package findings

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/address"
	"github.com/dcmigrate/migrate/inventory"
)

// oldAddress is an address or a name of an old host.
type oldAddress struct{ host, text string }

// minName is the length of the shortest address or name that is looked for: a
// shorter one is part of too many words.
const minName = 3

// oldAddresses lists the addresses and names of all old hosts, by host and text.
func (s Site) oldAddresses(hosts []*inventory.Host) []oldAddress {
	texts := map[string][]string{}
	for host, addresses := range s.Old {
		for _, a := range addresses {
			texts[host] = append(texts[host], a.String())
		}
		texts[host] = append(texts[host], host)
	}
	for _, h := range hosts {
		if _, ok := s.Old[h.Name]; !ok {
			continue
		}
		texts[h.Name] = append(texts[h.Name], h.Network.Hostname, h.Network.FQDN)
		for _, i := range h.Network.Interfaces {
			for _, a := range i.Addresses {
				if p, err := netip.ParsePrefix(a); err == nil && !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() {
					texts[h.Name] = append(texts[h.Name], p.Addr().String())
				}
			}
		}
	}
	var all []oldAddress
	for _, host := range slices.Sorted(maps.Keys(texts)) {
		slices.Sort(texts[host])
		for _, text := range slices.Compact(texts[host]) {
			if len(text) >= minName && text != "localhost" {
				all = append(all, oldAddress{host, text})
			}
		}
	}
	return all
}

// oldAddressSearch looks for old addresses in text.
type oldAddressSearch struct {
	olds     []oldAddress
	index    map[string]int // position in olds by text; the first of equal texts
	rewriter address.Rewriter
}

func newOldAddressSearch(olds []oldAddress) oldAddressSearch {
	s := oldAddressSearch{olds: olds, index: map[string]int{}}
	texts := map[string]string{}
	for i, old := range olds {
		if _, ok := s.index[old.text]; !ok {
			s.index[old.text] = i
		}
		texts[old.text] = "" // looked for, never replaced
	}
	s.rewriter = address.NewRewriter(texts)
	return s
}

// inLine returns the old address that a line names; of several, the first in
// the order of olds.
func (s oldAddressSearch) inLine(line string) (oldAddress, bool) {
	_, mentions := s.rewriter.Rewrite(line)
	if len(mentions) == 0 {
		return oldAddress{}, false
	}
	first := len(s.olds)
	for _, m := range mentions {
		first = min(first, s.index[m.Old])
	}
	return s.olds[first], true
}

// searchText adds a finding for each line that names an old host, comments excepted.
func (f *finder) searchText(where, text string) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, "//") || strings.HasPrefix(trimmed, ";") {
			continue
		}
		old, ok := f.search.inLine(line)
		if !ok {
			continue
		}
		place := where
		if strings.HasPrefix(where, "/") {
			place = fmt.Sprintf("%s:%d", where, number)
		}
		f.add(KindAddress, place, "%s of %s: %.120s", old.text, old.host, trimmed)
	}
}

// wildcardAccount adds a finding for an account whose host pattern begins with
// prefix and admits an old host.
func (f *finder) wildcardAccount(where, prefix string) {
	for _, old := range f.search.olds {
		if strings.HasPrefix(old.text, prefix) {
			f.add(KindAddress, where, "it is for hosts of the old network, as %s of %s", old.text, old.host)
			return
		}
	}
}

// ownNameFiles are files that hold the host's own name and addresses. The new
// host gets its own, so these are not searched.
var ownNameFiles = regexp.MustCompile(`^/etc/(hostname|mailname|machine-id|network/.*|netplan/.*|sysconfig/network.*|NetworkManager/.*|ssh/.*|resolv\.conf)$`)

// addresses finds old hosts in the captured files (crontabs and units among
// them), and in the grants and settings of databases.
func (f *finder) addresses() error {
	if len(f.search.olds) == 0 {
		return nil
	}
	if f.site.Objects != nil {
		for _, list := range [][]inventory.File{f.host.Configuration, f.host.Files} {
			for _, file := range list {
				if file.Content == "" || ownNameFiles.MatchString(string(file.Path)) {
					continue
				}
				text, err := f.site.Objects.Get(file.Content)
				if err != nil {
					return err
				}
				f.searchText(string(file.Path), string(text))
			}
		}
	}
	if m := f.host.MySQL; m != nil {
		for _, g := range m.Grants {
			f.searchText("grants of "+g.Account, strings.NewReplacer("`", " ", "'", " ", "@", " ").Replace(g.Statement))
		}
		for _, u := range m.Users {
			if prefix, _, ok := strings.Cut(u.Host, "%"); ok && prefix != "" {
				f.wildcardAccount("mysql '"+u.User+"'@'"+u.Host+"'", prefix)
			}
		}
		for _, s := range m.Settings {
			f.searchText("mysql setting "+s.Name, s.Value)
		}
	}
	for _, pg := range f.host.PostgreSQL {
		for _, s := range pg.Settings {
			f.searchText("postgresql setting "+s.Name, s.Value)
		}
	}
	for _, r := range f.host.Redis {
		for _, s := range r.Settings {
			f.searchText("redis setting "+s.Name, s.Value)
		}
	}
	return nil
}
