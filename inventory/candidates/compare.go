package candidates

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/phrase"
)

// comparison is of one host.
type comparison struct {
	host     *inventory.Host
	packages []inventory.Package
	sources  []source

	search  *search
	unread  []string        // repositories that were not compared
	others  int             // repositories that were, besides the target's own
	skipped map[string]bool // packages of those that were not
}

// foreign: the package is of another architecture than its host, on purpose.
func (c *comparison) foreign(p inventory.Package) bool {
	native := ""
	for _, other := range c.host.Packages {
		if other.Name == "dpkg" {
			native = other.Architecture
		}
	}
	return native != "" && p.Architecture != "" && p.Architecture != native && p.Architecture != anyArchitecture
}

// architectures are those that a package's successor may have.
func (c *comparison) architectures(p inventory.Package) []string {
	if c.foreign(p) {
		return []string{p.Architecture}
	}
	return []string{targetArchitecture, anyArchitecture}
}

func (c *comparison) compare(s *search) {
	c.search, c.skipped = s, map[string]bool{}
	for _, from := range c.sources {
		if !c.usable(from) {
			return
		}
	}
	for _, p := range c.packages {
		c.onePackage(p)
	}
}

func (c *comparison) add(kind, where, format string, args ...any) {
	c.search.add(c.host.Name, kind, where, format, args...)
}

// usable says what is wrong with a source. Without the target's own archives
// there is nothing to compare with, and the answer is false.
func (c *comparison) usable(from source) bool {
	q := c.search.questions[from.suite]
	switch {
	case from.own && from.optional && errors.Is(q.err, errNoSuite):
	case from.own && q.err != nil:
		c.add(inventory.FoundCandidate, "packages", "not compared with %s, as %s could not be read: %v", c.search.target, from.suite, q.err)
		return false
	case errors.Is(q.err, errNoSuite):
		c.add(inventory.FoundRepository, from.file, "%s has nothing for %s: there is no %s%s", from.url, c.search.target.Codename, from.name, c.comeFrom(from))
	case q.err != nil:
		for _, p := range c.of(from) {
			c.skipped[p] = true
		}
		c.unread = union(c.unread, []string{from.url})
		c.add(inventory.FoundRepository, from.file, "%s was not compared: %v%s", from.suite, q.err, c.comeFrom(from))
	default:
		c.lacks(from, q.answer)
	}
	return true
}

// lacks says which components a source has not. That of updates and of security
// need not have all.
func (c *comparison) lacks(from source, a *answer) {
	if !from.own {
		c.others++
	} else if from.name != c.search.target.Codename {
		return
	}
	if lacks := intersection(from.components, a.lacks); len(lacks) > 0 {
		c.add(inventory.FoundRepository, cmp.Or(from.file, "packages"), "%s has nothing for %s in %s%s", from.url, from.name, strings.Join(lacks, ", "), c.comeFrom(from))
	}
}

func intersection(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(x string) bool { return !slices.Contains(b, x) })
}

// of are the packages that came from a source, as far as the capture asked.
func (c *comparison) of(from source) []string {
	var names []string
	for _, p := range c.packages {
		if origin, _, _ := strings.Cut(p.Origin, " "); origin != "" && bare(origin) == from.was {
			names = append(names, p.Name)
		}
	}
	return names
}

func (c *comparison) comeFrom(from source) string {
	names := c.of(from)
	if len(names) == 0 {
		return ""
	}
	return "; from there come " + some(names)
}

// some are the first few of names.
func some(names []string) string { return phrase.FirstOf(8, names) }

// offer is a version that a source has.
type offer struct {
	version string
	from    source
	in      string // component
}

// best is what apt would take where nothing else is preferred: the highest
// version. Providers are packages that provide the name, alike those of its shape.
func (c *comparison) best(p inventory.Package) (b offer, providers, alike []string) {
	wantShape := shape([]byte(p.Name))
	for _, from := range c.sources {
		a := c.search.questions[from.suite].answer
		if a == nil {
			continue
		}
		components := from.components
		if from.flat() {
			components = []string{""}
		}
		for _, component := range components {
			o := a.offers[component]
			if o == nil {
				continue
			}
			for _, architecture := range c.architectures(p) {
				version := o.best[binary{p.Name, architecture}]
				if version != "" && (b.version == "" || inventory.CompareVersions(version, b.version) > 0) {
					b = offer{version, from, component}
				}
			}
			providers = union(providers, o.providers[p.Name])
			alike = union(alike, o.alike[wantShape])
		}
	}
	return b, providers, alike
}

func (c *comparison) onePackage(p inventory.Package) {
	b, providers, alike := c.best(p)
	where := p.Name + " " + p.Version
	if c.foreign(p) {
		where = p.Name + ":" + p.Architecture + " " + p.Version
	}
	switch {
	case b.version != "":
		if inventory.CompareVersions(b.version, p.Version) < 0 {
			c.add(inventory.FoundCandidate, where, "%s offers %s, which is older", b.who(c.search.target), b.version)
		}
	case c.skipped[p.Name]: // its repository's finding names it
	case len(providers) > 0:
		c.add(inventory.FoundCandidate, where, "%s has no package of this name, only others that provide it: %s", c.search.target, some(providers))
	default:
		c.add(inventory.FoundCandidate, where, "%s", c.none(p, alike))
	}
}

func (b offer) who(t Target) string {
	if b.from.own {
		return t.String()
	}
	return strings.TrimRight(b.from.suite.String()+" "+b.in, " ")
}

// none says that nobody offers a package, and what there is by the same name
// with another number.
func (c *comparison) none(p inventory.Package, alike []string) string {
	text := c.search.target.String() + " does not offer it"
	if c.others > 0 {
		text += ", nor do the host's other repositories"
	}
	if len(c.unread) > 0 {
		text += "; not compared: " + strings.Join(c.unread, ", ")
	}
	alike = slices.DeleteFunc(alike, func(name string) bool { return !oneNumberApart(p.Name, name) })
	if len(alike) > 0 {
		slices.SortFunc(alike, inventory.CompareVersions)
		text += "; there is " + some(alike)
	}
	return text
}

// oneNumberApart reports whether two names of one shape differ in one number.
func oneNumberApart(a, b string) bool {
	partsA, partsB := numbers.FindAllString(a, -1), numbers.FindAllString(b, -1)
	differ := 0
	for i := range min(len(partsA), len(partsB)) {
		if partsA[i] != partsB[i] {
			differ++
		}
	}
	return differ == 1 && len(partsA) == len(partsB)
}

var numbers = regexp.MustCompile(`\d+(\.\d+)*`)
