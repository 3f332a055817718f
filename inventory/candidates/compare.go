package candidates

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/findings"
	"github.com/dcmigrate/migrate/phrase"
)

// comparison compares the packages of one host.
type comparison struct {
	host     *inventory.Host
	packages []inventory.Package
	sources  []source

	search       *search
	unread       []string        // repositories that were not compared
	otherSources int             // repositories that were, besides the target's own
	uncompared   map[string]bool // packages of those that were not
}

// isForeign reports whether a package has another architecture than its host.
func (c *comparison) isForeign(p inventory.Package) bool {
	native := ""
	for _, other := range c.host.Packages {
		if other.Name == "dpkg" {
			native = other.Architecture
		}
	}
	return native != "" && p.Architecture != "" && p.Architecture != native && p.Architecture != anyArchitecture
}

// architectures returns those that a package's successor may have.
func (c *comparison) architectures(p inventory.Package) []string {
	if c.isForeign(p) {
		return []string{p.Architecture}
	}
	return []string{targetArchitecture, anyArchitecture}
}

func (c *comparison) compare(s *search) {
	c.search, c.uncompared = s, map[string]bool{}
	for _, from := range c.sources {
		if !c.checkSource(from) {
			return
		}
	}
	for _, p := range c.packages {
		c.comparePackage(p)
	}
}

func (c *comparison) add(kind, where, format string, args ...any) {
	c.search.add(c.host.Name, kind, where, format, args...)
}

// checkSource reports what is wrong with a source. It returns false if one of the
// target's own archives is missing, as then nothing can be compared.
func (c *comparison) checkSource(from source) bool {
	q := c.search.requests[from.suite]
	switch {
	case from.own && from.optional && errors.Is(q.err, errNoSuite):
	case from.own && q.err != nil:
		c.add(findings.KindCandidate, "packages", "not compared with %s, as %s could not be read: %v", c.search.target, from.suite, q.err)
		return false
	case errors.Is(q.err, errNoSuite):
		c.add(findings.KindRepository, from.file, "%s has nothing for %s: there is no %s%s", from.url, c.search.target.Codename, from.name, c.packagesFromText(from))
	case q.err != nil:
		for _, p := range c.packagesFrom(from) {
			c.uncompared[p] = true
		}
		c.unread = union(c.unread, []string{from.url})
		c.add(findings.KindRepository, from.file, "%s was not compared: %v%s", from.suite, q.err, c.packagesFromText(from))
	default:
		c.reportMissingComponents(from, q.answer)
	}
	return true
}

// reportMissingComponents reports the components that a source lacks. The suites of
// updates and security need not have all.
func (c *comparison) reportMissingComponents(from source, a *answer) {
	if !from.own {
		c.otherSources++
	} else if from.name != c.search.target.Codename {
		return
	}
	if lacks := intersection(from.components, a.lacks); len(lacks) > 0 {
		c.add(findings.KindRepository, cmp.Or(from.file, "packages"), "%s has nothing for %s in %s%s", from.url, from.name, strings.Join(lacks, ", "), c.packagesFromText(from))
	}
}

func intersection(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(x string) bool { return !slices.Contains(b, x) })
}

// packagesFrom returns the packages that came from a source, as far as the capture
// knows their origins.
func (c *comparison) packagesFrom(from source) []string {
	var names []string
	for _, p := range c.packages {
		if origin, _, _ := strings.Cut(p.Origin, " "); origin != "" && withoutLogin(origin) == from.was {
			names = append(names, p.Name)
		}
	}
	return names
}

func (c *comparison) packagesFromText(from source) string {
	names := c.packagesFrom(from)
	if len(names) == 0 {
		return ""
	}
	return "; from there come " + some(names)
}

// some are the first few of names.
func some(names []string) string { return phrase.FirstOf(8, names) }

// offer is a version that a source has.
type offer struct {
	version   string
	from      source
	component string // component
}

// best returns what apt would install without preferences: the highest version.
// providers are packages that provide the name, alike are packages whose names have
// the same shape.
func (c *comparison) best(p inventory.Package) (b offer, providers, alike []string) {
	wantShape := shape([]byte(p.Name))
	for _, from := range c.sources {
		a := c.search.requests[from.suite].answer
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

func (c *comparison) comparePackage(p inventory.Package) {
	b, providers, alike := c.best(p)
	where := p.Name + " " + p.Version
	if c.isForeign(p) {
		where = p.Name + ":" + p.Architecture + " " + p.Version
	}
	switch {
	case b.version != "":
		if inventory.CompareVersions(b.version, p.Version) < 0 {
			c.add(findings.KindCandidate, where, "%s offers %s, which is older", b.sourceText(c.search.target), b.version)
		}
	case c.uncompared[p.Name]: // its repository's finding names it
	case len(providers) > 0:
		c.add(findings.KindCandidate, where, "%s has no package of this name, only others that provide it: %s", c.search.target, some(providers))
	default:
		c.add(findings.KindCandidate, where, "%s", c.notOfferedText(p, alike))
	}
}

func (b offer) sourceText(t distribution) string {
	if b.from.own {
		return t.String()
	}
	return strings.TrimRight(b.from.suite.String()+" "+b.component, " ")
}

// notOfferedText says that no source offers a package, and which packages have the
// same name with another number.
func (c *comparison) notOfferedText(p inventory.Package, alike []string) string {
	text := c.search.target.String() + " does not offer it"
	if c.otherSources > 0 {
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
	partsA, partsB := numberRuns.FindAllString(a, -1), numberRuns.FindAllString(b, -1)
	differ := 0
	for i := range min(len(partsA), len(partsB)) {
		if partsA[i] != partsB[i] {
			differ++
		}
	}
	return differ == 1 && len(partsA) == len(partsB)
}

var numberRuns = regexp.MustCompile(`\d+(\.\d+)*`)
