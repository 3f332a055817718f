package page

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/roles"
)

const (
	// manyHosts is how many hosts are drawn one by one; of more, their roles are.
	manyHosts = 150
	// manyOutside is how many addresses that are no host's are drawn one by one.
	manyOutside = 8
)

// group is a box of the map: a role, the clients elsewhere, or the addresses
// elsewhere that hosts talk to.
type group struct {
	Name  string
	Ports string // what it is talked to on
	Color int
	X, Y  int
	W, H  int
	Nodes []*node

	layer, row int
	outside    bool
	columns    int
}

// node is a host, or all of a role, or an address elsewhere.
type node struct {
	Name string
	// Label is the name as far as it has room.
	Label string
	// Link is where a click leads to; none for an address elsewhere.
	Link string
	// Title says in words what is drawn there.
	Title      string
	ID         int
	X, Y, W, H int

	group *group
	links int
}

// Color is that of the node's group.
func (n *node) Color() int { return n.group.Color }

// edge is drawn between two nodes.
type edge struct {
	From, To *node
	Color    int
	Path     string
	Width    string
	Title    string
	Services string // "3306/tcp mariadbd, 22/tcp"
	Count    int    // of connections

	services []string
}

// graph is what is drawn, before it is known where.
type graph struct {
	groups []*group
	nodes  []*node
	edges  []*edge

	byEnd   map[end]*node
	between map[[2]*node]*edge
}

// graphOf makes nodes of hosts, and edges of links.
func graphOf(grouped []roles.Role, links []link) *graph {
	g := &graph{byEnd: map[end]*node{}, between: map[[2]*node]*edge{}}
	hosts := 0
	for _, r := range grouped {
		hosts += len(r.Hosts)
	}
	for i, r := range grouped {
		box := &group{Name: inventory.Printable(r.Name), Color: i % colors}
		g.groups = append(g.groups, box)
		if hosts > manyHosts {
			n := g.node(box, fmt.Sprintf("%s (%d)", r.Name, len(r.Hosts)), "#roles")
			for _, h := range r.Hosts {
				g.byEnd[end{Name: h.Name}] = n
			}
			continue
		}
		for _, h := range r.Hosts {
			g.byEnd[end{Name: h.Name}] = g.node(box, h.Name, "#host="+url.PathEscape(inventory.Printable(h.Name)))
		}
	}
	g.outside(links)
	for _, l := range links {
		g.link(l)
	}
	for _, e := range g.edges {
		e.From.links++
		e.To.links++
	}
	g.titles()
	return g
}

func (g *graph) node(box *group, name, link string) *node {
	n := &node{Name: inventory.Printable(name), Link: link, ID: len(g.nodes), group: box}
	g.nodes = append(g.nodes, n)
	box.Nodes = append(box.Nodes, n)
	return n
}

// outside makes nodes of what is no host: clients elsewhere, and the addresses
// that most hosts talk to.
func (g *graph) outside(links []link) {
	clients := map[end]int{}
	var peers []end
	for _, l := range links {
		if l.From == elsewhere {
			if g.byEnd[elsewhere] == nil {
				box := &group{Name: "clients", Color: colors, outside: true}
				g.groups = append(g.groups, box)
				g.byEnd[elsewhere] = g.node(box, elsewhere.Name, "")
			}
		} else if l.To.Outside {
			if clients[l.To] == 0 {
				peers = append(peers, l.To)
			}
			clients[l.To]++
		}
	}
	if len(peers) == 0 {
		return
	}
	slices.SortFunc(peers, func(a, b end) int { return cmp.Or(clients[b]-clients[a], cmp.Compare(a.Name, b.Name)) })
	box := &group{Name: "elsewhere", Color: colors, outside: true}
	g.groups = append(g.groups, box)
	shown := peers[:min(len(peers), manyOutside)]
	slices.SortFunc(shown, func(a, b end) int { return cmp.Compare(a.Name, b.Name) })
	for _, p := range shown {
		g.byEnd[p] = g.node(box, p.Name, "")
	}
	if rest := peers[len(shown):]; len(rest) > 0 {
		n := g.node(box, fmt.Sprintf("%d more addresses", len(rest)), "")
		for _, p := range rest {
			g.byEnd[p] = n
		}
	}
}

// link makes an edge, or adds to the one that is drawn there already.
func (g *graph) link(l link) {
	from, to := g.byEnd[l.From], g.byEnd[l.To]
	if from == nil || to == nil || from == to {
		return
	}
	e := g.between[[2]*node{from, to}]
	if e == nil {
		e = &edge{From: from, To: to, Color: to.group.Color}
		g.between[[2]*node{from, to}] = e
		g.edges = append(g.edges, e)
	}
	e.Count += l.Count
	for _, s := range l.Services {
		name := inventory.Printable(strings.TrimSpace(fmt.Sprintf("%d/%s %s", s.Port, s.Protocol, s.Process)))
		if !slices.Contains(e.services, name) {
			e.services = append(e.services, name)
		}
	}
}

// titles says in words what is drawn.
func (g *graph) titles() {
	ports := map[*group][]string{}
	for _, e := range g.edges {
		times := ""
		if e.Count > 1 {
			times = ": " + strconv.Itoa(e.Count) + " connections"
		}
		e.Services = strings.Join(e.services, ", ")
		e.Title = fmt.Sprintf("%s → %s on %s%s", e.From.Name, e.To.Name, e.Services, times)
		for _, c := range e.services {
			port, _, _ := strings.Cut(c, "/")
			ports[e.To.group] = append(ports[e.To.group], port)
		}
	}
	for _, n := range g.nodes {
		n.Title = fmt.Sprintf("%s, %s, talks to %d", n.Name, n.group.Name, n.links)
		if n.group.outside {
			n.Title = fmt.Sprintf("%s, no captured host, talks to %d", n.Name, n.links)
		}
	}
	for _, box := range g.groups {
		box.Ports = portsText(ports[box])
	}
}

// portsText is the ports that most talk to, in order: ":80 :443".
func portsText(all []string) string {
	count := map[string]int{}
	for _, p := range all {
		count[p]++
	}
	slices.SortFunc(all, func(a, b string) int {
		return cmp.Or(count[b]-count[a], len(a)-len(b), cmp.Compare(a, b))
	})
	all = slices.Compact(all)
	text := ""
	for i, p := range all {
		if i == 3 {
			text += " …"
			break
		}
		text += " :" + p
	}
	return strings.TrimSpace(text)
}
