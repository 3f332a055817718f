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
	// maxHostNodes is the number of hosts up to which each is a node; with more
	// hosts, each role is a node.
	maxHostNodes = 150
	// maxOutsideNodes is the number of outside addresses that are nodes themselves.
	maxOutsideNodes = 8
)

// group is a box of the map: a role, the outside clients, or the outside addresses
// that hosts talk to.
type group struct {
	Name  string
	Ports string // the ports on which others talk to it
	Color int
	X, Y  int
	W, H  int
	Nodes []*node

	layer, row int
	outside    bool
	columns    int
}

// node is a host, a role with all its hosts, or an outside address.
type node struct {
	Name string
	// Label is the name, shortened to fit.
	Label string
	// Link is the target of a click; empty for an outside address.
	Link string
	// Title describes the node in words.
	Title      string
	ID         int
	X, Y, W, H int

	group *group
	links int
}

// Color is the color of the node's group.
func (n *node) Color() int { return n.group.Color }

// edge is a line between two nodes.
type edge struct {
	From, To *node
	Color    int
	Path     string
	Width    string
	Title    string
	Services string // "3306/tcp mariadbd, 22/tcp"
	Count    int    // number of connections

	services []string
}

// graph is the content of the map, before the layout.
type graph struct {
	groups []*group
	nodes  []*node
	edges  []*edge

	nodeOf map[endpoint]*node
	edgeOf map[[2]*node]*edge
}

// graphOf returns a graph with nodes for hosts and edges for links.
func graphOf(grouped []roles.Role, links []link) *graph {
	g := &graph{nodeOf: map[endpoint]*node{}, edgeOf: map[[2]*node]*edge{}}
	hosts := 0
	for _, r := range grouped {
		hosts += len(r.Hosts)
	}
	for i, r := range grouped {
		box := &group{Name: inventory.Printable(r.Name), Color: i % roleColors}
		g.groups = append(g.groups, box)
		if hosts > maxHostNodes {
			n := g.addNode(box, fmt.Sprintf("%s (%d)", r.Name, len(r.Hosts)), "#roles")
			for _, h := range r.Hosts {
				g.nodeOf[endpoint{Name: h.Name}] = n
			}
			continue
		}
		for _, h := range r.Hosts {
			g.nodeOf[endpoint{Name: h.Name}] = g.addNode(box, h.Name, "#host="+url.PathEscape(inventory.Printable(h.Name)))
		}
	}
	g.addOutside(links)
	for _, l := range links {
		g.addLink(l)
	}
	for _, e := range g.edges {
		e.From.links++
		e.To.links++
	}
	g.setTitles()
	return g
}

func (g *graph) addNode(box *group, name, link string) *node {
	n := &node{Name: inventory.Printable(name), Link: link, ID: len(g.nodes), group: box}
	g.nodes = append(g.nodes, n)
	box.Nodes = append(box.Nodes, n)
	return n
}

// addOutside adds nodes for what is not a captured host: one for all clients, and
// one for each address that the most hosts talk to.
func (g *graph) addOutside(links []link) {
	clients := map[endpoint]int{}
	var peers []endpoint
	for _, l := range links {
		if l.From == outsideClients {
			if g.nodeOf[outsideClients] == nil {
				box := &group{Name: "clients", Color: roleColors, outside: true}
				g.groups = append(g.groups, box)
				g.nodeOf[outsideClients] = g.addNode(box, outsideClients.Name, "")
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
	slices.SortFunc(peers, func(a, b endpoint) int { return cmp.Or(clients[b]-clients[a], cmp.Compare(a.Name, b.Name)) })
	box := &group{Name: "elsewhere", Color: roleColors, outside: true}
	g.groups = append(g.groups, box)
	shown := peers[:min(len(peers), maxOutsideNodes)]
	slices.SortFunc(shown, func(a, b endpoint) int { return cmp.Compare(a.Name, b.Name) })
	for _, p := range shown {
		g.nodeOf[p] = g.addNode(box, p.Name, "")
	}
	if rest := peers[len(shown):]; len(rest) > 0 {
		n := g.addNode(box, fmt.Sprintf("%d more addresses", len(rest)), "")
		for _, p := range rest {
			g.nodeOf[p] = n
		}
	}
}

// addLink adds an edge, or adds to the edge between the same nodes.
func (g *graph) addLink(l link) {
	from, to := g.nodeOf[l.From], g.nodeOf[l.To]
	if from == nil || to == nil || from == to {
		return
	}
	e := g.edgeOf[[2]*node{from, to}]
	if e == nil {
		e = &edge{From: from, To: to, Color: to.group.Color}
		g.edgeOf[[2]*node{from, to}] = e
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

// setTitles describes nodes and edges in words.
func (g *graph) setTitles() {
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

// portsText returns the most used ports, the most used first: ":80 :443".
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
