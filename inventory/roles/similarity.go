package roles

// ofRunning is how much of the likeness is that of what runs; the rest is that
// of what lies there. Apart, as hosts list some hundred packages and few servers.
const ofRunning = 0.8

// vector is features in the order of their numbers, to compare with others:
// what runs, and what lies there.
type vector struct{ running, lying []weighted }

type weighted struct {
	feature int
	weight  float64
}

// vectorsOf numbers the features of hosts.
func vectorsOf(all []features) []vector {
	every := features{}
	for _, f := range all {
		for name := range f {
			every[name] = 0
		}
	}
	numbers := map[string]int{}
	names := every.names()
	for i, name := range names {
		numbers[name] = i
	}
	vectors := make([]vector, len(all))
	for i, f := range all {
		for _, name := range f.names() {
			w := weighted{numbers[name], f[name]}
			if isServer(name) {
				vectors[i].running = append(vectors[i].running, w)
			} else {
				vectors[i].lying = append(vectors[i].lying, w)
			}
		}
	}
	return vectors
}

// alike is how alike two hosts are. 1: the same; 0: nothing in common.
func alike(a, b vector) float64 {
	running, some := jaccard(a.running, b.running)
	lying, others := jaccard(a.lying, b.lying)
	switch {
	case !some && !others:
		return 1
	case !some:
		return lying
	case !others:
		return running
	}
	return ofRunning*running + (1-ofRunning)*lying
}

// jaccard is the weight of what both have, of all that either has; false: they
// have nothing.
func jaccard(a, b []weighted) (float64, bool) {
	var both, either float64
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].feature < b[0].feature:
			either += a[0].weight
			a = a[1:]
		case a[0].feature > b[0].feature:
			either += b[0].weight
			b = b[1:]
		default:
			both += a[0].weight
			either += a[0].weight
			a, b = a[1:], b[1:]
		}
	}
	for _, w := range append(a[:len(a):len(a)], b...) {
		either += w.weight
	}
	if either == 0 {
		return 0, false
	}
	return both / either, true
}
