package page

import (
	"fmt"
	"math"
	"slices"

	"github.com/dcmigrate/migrate/inventory/roles"
)

// roleColors is the number of colors for roles. The stylesheet names them k0 to k7,
// and k8 for addresses outside of the site.
const roleColors = 8

// fullWidthLines is the number of lines up to which they have their full width.
const fullWidthLines = 250

// drawing is the map of connections with all coordinates.
type drawing struct {
	Width, Height int
	Groups        []*group
	Nodes         []*node
	Edges         []*edge // thin lines are drawn over thick ones, so that each can be pointed at
	InWords       []*edge // the same edges sorted by name, for a table
	Colors        []int   // the colors of edges
	// Folded reports that each node is a role, as there are too many hosts.
	Folded bool
}

func draw(grouped []roles.Role, links []link) *drawing {
	g := graphOf(grouped, links)
	d := &drawing{Groups: g.groups, Nodes: g.nodes, Edges: g.edges}
	for _, n := range g.nodes {
		d.Folded = d.Folded || n.Link == "#roles"
	}
	d.Width, d.Height = g.layout()
	// With many lines each is thinner, so that they stay apart.
	scale := max(min(math.Sqrt(fullWidthLines/float64(len(g.edges)+1)), 1), 0.3)
	for _, e := range g.edges {
		path, right := e.curve()
		e.Path = path
		d.Width = max(d.Width, right+margin)
		e.Width = fmt.Sprintf("%.1f", scale*min(1.2+math.Log2(float64(max(e.Count, 1))), 6))
		if !slices.Contains(d.Colors, e.Color) {
			d.Colors = append(d.Colors, e.Color)
		}
	}
	slices.Sort(d.Colors)
	d.InWords = slices.Clone(d.Edges)
	slices.SortStableFunc(d.Edges, func(a, b *edge) int { return b.Count - a.Count })
	return d
}

// curve returns an SVG path from a client's right side to the left side of its
// server; if the server is to the left, from left to right. Nodes above each other
// are joined by an arc on their right. furthest is the largest x of an arc, in
// pixels.
func (e *edge) curve() (path string, furthest int) {
	const arrow = 7
	a, b := e.From, e.To
	y1, y2 := a.Y+a.H/2, b.Y+b.H/2
	right, left := a.X+a.W, b.X-arrow
	switch {
	case left-right > minGap/2:
		bend := (left - right) / 2
		return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", right, y1, right+bend, y1, left-bend, y2, left, y2), 0
	case a.X-(b.X+b.W) > minGap/2:
		x1, x2 := a.X, b.X+b.W+arrow
		bend := (x1 - x2) / 2
		return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, x1-bend, y1, x2+bend, y2, x2, y2), 0
	}
	end := b.X + b.W + arrow
	out := max(right, end) + 30 + min(abs(y2-y1)/6, 60)
	return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", right, y1, out, y1, out, y2, end, y2), out
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
