package export

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/address"
	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/roles"
)

// collector reads hosts into recipes and records what it left out, which addresses it
// rewrote and which secrets it found.
type collector struct {
	options          Options
	hosts            []*inventory.Host
	notExportedHosts map[[2]string][]string // hosts by thing and reason
	rewritten        map[Rewrite][]string   // hosts by replacement, whose Hosts are empty
	needed           map[string]*Needed     // by token
	// rewriters are of hosts, by name.
	rewriters map[string]address.Rewriter
}

func newCollector(o Options, all []roles.Role) *collector {
	c := &collector{options: o, notExportedHosts: map[[2]string][]string{}, rewritten: map[Rewrite][]string{}, needed: map[string]*Needed{}, rewriters: map[string]address.Rewriter{}}
	for _, r := range all {
		c.hosts = append(c.hosts, r.Hosts...)
	}
	return c
}

// site reads the hosts of all roles.
func (c *collector) site(all []roles.Role) (*site, error) {
	var recipes [][]*recipe
	for _, r := range all {
		var list []*recipe
		for _, h := range r.Hosts {
			one, err := c.host(h)
			if err != nil {
				return nil, fmt.Errorf("host %s: %w", h.Name, err)
			}
			list = append(list, one)
		}
		recipes = append(recipes, list)
	}
	s := &site{connect: c.options.Connect}
	common, byRole, byHost := layered(recipes)
	s.Common = common
	for i, r := range all {
		one := role{Name: uniqueRoleName(s.Roles, identifier(r.Name)), Title: r.Name, recipe: byRole[i]}
		for j, h := range r.Hosts {
			one.Hosts = append(one.Hosts, host{h.Name, byHost[i][j]})
		}
		s.Roles = append(s.Roles, one)
	}
	s.Secrets = c.secrets()
	s.names = map[string]string{}
	for _, n := range s.Secrets {
		s.names[n.Token] = n.Name
	}
	return s, nil
}

// uniqueRoleName returns a name that no role has: web-a and web.a would both be web_a.
func uniqueRoleName(roles []role, plain string) string {
	name := plain
	for n := 2; slices.ContainsFunc(roles, func(r role) bool { return r.Name == name }); n++ {
		name = fmt.Sprintf("%s_%d", plain, n)
	}
	return name
}

// host reads one host.
func (c *collector) host(h *inventory.Host) (*recipe, error) {
	r := &recipe{}
	if !h.IsDebianBased() {
		c.leaveOut(h, "host "+h.Name, "it runs "+cmp.Or(h.OS.Name, h.OS.ID)+": an export is for hosts of Debian and Ubuntu")
		return r, nil
	}
	if err := c.checkMissing(h); err != nil {
		return nil, err
	}
	c.noteManifest(h)
	c.packages(h, r)
	c.accounts(h, r)
	if err := c.files(h, r); err != nil {
		return nil, err
	}
	c.hostsLines(h, r)
	c.units(h, r)
	c.findRestarts(h, r)
	if h.Time.Zone != "" && zoneName.MatchString(h.Time.Zone) {
		r.Zone = []zone{{h.Time.Zone}}
	}
	c.leaveOutOthers(h)
	return r, nil
}

var (
	packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
	versionText = regexp.MustCompile(`^[0-9A-Za-z.+:~-]+$`)
	unitName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:_.@\\-]*\.(service|socket|timer)$`)
	accountName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*\$?$`)
	// architecture may be empty, as in inventories that do not record it.
	architecture = regexp.MustCompile(`^[a-z0-9-]*$`)
	zoneName     = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`)
)

func (c *collector) packages(h *inventory.Host, r *recipe) {
	native := ""
	for _, p := range h.Packages {
		if p.Name == "dpkg" {
			native = p.Architecture
		}
	}
	for _, p := range h.Packages {
		if !p.Manual && !p.Held || inventory.IsBasePackage(p.Name) {
			continue
		}
		if why := whyNotExported(p); why != "" {
			c.leaveOut(h, "package "+p.Name, why)
			continue
		}
		one := pkg{Name: p.Name, Held: p.Held}
		if p.Held {
			one.Version = p.Version
		}
		if p.Architecture != "all" && native != "" && p.Architecture != native {
			one.Name += ":" + p.Architecture
		}
		r.Packages = append(r.Packages, one)
	}
	slices.SortFunc(r.Packages, func(a, b pkg) int { return cmp.Compare(a.Name, b.Name) })
	r.Packages = slices.Compact(r.Packages)
}

// whyNotExported returns why a package is not exported; "" if it is.
func whyNotExported(p inventory.Package) string {
	switch {
	case !packageName.MatchString(p.Name) || !versionText.MatchString(p.Version) || !architecture.MatchString(p.Architecture):
		return "apt does not accept its name, version or architecture"
	case inventory.IsPlatformPackage(p.Name):
		return "it belongs to the machine, and the new one has its own"
	case p.Origin == inventory.Local:
		return "no repository offers it: install it by hand"
	}
	return ""
}

// hostsLines reads the lines of /etc/hosts that are not about the host itself.
func (c *collector) hostsLines(h *inventory.Host, r *recipe) {
	for _, line := range h.Network.Hosts {
		if strings.HasPrefix(line.Address, "127.") || line.Address == "::1" || strings.HasPrefix(line.Address, "fe00:") || strings.HasPrefix(line.Address, "ff0") {
			continue
		}
		if slices.Contains(line.Names, h.Name) || slices.Contains(line.Names, h.Network.Hostname) || slices.Contains(line.Names, h.Network.FQDN) {
			continue
		}
		text := line.Address + " " + strings.Join(line.Names, " ")
		if !plainLine.MatchString(text) {
			c.leaveOut(h, fmt.Sprintf("line %d of /etc/hosts", line.Line), "it holds characters that no name has")
			continue
		}
		text = c.rewrite(h, "/etc/hosts", line.Line, text)
		address, names, _ := strings.Cut(text, " ")
		r.Lines = append(r.Lines, hostsLine{address, names})
	}
	slices.SortFunc(r.Lines, func(a, b hostsLine) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Names, b.Names))
	})
	r.Lines = slices.Compact(r.Lines)
}

var plainLine = regexp.MustCompile(`^[0-9A-Za-z.:%_ -]+$`)
