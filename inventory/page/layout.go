package page

import (
	"cmp"
	"math"
	"slices"

	"github.com/dcmigrate/migrate/phrase"
)

// Sizes of the map, in pixels.
const (
	nodeHeight        = 24
	nodeGap           = 6
	charWidth         = 7 // width of a letter in a label, about
	padding           = 12
	headingHeight     = 26 // of a box
	boxGap            = 26
	minGap            = 90 // between layers, where the edges run
	maxGap            = 180
	margin            = 16
	minWidth          = 96
	maxLabel          = 28 // letters
	maxNodesPerColumn = 30 // nodes above each other, before a box has another column
	orderSweeps       = 6
)

// layout sets all coordinates and returns the size of the map. Clients are on the
// left, their servers to the right of them. It depends only on the graph, so that
// two drawings of one site can be compared.
func (g *graph) layout() (width, height int) {
	linked, alone := g.layers()
	columns := make([][]*group, 0, len(g.groups))
	for _, box := range linked {
		for len(columns) <= box.layer {
			columns = append(columns, nil)
		}
		columns[box.layer] = append(columns[box.layer], box)
	}
	for _, box := range g.groups {
		box.setSize()
	}
	g.orderBoxes(columns)
	width, height = placeColumns(columns, min(minGap+2*len(g.edges), maxGap))
	return placeAlone(alone, width, height)
}

// weights returns the number of connections between groups.
func (g *graph) weights() map[[2]*group]int {
	w := map[[2]*group]int{}
	for _, e := range g.edges {
		if e.From.group != e.To.group {
			w[[2]*group{e.From.group, e.To.group}] += e.Count
		}
	}
	return w
}

// layers puts each group to the right of the groups that talk to it. If two groups
// talk to each other, the direction with fewer connections runs backwards. alone are
// the groups that talk to no other.
func (g *graph) layers() (linked, alone []*group) {
	w := g.weights()
	for _, box := range g.groups {
		talks := false
		for pair := range w {
			talks = talks || pair[0] == box || pair[1] == box
		}
		if talks || len(box.Nodes) > 0 && slices.ContainsFunc(box.Nodes, func(n *node) bool { return n.links > 0 }) {
			linked = append(linked, box)
		} else {
			alone = append(alone, box)
		}
	}
	linked = clientsFirst(linked, w)
	for i, box := range linked {
		for _, before := range linked[:i] {
			if w[[2]*group{before, box}] > 0 {
				box.layer = max(box.layer, before.layer+1)
			}
		}
	}
	// Clients are next to their servers, not all in the first layer.
	for i := len(linked) - 1; i >= 0; i-- {
		nearest := -1
		for _, after := range linked[i+1:] {
			if w[[2]*group{linked[i], after}] > 0 && (nearest < 0 || after.layer < nearest) {
				nearest = after.layer
			}
		}
		if nearest > 0 {
			linked[i].layer = nearest - 1
		}
	}
	return linked, alone
}

// clientsFirst orders groups so that few connections run backwards. Groups that talk
// to none of the others go last, groups to which none of the others talk go first,
// and of the rest repeatedly the group with the largest surplus of outgoing
// connections (Eades, Lin and Smyth, "A fast and effective heuristic for the
// feedback arc set problem", 1993).
func clientsFirst(groups []*group, w map[[2]*group]int) []*group {
	left := slices.Clone(groups)
	var first, last []*group
	for len(left) > 0 {
		best, most, server := 0, math.MinInt, false
		for i, box := range left {
			in, out := 0, 0
			for _, other := range left {
				in, out = in+w[[2]*group{other, box}], out+w[[2]*group{box, other}]
			}
			score := out - in
			if in == 0 && out > 0 {
				score = math.MaxInt - 1
			} else if out == 0 {
				score = math.MaxInt
			}
			if score > most {
				best, most, server = i, score, out == 0
			}
		}
		if server {
			last = append(last, left[best])
		} else {
			first = append(first, left[best])
		}
		left = slices.Delete(left, best, best+1)
	}
	slices.Reverse(last)
	return append(first, last...)
}

