package page

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/roles"
)

// anySite draws roles with hosts, and links between any of them and outside
// addresses.
func anySite(t *rapid.T) ([]roles.Role, []link) {
	var grouped []roles.Role
	ends := []endpoint{outsideClients}
	for r := range rapid.IntRange(0, 6).Draw(t, "roles") {
		role := roles.Role{Name: fmt.Sprintf("role%d", r)}
		for h := range rapid.IntRange(1, 70).Draw(t, "hosts") {
			name := fmt.Sprintf("host%d-%d", r, h)
			role.Hosts = append(role.Hosts, &inventory.Host{Name: name})
			ends = append(ends, endpoint{Name: name})
		}
		grouped = append(grouped, role)
	}
	for i := range rapid.IntRange(0, 12).Draw(t, "outside") {
		ends = append(ends, endpoint{Name: fmt.Sprintf("192.0.2.%d", i), Outside: true})
	}
	var links []link
	for range rapid.IntRange(0, 60).Draw(t, "links") {
		from, to := rapid.SampledFrom(ends).Draw(t, "from"), rapid.SampledFrom(ends).Draw(t, "to")
		count := rapid.IntRange(1, 1<<20).Draw(t, "count")
		links = append(links, link{From: from, To: to, Count: count, Services: []linkService{{service{"tcp", 80}, "x", count}}})
	}
	return grouped, links
}

type box struct{ x, y, w, h int }

func (a box) apart(b box) bool {
	return a.x+a.w <= b.x || b.x+b.w <= a.x || a.y+a.h <= b.y || b.y+b.h <= a.y
}

func (a box) within(b box) bool {
	return a.x >= b.x && a.y >= b.y && a.x+a.w <= b.x+b.w && a.y+a.h <= b.y+b.h
}

// Whoever talks to whom, boxes and nodes neither overlap nor leave the map, and the
// map is the same each time.
func TestMapHasRoomForAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		grouped, links := anySite(t)
		d := draw(grouped, links)
		whole := box{0, 0, d.Width, d.Height}
		for i, g := range d.Groups {
			require.True(t, box{g.X, g.Y, g.W, g.H}.within(whole), "%s of %dx%d", g.Name, d.Width, d.Height)
			for _, other := range d.Groups[:i] {
				require.True(t, box{g.X, g.Y, g.W, g.H}.apart(box{other.X, other.Y, other.W, other.H}), "%s and %s", g.Name, other.Name)
			}
			for j, n := range g.Nodes {
				require.True(t, box{n.X, n.Y, n.W, n.H}.within(box{g.X, g.Y, g.W, g.H}), "%s in %s", n.Name, g.Name)
				for _, other := range g.Nodes[:j] {
					require.True(t, box{n.X, n.Y, n.W, n.H}.apart(box{other.X, other.Y, other.W, other.H}))
				}
			}
		}
		again := draw(grouped, links)
		require.Equal(t, len(d.Edges), len(again.Edges))
		for i := range d.Edges {
			require.Equal(t, d.Edges[i].Path, again.Edges[i].Path)
		}
	})
}

// Clients are to the left of their servers, even if a few connections run back.
func TestClientsAreOnTheLeft(t *testing.T) {
	s := syntheticSite(20)
	s.Hosts[0].Connections = append(s.Hosts[0].Connections, inventory.Connection{Direction: inventory.Out, Protocol: "tcp", Peer: addressOf(5), Port: 9, Count: 1})
	grouped, links := roles.Of(s.Hosts), linksOf(s)
	d := draw(grouped, links)
	x := map[string]int{}
	for _, g := range d.Groups {
		x[g.Name] = g.X
	}
	require.Less(t, x["clients"], x["web"])
	require.Less(t, x["web"], x["app"])
	require.Less(t, x["app"], x["db"])
	require.Less(t, x["app"], x["cache"])
	require.Less(t, x["monitor"], x["db"])
}

// Both sides saw the same connections: they are not counted twice.
func TestLinksJoinWhatBothSidesSaw(t *testing.T) {
	host := func(name, address string, c ...inventory.Connection) *inventory.Host {
		return &inventory.Host{Name: name, Connections: c, Network: inventory.Network{Interfaces: []inventory.Interface{{Addresses: []string{address + "/24", "172.17.0.1/16"}}}}}
	}
	links := linksOf(Site{Hosts: []*inventory.Host{
		host("db1", "10.0.0.3",
			inventory.Connection{Direction: inventory.In, Protocol: "tcp", Peer: "10.0.0.1", Port: 3306, Process: "mariadbd", Count: 9},
			inventory.Connection{Direction: inventory.In, Protocol: "tcp", Peer: "198.51.100.1", Port: 3306, Process: "mariadbd", Count: 2},
			inventory.Connection{Direction: inventory.In, Protocol: "tcp", Peer: "198.51.100.2", Port: 3306, Process: "mariadbd", Count: 3}),
		host("web1", "10.0.0.1",
			inventory.Connection{Direction: inventory.Out, Protocol: "tcp", Peer: "10.0.0.3", Port: 3306, Process: "php", Count: 7},
			inventory.Connection{Direction: inventory.Out, Protocol: "tcp", Peer: "172.17.0.1", Port: 80, Count: 1},
			inventory.Connection{Direction: inventory.Out, Protocol: "tcp", Peer: "10.0.0.1", Port: 80, Count: 1}),
	}})
	require.Equal(t, []link{
		{endpoint{Name: "web1"}, endpoint{Name: "db1"}, []linkService{{service{"tcp", 3306}, "mariadbd", 9}}, 9},
		{endpoint{Name: "web1"}, endpoint{"172.17.0.1", true}, []linkService{{service{"tcp", 80}, "", 1}}, 1},
		{outsideClients, endpoint{Name: "db1"}, []linkService{{service{"tcp", 3306}, "mariadbd", 5}}, 5},
	}, links)
	require.Equal(t, "3306/tcp mariadbd ×9", servicesText(links[0]))
}

// With too many hosts the roles are drawn, with too many addresses only some.
func TestManyAreFolded(t *testing.T) {
	s := syntheticSite(maxHostNodes + 1)
	d := draw(roles.Of(s.Hosts), linksOf(s))
	require.True(t, d.Folded)
	require.Less(t, len(d.Nodes), 10)
	grouped := []roles.Role{{Name: "web", Hosts: []*inventory.Host{{Name: "web1"}}}}
	var links []link
	for i := range maxOutsideNodes + 5 {
		links = append(links, link{endpoint{Name: "web1"}, endpoint{fmt.Sprintf("192.0.2.%d", i), true}, []linkService{{service{"tcp", 443}, "", 1}}, 1})
	}
	d = draw(grouped, links)
	require.Equal(t, "5 more addresses", d.Nodes[len(d.Nodes)-1].Name)
	require.Len(t, d.Edges, maxOutsideNodes+1)
	require.Equal(t, "web1 → 5 more addresses on 443/tcp: 5 connections", d.Edges[0].Title)
}
