package roles

// runningShare is the share of the similarity that running servers decide; what is
// merely installed decides the rest. The two are compared apart because a host
// lists some hundred packages and few servers.
const runningShare = 0.8

// vector holds the features of a host sorted by number, for comparisons: what
// runs, and what is installed.
type vector struct{ running, installed []weightedFeature }

type weightedFeature struct {
	feature int
	weight  float64
}

// vectorsOf returns a vector for the features of each host.
func vectorsOf(all []features) []vector {
	union := features{}
	for _, f := range all {
		for name := range f {
			union[name] = 0
		}
	}
	numbers := map[string]int{}
	names := union.names()
	for i, name := range names {
		numbers[name] = i
	}
	vectors := make([]vector, len(all))
	for i, f := range all {
		for _, name := range f.names() {
			w := weightedFeature{numbers[name], f[name]}
			if isRunning(name) {
				vectors[i].running = append(vectors[i].running, w)
			} else {
				vectors[i].installed = append(vectors[i].installed, w)
			}
		}
	}
	return vectors
}

// similarity returns how similar two hosts are, from 0 (nothing in common) to 1
// (equal).
func similarity(a, b vector) float64 {
	running, hasRunning := jaccard(a.running, b.running)
	installed, hasInstalled := jaccard(a.installed, b.installed)
	switch {
	case !hasRunning && !hasInstalled:
		return 1
	case !hasRunning:
		return installed
	case !hasInstalled:
		return running
	}
	return runningShare*running + (1-runningShare)*installed
}

// jaccard returns the weight of the features that both have, divided by the weight
// of those that at least one has. It returns false if neither has any.
func jaccard(a, b []weightedFeature) (float64, bool) {
	var shared, total float64
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].feature < b[0].feature:
			total += a[0].weight
			a = a[1:]
		case a[0].feature > b[0].feature:
			total += b[0].weight
			b = b[1:]
		default:
			shared += a[0].weight
			total += a[0].weight
			a, b = a[1:], b[1:]
		}
	}
	for _, w := range append(a[:len(a):len(a)], b...) {
		total += w.weight
	}
	if total == 0 {
		return 0, false
	}
	return shared / total, true
}
