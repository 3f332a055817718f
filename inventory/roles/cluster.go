package roles

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// How alike hosts must be, on average, to be of one role: those that the config
// calls the same may differ more. A host that is called so and is unlike the
// others is on its own, or goes to hosts that are much like it.
const (
	calledAlike = 0.35
	foundAlike  = 0.55
)

// cluster is hosts that are alike.
type cluster struct {
	hosts []*inventory.Host
	// called is what the config calls them; empty for hosts that it calls
	// nothing, and for those that are unlike the others of their name.
	called string
}

// clusters groups hosts by average linkage: first those that the config calls
// the same, then the groups, of which no two that the config calls differently
// are joined.
func clusters(hosts []*inventory.Host) []cluster {
	hosts = slices.Clone(hosts)
	slices.SortFunc(hosts, func(a, b *inventory.Host) int { return cmp.Compare(a.Name, b.Name) })
	all := make([]features, len(hosts))
	for i, h := range hosts {
		all[i] = featuresOf(h)
	}
	discount(all)
	l := newLinkage(hosts, all)
	called := map[string][]int{}
	for i, u := range l.units {
		name := calledOf(u.hosts[0])
		called[name] = append(called[name], i)
	}
	for _, name := range slices.Sorted(maps.Keys(called)) { // in order: sums of floats depend on it
		if name != "" {
			l.join(called[name], calledAlike)
			l.settle(name, called[name])
		}
	}
	every := make([]int, len(l.units))
	for i := range every {
		every[i] = i
	}
	l.join(every, foundAlike)
	var found []cluster
	for _, u := range l.units {
		if u.hosts != nil {
			slices.SortFunc(u.hosts, func(a, b *inventory.Host) int { return cmp.Compare(a.Name, b.Name) })
			found = append(found, *u)
		}
	}
	return found
}

// calledOf is what the config calls a host, its roles in order.
func calledOf(h *inventory.Host) string {
	roles := slices.Clone(h.Roles)
	slices.Sort(roles)
	return strings.Join(slices.Compact(roles), "-")
}

// linkage is units that are joined, and how alike they are.
type linkage struct {
	units []*cluster // a unit that was joined to another has no hosts any more
	alike [][]float64
}

// newLinkage makes one unit of hosts that are the same in all that counts, so
// that nothing can part them.
func newLinkage(hosts []*inventory.Host, all []features) *linkage {
	l := &linkage{}
	var of []features
	at := map[string]int{}
	for i, h := range hosts {
		key := calledOf(h) + "\x00" + strings.Join(all[i].names(), "\x00")
		if k, ok := at[key]; ok {
			l.units[k].hosts = append(l.units[k].hosts, h)
			continue
		}
		at[key] = len(l.units)
		l.units = append(l.units, &cluster{hosts: []*inventory.Host{h}})
		of = append(of, all[i])
	}
	vectors := vectorsOf(of)
	l.alike = make([][]float64, len(l.units))
	for i := range l.alike {
		l.alike[i] = make([]float64, len(l.units))
		for j := range i {
			l.alike[i][j] = alike(vectors[j], vectors[i])
			l.alike[j][i] = l.alike[i][j]
		}
	}
	return l
}

// join joins the two that are most alike until none are as alike as asked. Of
// pairs that are equally so, the first is joined.
func (l *linkage) join(units []int, least float64) {
	for {
		best, a, b := least, -1, -1
		for x, i := range units {
			for _, j := range units[x+1:] {
				if l.alike[i][j] >= best && l.may(i, j) && (a < 0 || l.alike[i][j] > best) {
					best, a, b = l.alike[i][j], i, j
				}
			}
		}
		if a < 0 {
			return
		}
		l.merge(a, b)
	}
}

// may reports whether two units are there and not called differently.
func (l *linkage) may(i, j int) bool {
	a, b := l.units[i], l.units[j]
	return a.hosts != nil && b.hosts != nil && (a.called == "" || b.called == "")
}

// merge puts b into a. How alike the two together are to a third is the mean
// over their hosts.
func (l *linkage) merge(a, b int) {
	na, nb := float64(len(l.units[a].hosts)), float64(len(l.units[b].hosts))
	for k := range l.units {
		mean := (na*l.alike[a][k] + nb*l.alike[b][k]) / (na + nb)
		l.alike[a][k], l.alike[k][a] = mean, mean
	}
	l.units[a].hosts = append(l.units[a].hosts, l.units[b].hosts...)
	l.units[a].called = cmp.Or(l.units[a].called, l.units[b].called)
	l.units[b].hosts = nil
}

// settle gives what the config calls some hosts to the largest group of them:
// the others are unlike, and may be of another role.
func (l *linkage) settle(name string, units []int) {
	largest, groups := -1, 0
	for _, i := range units {
		if l.units[i].hosts == nil {
			continue
		}
		groups++
		if largest < 0 || len(l.units[i].hosts) > len(l.units[largest].hosts) {
			largest = i
		}
	}
	if groups == 1 || len(l.units[largest].hosts) > 1 {
		l.units[largest].called = name
	}
}
