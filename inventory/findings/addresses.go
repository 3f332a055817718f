package findings

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// needle is an old host's address or name, to be looked for.
type needle struct {
	host, text string
	re         *regexp.Regexp
}

// minName is the shortest name that is looked for by itself: a shorter one
// stands in too many words.
const minName = 3

// needles are the addresses and names of all the old hosts.
func (s Site) needles(hosts []*inventory.Host) []needle {
	names := map[string][]string{}
	for host, addresses := range s.Old {
		for _, a := range addresses {
			names[host] = append(names[host], a.String())
		}
		names[host] = append(names[host], host)
	}
	for _, h := range hosts {
		if _, ok := s.Old[h.Name]; !ok {
			continue
		}
		names[h.Name] = append(names[h.Name], h.Network.Hostname, h.Network.FQDN)
		for _, i := range h.Network.Interfaces {
			for _, a := range i.Addresses {
				if p, err := netip.ParsePrefix(a); err == nil && !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() {
					names[h.Name] = append(names[h.Name], p.Addr().String())
				}
			}
		}
	}
	var all []needle
	for _, host := range slices.Sorted(maps.Keys(names)) {
		slices.Sort(names[host])
		for _, text := range slices.Compact(names[host]) {
			if len(text) >= minName && text != "localhost" {
				// whole: 10.0.0.1 is not in 10.0.0.12, nor db1 in db1.example.com's longer name
				re := regexp.MustCompile(`(?:^|[^\w.:-])` + regexp.QuoteMeta(text) + `(?:$|[^\w.-]|\.(?:$|\s))`)
				all = append(all, needle{host, text, re})
			}
		}
	}
	return all
}

// grep looks for old hosts in a text, line by line. Comments do no harm.
func (f *finder) grep(where, text string) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		t := strings.TrimSpace(line)
		if t == "" || strings.HasPrefix(t, "#") || strings.HasPrefix(t, "//") || strings.HasPrefix(t, ";") {
			continue
		}
		for _, n := range f.needles {
			if strings.Contains(line, n.text) && n.re.MatchString(line) {
				at := where
				if strings.HasPrefix(where, "/") {
					at = fmt.Sprintf("%s:%d", where, number)
				}
				f.add(KindAddress, at, "%s of %s: %.120s", n.text, n.host, t)
				break
			}
		}
	}
}

// wildcard finds an account that only hosts of the old network may use.
func (f *finder) wildcard(where, prefix string) {
	for _, n := range f.needles {
		if strings.HasPrefix(n.text, prefix) {
			f.add(KindAddress, where, "it is for hosts of the old network, as %s of %s", n.text, n.host)
			return
		}
	}
}

// skipNames are files whose job is to hold the host's own name and addresses:
// they are made anew on the new host.
var skipNames = regexp.MustCompile(`^/etc/(hostname|mailname|machine-id|network/.*|netplan/.*|sysconfig/network.*|NetworkManager/.*|ssh/.*|resolv\.conf)$`)

// addresses finds old hosts in what was captured: files, crontabs, units,
// grants and settings of databases.
func (f *finder) addresses() error {
	if len(f.needles) == 0 {
		return nil
	}
	if f.site.Objects != nil {
		for _, list := range [][]inventory.File{f.host.Configuration, f.host.Files} {
			for _, file := range list {
				if file.Content == "" || skipNames.MatchString(string(file.Path)) {
					continue
				}
				text, err := f.site.Objects.Get(file.Content)
				if err != nil {
					return err
				}
				f.grep(string(file.Path), string(text))
			}
		}
	}
	if m := f.host.MySQL; m != nil {
		for _, g := range m.Grants {
			f.grep("grants of "+g.Account, strings.NewReplacer("`", " ", "'", " ", "@", " ").Replace(g.Statement))
		}
		for _, u := range m.Users {
			if prefix, _, ok := strings.Cut(u.Host, "%"); ok && prefix != "" {
				f.wildcard("mysql '"+u.User+"'@'"+u.Host+"'", prefix)
			}
		}
		for _, s := range m.Settings {
			f.grep("mysql setting "+s.Name, s.Value)
		}
	}
	for _, pg := range f.host.PostgreSQL {
		for _, s := range pg.Settings {
			f.grep("postgresql setting "+s.Name, s.Value)
		}
	}
	for _, r := range f.host.Redis {
		for _, s := range r.Settings {
			f.grep("redis setting "+s.Name, s.Value)
		}
	}
	return nil
}
