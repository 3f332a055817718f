package diff

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/traits"
)

// Side is one of the two things to compare: a host, a capture of a site, or a role.
type Side struct {
	Label string // as the operator named it
	Kind  Kind
	Hosts []*inventory.Host
	// Objects has the contents of their files. If it is nil, hashes are compared.
	Objects *inventory.Objects
	// Peers are the addresses on this side of hosts that both sides mention, and
	// the outside addresses of Hosts, by host name.
	Peers map[string][]netip.Addr
}

// Kind says how the hosts of a side are compared.
type Kind int

// Kinds of sides.
const (
	One     Kind = iota // a single host
	Capture             // all hosts of a site, each by its name
	Role                // similar hosts together, by what most of them have
)

// PeersOf returns the addresses of hosts, by name.
func PeersOf(hosts []*inventory.Host) map[string][]netip.Addr {
	peers := map[string][]netip.Addr{}
	for _, h := range hosts {
		peers[h.Name] = traits.Addresses(h)
	}
	return peers
}

// profile is one side of a single comparison: a host, or what most of several hosts
// have.
type profile struct {
	name    string
	system  string // "debian 12"
	items   []traits.Item
	unknown traits.Unknown
}

func (s Side) profile(hosts ...*inventory.Host) *profile {
	sub := &profile{name: s.Label, unknown: traits.UnknownOf(hosts...)}
	var sources []*traits.Source
	for _, h := range hosts {
		peers := map[string][]netip.Addr{}
		for name, addresses := range s.Peers {
			if name != h.Name {
				peers[name] = addresses
			}
		}
		sources = append(sources, &traits.Source{Host: h, Names: traits.OwnNames(h, s.Peers[h.Name]...).With(peers), Objects: s.Objects})
	}
	sub.items = traits.Usual(sources)
	for _, i := range sub.items {
		if i.At == "os" {
			sub.system = strings.TrimSpace(i.Get("id") + " " + i.Get("release"))
		}
	}
	if s.Kind != Role && len(hosts) == 1 {
		sub.name = hosts[0].Name
	}
	return sub
}

// NotIn returns the name of a single host that the capture on the other side lacks,
// and whether there is one.
func NotIn(before, after Side) (string, bool) {
	for _, pair := range [][2]Side{{before, after}, {after, before}} {
		one, all := pair[0], pair[1]
		if one.Kind == One && all.Kind == Capture && !slices.ContainsFunc(all.Hosts, func(h *inventory.Host) bool { return h.Name == one.Hosts[0].Name }) {
			return one.Hosts[0].Name, true
		}
	}
	return "", false
}
