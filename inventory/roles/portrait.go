package roles

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/diff"
	"github.com/dcmigrate/migrate/inventory/traits"
)

// Portrait is what hosts of a role have in common, and what is odd on one.
type Portrait struct {
	Name  string   `json:"name"`
	Hosts []string `json:"hosts"`
	// Called is what the config calls them.
	Called []string `json:"called"`
	// Common is by kind: what all hosts have, and have alike.
	Common []Common `json:"common"`
	Odd    []Odd    `json:"odd"`
}

// Common is what all hosts of a role have of one kind.
type Common struct {
	Kind  string   `json:"kind"` // "package", "service", …
	Names []string `json:"names"`
}

// Odd is something about one host in which it is not as most of its role.
type Odd struct {
	Host  string `json:"host"`
	How   string `json:"how"` // Has, Lacks, Differs
	What  string `json:"what"`
	Usual string `json:"usual,omitempty"`
	Here  string `json:"here,omitempty"`
	Why   string `json:"why"`
}

// How a host is odd.
const (
	Has     = "has"
	Lacks   = "lacks"
	Differs = "differs"
)

// Portray compares the hosts of a role; objects has the contents of their
// files, nil: hashes are compared.
func Portray(r Role, objects *inventory.Objects) Portrait {
	p := Portrait{Name: r.Name, Called: []string{}, Common: []Common{}, Odd: []Odd{}}
	asked := map[string]bool{} // packages that somebody asked for
	for _, h := range r.Hosts {
		p.Hosts = append(p.Hosts, h.Name)
		if called := calledOf(h); called != "" && !slices.Contains(p.Called, called) {
			p.Called = append(p.Called, called)
		}
		for _, pkg := range h.Packages {
			if pkg.Manual {
				asked[pkg.Name] = true
			}
		}
	}
	usual, reports := diff.Members(diff.Side{Label: "role " + r.Name, Kind: diff.Role, Hosts: r.Hosts, Objects: objects})
	differs := map[string]bool{}
	for i, report := range reports {
		for _, d := range report.Differences {
			if d.Class == diff.Drift || d.At == "roles" {
				differs[d.ID] = true
				if counts(d.At, d.ID, asked) {
					p.Odd = append(p.Odd, oddOf(r.Hosts[i].Name, d))
				}
			}
		}
	}
	slices.SortStableFunc(p.Odd, func(a, b Odd) int { return cmp.Compare(a.Host, b.Host) })
	for _, i := range usual {
		if !differs[i.ID] && commonKinds[i.At] && said(i) && counts(i.At, i.ID, asked) {
			p.add(i)
		}
	}
	return p
}

// strays adds to what is odd that hosts are called as those of another role are,
// and are unlike them.
func strays(roles []Role, portraits []Portrait) {
	named := map[string]bool{}
	for _, r := range roles {
		named[r.Name] = true
	}
	for i, r := range roles {
		for _, h := range r.Hosts {
			called := calledOf(h)
			said := slices.ContainsFunc(portraits[i].Odd, func(o Odd) bool { return o.Host == h.Name && o.What == whatRoles })
			if name := plain(called); called != "" && name != r.Name && named[name] && !said {
				portraits[i].Odd = append(portraits[i].Odd, Odd{
					Host: h.Name, How: Differs, What: whatRoles, Usual: r.Name, Here: called,
					Why: "the config calls it as it calls hosts that it is unlike",
				})
			}
		}
	}
}

// whatRoles is how a difference in what the config calls a host is named.
const whatRoles = "host: roles"

func oddOf(host string, d diff.Difference) Odd {
	o := Odd{Host: host, What: d.What, Usual: d.Old, Here: d.New}
	switch {
	case d.At == "roles":
		o.How, o.Why = Differs, "the config calls it something else"
	case d.Only == diff.OnlyOld:
		o.How, o.Why = Lacks, "most hosts of the role have it"
	case d.Only == diff.OnlyNew:
		o.How, o.Why = Has, "most hosts of the role do not have it"
	default:
		o.How, o.Why = Differs, d.Why
	}
	return o
}

// counts leaves out what follows from something else: packages that came with
// others, secrets and their files, what the kernel has at the moment.
func counts(at, id string, asked map[string]bool) bool {
	place, _, _ := strings.Cut(at, ".")
	switch place {
	case "packages":
		_, name, _ := strings.Cut(id, "\x00")
		name, _, _ = strings.Cut(name, " ")
		return asked[name]
	case "secrets", "images", "memory", "cpu", "disks", "swaps", "time":
		return at == "time.zone"
	}
	return true
}

// commonKinds are those that make a role what it is.
var commonKinds = map[string]bool{
	"packages": true, "repositories": true, "language_packages": true, "services": true, "timers": true, "listeners": true, "cron_jobs": true, "users": true,
	"sudo_rules": true, "authorized_keys": true, "kernel.sysctl": true, "kernel.modules_load": true, "kernel.limits": true, "firewall": true, "virtual_hosts": true, "containers": true,
	"compose": true, "releases": true, "mysql.settings": true, "redis.settings": true, "postgresql.settings": true, "configuration": true, "files": true,
}

// said leaves out what every system has: services that somebody else starts,
// timers and accounts of packages, settings that no file makes.
func said(i traits.Item) bool {
	switch i.At {
	case "services":
		return i.Get("enabled") == "enabled" || i.Get("active") == "active"
	case "timers":
		return !strings.HasPrefix(i.Get("cause"), inventory.ByPackage)
	case "cron_jobs":
		return !strings.HasPrefix(i.Get("cause"), inventory.ByPackage)
	case "users":
		shell := i.Get("shell")
		return !strings.HasSuffix(shell, "/nologin") && !strings.HasSuffix(shell, "/false") && !strings.HasSuffix(shell, "/sync")
	case "kernel.sysctl":
		return i.Get("set") != ""
	}
	return true
}

func (p *Portrait) add(i traits.Item) {
	name := inventory.Printable(traits.Readable(i.Of.Names.Replace(i.Name)))
	if i.At == "packages" {
		name, _, _ = strings.Cut(name, " ") // without the architecture
	}
	if len(p.Common) == 0 || p.Common[len(p.Common)-1].Kind != i.Kind {
		p.Common = append(p.Common, Common{Kind: i.Kind})
	}
	last := &p.Common[len(p.Common)-1]
	last.Names = append(last.Names, name)
}
