package roles

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/diff"
	"github.com/dcmigrate/migrate/inventory/traits"
)

// Portrait says what the hosts of a role have in common, and what is odd on single
// hosts.
type Portrait struct {
	Name  string   `json:"name"`
	Hosts []string `json:"hosts"`
	// ConfigNames are the roles that the config gives the hosts.
	ConfigNames []string `json:"called"`
	// Common is what all hosts have in the same form, by kind.
	Common []Common `json:"common"`
	Odd    []Odd    `json:"odd"`
}

// Common lists what all hosts of a role have of one kind.
type Common struct {
	Kind  string   `json:"kind"` // "package", "service", …
	Names []string `json:"names"`
}

// Odd is something in which one host differs from most hosts of its role.
type Odd struct {
	Host  string `json:"host"`
	How   string `json:"how"` // "has", "lacks" or "differs"
	What  string `json:"what"`
	Usual string `json:"usual,omitempty"`
	Here  string `json:"here,omitempty"`
	Why   string `json:"why"`
}

// Values of Odd.How.
const (
	oddHas     = "has"
	oddLacks   = "lacks"
	oddDiffers = "differs"
)

// portray compares the hosts of a role. objects has the contents of their files; if
// it is nil, hashes are compared.
func portray(r Role, objects *inventory.Objects) Portrait {
	p := Portrait{Name: r.Name, ConfigNames: []string{}, Common: []Common{}, Odd: []Odd{}}
	manual := map[string]bool{} // packages that somebody installed explicitly
	for _, h := range r.Hosts {
		p.Hosts = append(p.Hosts, h.Name)
		if name := configNameOf(h); name != "" && !slices.Contains(p.ConfigNames, name) {
			p.ConfigNames = append(p.ConfigNames, name)
		}
		for _, pkg := range h.Packages {
			if pkg.Manual {
				manual[pkg.Name] = true
			}
		}
	}
	usual, reports := diff.Members(diff.Side{Label: "role " + r.Name, Kind: diff.Role, Hosts: r.Hosts, Objects: objects})
	differs := map[string]bool{}
	for i, report := range reports {
		for _, d := range report.Differences {
			if d.Class == diff.Drift || d.At == "roles" {
				differs[d.ID] = true
				if isRelevant(d.At, d.ID, manual) {
					p.Odd = append(p.Odd, oddOf(r.Hosts[i].Name, d))
				}
			}
		}
	}
	slices.SortStableFunc(p.Odd, func(a, b Odd) int { return cmp.Compare(a.Host, b.Host) })
	for _, i := range usual {
		if !differs[i.ID] && commonKinds[i.At] && isNotable(i) && isRelevant(i.At, i.ID, manual) {
			p.addCommon(i)
		}
	}
	return p
}

// addMisnamed adds to what is odd the hosts that have the config name of another
// role and are unlike its hosts.
func addMisnamed(roles []Role, portraits []Portrait) {
	roleNames := map[string]bool{}
	for _, r := range roles {
		roleNames[r.Name] = true
	}
	for i, r := range roles {
		for _, h := range r.Hosts {
			configName := configNameOf(h)
			reported := slices.ContainsFunc(portraits[i].Odd, func(o Odd) bool { return o.Host == h.Name && o.What == rolesDifference })
			if name := slug(configName); configName != "" && name != r.Name && roleNames[name] && !reported {
				portraits[i].Odd = append(portraits[i].Odd, Odd{
					Host: h.Name, How: oddDiffers, What: rolesDifference, Usual: r.Name, Here: configName,
					Why: "the config calls it as it calls hosts that it is unlike",
				})
			}
		}
	}
}

// rolesDifference is how package diff names a difference in the config's roles.
const rolesDifference = "host: roles"

func oddOf(host string, d diff.Difference) Odd {
	o := Odd{Host: host, What: d.What, Usual: d.Old, Here: d.New}
	switch {
	case d.At == "roles":
		o.How, o.Why = oddDiffers, "the config calls it something else"
	case d.Only == diff.OnlyOld:
		o.How, o.Why = oddLacks, "most hosts of the role have it"
	case d.Only == diff.OnlyNew:
		o.How, o.Why = oddHas, "most hosts of the role do not have it"
	default:
		o.How, o.Why = oddDiffers, d.Why
	}
	return o
}

// isRelevant leaves out what follows from something else: packages installed as
// dependencies, secrets, and the hardware's or the moment's state.
func isRelevant(at, id string, manual map[string]bool) bool {
	place, _, _ := strings.Cut(at, ".")
	switch place {
	case "packages":
		_, name, _ := strings.Cut(id, "\x00")
		name, _, _ = strings.Cut(name, " ")
		return manual[name]
	case "secrets", "images", "memory", "cpu", "disks", "swaps", "time":
		return at == "time.zone"
	}
	return true
}

// commonKinds are the kinds of traits that characterize a role.
var commonKinds = map[string]bool{
	"packages": true, "repositories": true, "language_packages": true, "services": true, "timers": true, "listeners": true, "cron_jobs": true, "users": true,
	"sudo_rules": true, "authorized_keys": true, "kernel.sysctl": true, "kernel.modules_load": true, "kernel.limits": true, "firewall": true, "virtual_hosts": true, "containers": true,
	"compose": true, "releases": true, "mysql.settings": true, "redis.settings": true, "postgresql.settings": true, "configuration": true, "files": true,
}

// isNotable leaves out what every system has: services that are neither enabled nor
// active, timers and jobs of packages, accounts without a login, settings that no
// file makes.
func isNotable(i traits.Item) bool {
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

func (p *Portrait) addCommon(i traits.Item) {
	name := inventory.Printable(traits.Readable(i.Source.Names.Replace(i.Name)))
	if i.At == "packages" {
		name, _, _ = strings.Cut(name, " ") // without the architecture
	}
	if len(p.Common) == 0 || p.Common[len(p.Common)-1].Kind != i.Kind {
		p.Common = append(p.Common, Common{Kind: i.Kind})
	}
	last := &p.Common[len(p.Common)-1]
	last.Names = append(last.Names, name)
}
