// Package candidates says which packages of a host its successor's distribution
// will not offer: it reads the indices of the archives that the new host would
// ask, as apt does, and compares what was asked for on the old host. What it
// reads is advice: signatures are not checked here, apt checks them on the new
// host.
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
	"github.com/dcmigrate/migrate/report"
)

// Options say what the new hosts will be.
type Options struct {
	Image string // DigitalOcean's slug: debian-12-x64
	// Mirror and SecurityMirror stand in for the target distribution's own
	// archives. Empty: those.
	Mirror, SecurityMirror string
}

// suitesAtOnce bounds how many suites are read side by side.
const suitesAtOnce = 4

// ErrIncomplete says that an archive could not be asked. What the others have
// was compared.
var ErrIncomplete = errors.New("not every archive could be asked")

// Find compares what was asked for on hosts with what the image's distribution
// and the hosts' other repositories offer for it. A finding also says what was
// not compared and why. With an ErrIncomplete the findings are what could be
// found; any other error comes without.
func Find(ctx context.Context, hosts []*inventory.Host, o Options) ([]inventory.Finding, error) {
	target, err := ParseImage(o.Image)
	if err != nil {
		return []inventory.Finding{{Kind: inventory.FoundCandidate, Where: o.Image, Text: "no package was compared: " + err.Error()}}, nil //nolint:nilerr // the finding says it
	}
	s := &search{target: target, wanted: newWanted(), questions: map[suite]*question{}}
	for _, h := range hosts {
		s.host(h, o)
	}
	if err := s.ask(ctx); err != nil {
		return nil, err
	}
	for _, c := range s.compared {
		c.compare(s)
	}
	return s.found, s.incomplete()
}

// search is one comparison of all hosts.
type search struct {
	target    Target
	wanted    wanted
	questions map[suite]*question
	compared  []*comparison
	found     []inventory.Finding
}

// question is what all hosts want of a suite, and what came of it.
type question struct {
	components, architectures []string
	needed                    bool // without it there is nothing to compare with
	answer                    *answer
	err                       error
}

func (s *search) add(host, kind, where, format string, args ...any) {
	s.found = append(s.found, inventory.Finding{Host: host, Kind: kind, Where: where, Text: fmt.Sprintf(format, args...)})
}

// host notes what a host has, and whom to ask for it.
func (s *search) host(h *inventory.Host, o Options) {
	not := func(format string, args ...any) {
		s.add(h.Name, inventory.FoundCandidate, "packages", "not compared with "+s.target.String()+": "+format, args...)
	}
	for _, m := range h.Missing {
		if m.What == "packages" || m.What == "manual" {
			not("the capture could not take them (%s)", m.Reason)
			return
		}
	}
	if !h.OfDebian() {
		not("the packages of %s have other names", cmp.Or(h.OS.Name, h.OS.ID, "its system"))
		return
	}
	c := &comparison{host: h, packages: asked(h), sources: append(s.target.own(h, o), s.target.others(h)...)}
	if len(c.packages) == 0 {
		return
	}
	s.compared = append(s.compared, c)
	architectures := []string{targetArchitecture, anyArchitecture}
	for _, p := range c.packages {
		s.wanted.add(p.Name)
		architectures = append(architectures, c.architectures(p)...)
	}
	for _, from := range c.sources {
		q := s.questions[from.suite]
		if q == nil {
			q = &question{}
			s.questions[from.suite] = q
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

// asked are the packages that a new host would be given: those that export
// takes.
func asked(h *inventory.Host) []inventory.Package {
	var list []inventory.Package
	for _, p := range h.Packages {
		if (p.Manual || p.Held) && !inventory.OfTheSystem(p.Name) && !inventory.OfTheMachine(p.Name) {
			list = append(list, p)
		}
	}
	return list
}

// ask reads every suite once for all hosts. Only the end of ctx is an error.
func (s *search) ask(ctx context.Context) error {
	r := newReader()
	defer r.close()
	if len(s.questions) > 0 {
		report.Note(ctx, "reading the indices of %d suites for %s", len(s.questions), s.target)
	}
	var g errgroup.Group
	g.SetLimit(suitesAtOnce)
	for _, su := range slices.SortedFunc(maps.Keys(s.questions), func(a, b suite) int { return cmp.Compare(a.String(), b.String()) }) {
		q := s.questions[su]
		g.Go(func() error {
			if q.err = askable(su); q.err == nil && ctx.Err() == nil {
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
	errNotAskable = errors.New("it is only for the host itself")
	errQuery      = errors.New("its address has a query, as no archive's has")
)

func askable(s suite) error {
	if strings.ContainsAny(s.url+s.name, "?#") {
		return errQuery // what follows would not be part of the path
	}
	if strings.HasPrefix(s.url, "http://") || strings.HasPrefix(s.url, "https://") {
		return nil
	}
	return errNotAskable
}

// incomplete names the suites that should have answered, each reason once for
// all of a repository.
func (s *search) incomplete() error {
	suites := map[[2]string][]string{}
	for su, q := range s.questions {
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

// failed: another try, or another mirror, may get an answer.
func (q *question) failed() bool {
	return q.err != nil && q.needed || q.err != nil && !errors.Is(q.err, errNoSuite) && !errors.Is(q.err, errLogin) && !errors.Is(q.err, errRefused) &&
		!errors.Is(q.err, errNotAskable) && !errors.Is(q.err, errQuery)
}