// setSize sets the size of a box and puts its nodes into as many columns as needed.
func (box *group) setSize() {
	letters := 0
	for _, n := range box.Nodes {
		n.Label = phrase.Cut(n.Name, maxLabel)
		letters = max(letters, len([]rune(n.Label)))
	}
	box.Name = phrase.Cut(box.Name, maxLabel)
	box.columns = (len(box.Nodes) + maxNodesPerColumn - 1) / maxNodesPerColumn
	rows := (len(box.Nodes) + box.columns - 1) / box.columns
	w := max(minWidth, letters*charWidth+20)
	title := len([]rune(box.Name+box.Ports))*charWidth + 3*padding
	if box.columns == 1 {
		w = max(w, title-2*padding)
	}
	for i, n := range box.Nodes {
		n.W, n.H = w, nodeHeight
		n.X = padding + i/rows*(w+padding)
		n.Y = headingHeight + i%rows*(nodeHeight+nodeGap)
	}
	box.W = padding + box.columns*(w+padding)
	box.H = headingHeight + rows*(nodeHeight+nodeGap) - nodeGap + padding
}

// orderBoxes moves the boxes of a layer near those that they talk to, by the mean of
// their rows. It goes through the layers in both directions, orderSweeps times.
func (g *graph) orderBoxes(columns [][]*group) {
	number := func(column []*group) {
		for i, box := range column {
			box.row = i
		}
	}
	for _, c := range columns {
		number(c)
	}
	for sweep := range orderSweeps {
		for i := range columns {
			column := columns[i]
			if sweep%2 == 1 {
				column = columns[len(columns)-1-i]
			}
			mean := map[*group]float64{}
			for _, box := range column {
				mean[box] = g.meanRow(box)
			}
			slices.SortStableFunc(column, func(a, b *group) int { return cmp.Compare(mean[a], mean[b]) })
			number(column)
		}
	}
}

// meanRow returns the mean row of the other ends of a box's edges.
func (g *graph) meanRow(box *group) float64 {
	sum, n := 0, 0
	for _, e := range g.edges {
		switch {
		case e.From.group == e.To.group:
		case e.From.group == box:
			sum, n = sum+e.To.group.row, n+1
		case e.To.group == box:
			sum, n = sum+e.From.group.row, n+1
		}
	}
	if n == 0 {
		return float64(box.row)
	}
	return float64(sum) / float64(n)
}

// placeColumns places the boxes of each layer above each other, vertically centered,
// with a gap between layers.
func placeColumns(columns [][]*group, gap int) (width, height int) {
	for _, c := range columns {
		height = max(height, columnHeight(c))
	}
	x := margin
	for _, c := range columns {
		y, w := margin+(height-columnHeight(c))/2, 0
		for _, box := range c {
			w = max(w, box.W)
		}
		for _, box := range c {
			box.moveTo(x+(w-box.W)/2, y)
			y += box.H + boxGap
		}
		x += w + gap
	}
	if len(columns) == 0 {
		return 0, 0
	}
	return x - gap + margin, height + 2*margin
}

func columnHeight(c []*group) (sum int) {
	for _, box := range c {
		sum += box.H + boxGap
	}
	return sum - boxGap
}

// placeAlone places the boxes that talk to no other below the rest, in rows.
func placeAlone(boxes []*group, width, height int) (int, int) {
	limit := max(width, 1000)
	x, y, tall := margin, max(height, margin), 0
	for _, box := range boxes {
		if x > margin && x+box.W+margin > limit {
			x, y, tall = margin, y+tall+boxGap, 0
		}
		box.moveTo(x, y)
		x, tall = x+box.W+boxGap, max(tall, box.H)
		width, height = max(width, x-boxGap+margin), y+tall+margin
	}
	return width, height
}

func (box *group) moveTo(x, y int) {
	box.X, box.Y = x, y
	for _, n := range box.Nodes {
		n.X, n.Y = n.X+x, n.Y+y
	}
}
