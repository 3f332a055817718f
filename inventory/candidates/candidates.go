// Package candidates finds the packages of a host that the distribution of its
// successor does not offer. It reads, as apt does, the indices of the archives that
// the new host would use, and compares them with the packages that somebody
// installed explicitly on the old host. It needs inventories and access to the
// archives over HTTP. Its result is advice: it does not check signatures, as apt
// does so on the new host. What an archive answers costs bounded memory.
package candidates

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/findings"
	"github.com/dcmigrate/migrate/report"
)

// Options describe the new hosts.
type Options struct {
	Image string // DigitalOcean's slug: debian-12-x64
	// Mirror and SecurityMirror are URLs that replace the target distribution's own
	// archives. Empty means those archives.
	Mirror, SecurityMirror string
}

// maxConcurrentSuites is the number of suites that are read at the same time.
const maxConcurrentSuites = 4

// ErrIncomplete says that an archive could not be read. The packages were compared
// with the others.
var ErrIncomplete = errors.New("not every archive could be asked")

// Find compares the packages that were installed explicitly on hosts with what the
// image's distribution and the hosts' other repositories offer for it. Findings also
// say what was not compared and why. With ErrIncomplete the findings are those of
// the archives that could be read; any other error comes without findings.
func Find(ctx context.Context, hosts []*inventory.Host, o Options) ([]findings.Finding, error) {
	target, err := parseImage(o.Image)
	if err != nil {
		return []findings.Finding{{Kind: findings.KindCandidate, Where: o.Image, Text: "no package was compared: " + err.Error()}}, nil //nolint:nilerr // the finding says it
	}
	s := &search{target: target, wanted: newWanted(), requests: map[suite]*suiteRequest{}}
	for _, h := range hosts {
		s.addHost(h, o)
	}
	if err := s.readSuites(ctx); err != nil {
		return nil, err
	}
	for _, c := range s.comparisons {
		c.compare(s)
	}
	return s.found, s.incomplete()
}

// search is one comparison of all hosts.
type search struct {
	target      distribution
	wanted      wanted
	requests    map[suite]*suiteRequest
	comparisons []*comparison
	found       []findings.Finding
}

// suiteRequest is what all hosts need of a suite, and the answer.
type suiteRequest struct {
	components, architectures []string
	needed                    bool // without it nothing can be compared
	answer                    *answer
	err                       error
}

func (s *search) add(host, kind, where, format string, args ...any) {
	s.found = append(s.found, findings.Finding{Host: host, Kind: kind, Where: where, Text: fmt.Sprintf(format, args...)})
}

// addHost adds the packages of a host to those wanted, and its sources to the suites
// to be read.
func (s *search) addHost(h *inventory.Host, o Options) {
	not := func(format string, args ...any) {
		s.add(h.Name, findings.KindCandidate, "packages", "not compared with "+s.target.String()+": "+format, args...)
	}
	for _, m := range h.Missing {
		if m.What == "packages" || m.What == "manual" {
			not("the capture could not take them (%s)", m.Reason)
			return
		}
	}
	if !h.IsDebianBased() {
		not("the packages of %s have other names", cmp.Or(h.OS.Name, h.OS.ID, "its system"))
		return
	}
	c := &comparison{host: h, packages: exportedPackages(h), sources: append(s.target.ownSources(h, o), s.target.otherSources(h)...)}
	if len(c.packages) == 0 {
		return
	}
	s.comparisons = append(s.comparisons, c)
	architectures := []string{targetArchitecture, anyArchitecture}
	for _, p := range c.packages {
		s.wanted.add(p.Name)
		architectures = append(architectures, c.architectures(p)...)
	}
	for _, from := range c.sources {
		q := s.requests[from.suite]
		if q == nil {
			q = &suiteRequest{}
			s.requests[from.suite] = q
		}
		q.needed = q.needed || from.own && !from.optional
		q.components = union(q.components, from.components)
		q.architectures = union(q.architectures, architectures)
	}
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// exportedPackages returns the packages that a new host would get: those that an
// export has.
func exportedPackages(h *inventory.Host) []inventory.Package {
	var list []inventory.Package
	for _, p := range h.Packages {
		if (p.Manual || p.Held) && !inventory.IsBasePackage(p.Name) && !inventory.IsPlatformPackage(p.Name) {
			list = append(list, p)
		}
	}
	return list
}

// readSuites reads every suite once for all hosts. It returns an error only if ctx
// ends; the errors of suites are in their requests.
func (s *search) readSuites(ctx context.Context) error {
	r := newReader()
	defer r.close()
	if len(s.requests) > 0 {
		report.Note(ctx, "reading the indices of %d suites for %s", len(s.requests), s.target)
	}
	var g errgroup.Group
	g.SetLimit(maxConcurrentSuites)
	for _, su := range slices.SortedFunc(maps.Keys(s.requests), func(a, b suite) int { return cmp.Compare(a.String(), b.String()) }) {
		q := s.requests[su]
		g.Go(func() error {
			if q.err = checkURL(su); q.err == nil && ctx.Err() == nil {
				q.answer, q.err = r.read(ctx, su, q.components, q.architectures, s.wanted)
			}
			return nil
		})
	}
	_ = g.Wait() // it returns no error
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("ask the archives: %w", err)
	}
	return nil
}

var (
	errHostOnly = errors.New("it is only for the host itself")
	errQuery    = errors.New("its address has a query, as no archive's has")
)

func checkURL(s suite) error {
	if strings.ContainsAny(s.url+s.name, "?#") {
		return errQuery // what follows would not be part of the path
	}
	if strings.HasPrefix(s.url, "http://") || strings.HasPrefix(s.url, "https://") {
		return nil
	}
	return errHostOnly
}

// incomplete returns an ErrIncomplete that names the suites that could not be read,
// each reason once for a repository, or nil.
func (s *search) incomplete() error {
	suites := map[[2]string][]string{}
	for su, q := range s.requests {
		if q.failed() {
			key := [2]string{su.url, q.err.Error()}
			suites[key] = append(suites[key], su.name)
		}
	}
	if len(suites) == 0 {
		return nil
	}
	var all []string
	for key, names := range suites {
		slices.Sort(names)
		all = append(all, inventory.Printable(fmt.Sprintf("%s %s: %s", key[0], strings.Join(names, ", "), key[1])))
	}
	slices.Sort(all)
	return report.WithHint(fmt.Errorf("%w: %s", ErrIncomplete, strings.Join(all, "; ")),
		"run it again; --mirror and --security-mirror name other mirrors of the distribution's archives")
}

// failed reports whether another try, or another mirror, may get an answer.
func (q *suiteRequest) failed() bool {
	return q.err != nil && q.needed || q.err != nil && !errors.Is(q.err, errNoSuite) && !errors.Is(q.err, errLogin) && !errors.Is(q.err, errRefused) &&
		!errors.Is(q.err, errHostOnly) && !errors.Is(q.err, errQuery)
}
