package roles

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// The average similarity that hosts of one role must have. Hosts to which the
// config gives the same roles may differ more. A host that is unlike the others of
// its config name becomes a role of its own, or joins hosts that it resembles.
const (
	minNamedSimilarity = 0.35
	minSimilarity      = 0.55
)

// cluster is a group of similar hosts.
type cluster struct {
	hosts []*inventory.Host
	// configName is their name from the config, see configNameOf. It is empty for
	// hosts without roles in the config, and for those that are unlike the others
	// of their name.
	configName string
}

// clusters groups hosts by average linkage: first the hosts of each config name,
// then the resulting groups. Groups with different config names are never joined.
func clusters(hosts []*inventory.Host) []cluster {
	hosts = slices.Clone(hosts)
	slices.SortFunc(hosts, func(a, b *inventory.Host) int { return cmp.Compare(a.Name, b.Name) })
	all := make([]features, len(hosts))
	for i, h := range hosts {
		all[i] = featuresOf(h)
	}
	discountCommon(all)
	l := newLinkage(hosts, all)
	byConfigName := map[string][]int{}
	for i, u := range l.units {
		name := configNameOf(u.hosts[0])
		byConfigName[name] = append(byConfigName[name], i)
	}
	for _, name := range slices.Sorted(maps.Keys(byConfigName)) { // sorted, as sums of floats depend on the order
		if name != "" {
			l.join(byConfigName[name], minNamedSimilarity)
			l.nameLargest(name, byConfigName[name])
		}
	}
	allUnits := make([]int, len(l.units))
	for i := range allUnits {
		allUnits[i] = i
	}
	l.join(allUnits, minSimilarity)
	var found []cluster
	for _, u := range l.units {
		if u.hosts != nil {
			slices.SortFunc(u.hosts, func(a, b *inventory.Host) int { return cmp.Compare(a.Name, b.Name) })
			found = append(found, *u)
		}
	}
	return found
}

// configNameOf returns the roles that the config gives a host, sorted and joined;
// empty if it gives none.
func configNameOf(h *inventory.Host) string {
	roles := slices.Clone(h.Roles)
	slices.Sort(roles)
	return strings.Join(slices.Compact(roles), "-")
}

// linkage holds the units to be joined, and their similarities.
type linkage struct {
	units      []*cluster // a unit without hosts was joined to another one
	similarity [][]float64
}

// newLinkage makes one unit of hosts that have the same features and config name,
// so that they are never separated.
func newLinkage(hosts []*inventory.Host, all []features) *linkage {
	l := &linkage{}
	var unitFeatures []features
	unitOf := map[string]int{}
	for i, h := range hosts {
		key := configNameOf(h) + "\x00" + strings.Join(all[i].names(), "\x00")
		if k, ok := unitOf[key]; ok {
			l.units[k].hosts = append(l.units[k].hosts, h)
			continue
		}
		unitOf[key] = len(l.units)
		l.units = append(l.units, &cluster{hosts: []*inventory.Host{h}})
		unitFeatures = append(unitFeatures, all[i])
	}
	vectors := vectorsOf(unitFeatures)
	l.similarity = make([][]float64, len(l.units))
	for i := range l.similarity {
		l.similarity[i] = make([]float64, len(l.units))
		for j := range i {
			l.similarity[i][j] = similarity(vectors[j], vectors[i])
			l.similarity[j][i] = l.similarity[i][j]
		}
	}
	return l
}

// join joins the two most similar units until no pair reaches the minimum. Of
// equally similar pairs the first is joined.
func (l *linkage) join(units []int, minimum float64) {
	for {
		best, a, b := minimum, -1, -1
		for x, i := range units {
			for _, j := range units[x+1:] {
				if l.similarity[i][j] >= best && l.mayJoin(i, j) && (a < 0 || l.similarity[i][j] > best) {
					best, a, b = l.similarity[i][j], i, j
				}
			}
		}
		if a < 0 {
			return
		}
		l.merge(a, b)
	}
}

// mayJoin reports whether both units still have hosts and their config names do
// not forbid it.
func (l *linkage) mayJoin(i, j int) bool {
	a, b := l.units[i], l.units[j]
	return a.hosts != nil && b.hosts != nil && (a.configName == "" || b.configName == "")
}

// merge moves the hosts of b into a. The similarity of the result to a third unit
// is the mean over its hosts.
func (l *linkage) merge(a, b int) {
	na, nb := float64(len(l.units[a].hosts)), float64(len(l.units[b].hosts))
	for k := range l.units {
		mean := (na*l.similarity[a][k] + nb*l.similarity[b][k]) / (na + nb)
		l.similarity[a][k], l.similarity[k][a] = mean, mean
	}
	l.units[a].hosts = append(l.units[a].hosts, l.units[b].hosts...)
	l.units[a].configName = cmp.Or(l.units[a].configName, l.units[b].configName)
	l.units[b].hosts = nil
}

// nameLargest gives a config name to the largest group of the hosts that have it.
// The other groups are unlike it, and may belong to another role.
func (l *linkage) nameLargest(name string, units []int) {
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
		l.units[largest].configName = name
	}
}
