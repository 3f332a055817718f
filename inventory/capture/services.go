package capture

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// sessionUnits match units that start and end with logins, the capture's own login
// among them.
var sessionUnits = regexp.MustCompile(`^(user|user-runtime-dir|ssh|sshd|systemd-coredump)@.+\.service$|^run-[ru]?\w+\.service$`)

// unit is systemd's view of a unit.
type unit struct {
	enabled, active, fragment string
	preset                    string // the distribution's default for enabled
	triggers                  string
	schedule                  []string
}

// services joins the unit files, the loaded units and the packages that own them.
func (p *parser) services() {
	units := map[string]*unit{}
	unitOf := func(name string) *unit {
		if units[name] == nil {
			units[name] = &unit{}
		}
		return units[name]
	}
	p.parse("unit-files", func(text string) error {
		for _, line := range lines(text) {
			f := strings.Fields(line)
			if len(f) < 2 {
				return fmt.Errorf("%.60q is no unit file", line)
			}
			u := unitOf(f[0])
			if u.enabled = f[1]; len(f) > 2 {
				u.preset = f[2]
			}
		}
		return nil
	})
	p.parse("units", func(text string) error {
		for stanza := range strings.SplitSeq(text, "\n\n") {
			if name, u := parseUnit(stanza); name != "" {
				u.enabled, u.preset = unitOf(name).enabled, unitOf(name).preset
				*unitOf(name) = u
			}
		}
		return nil
	})
	packageOf := map[string]string{}
	for file, pkg := range p.owners {
		if strings.Contains(file, "/systemd/system/") {
			packageOf[path.Base(file)] = pkg
		}
	}
	for _, name := range slices.Sorted(maps.Keys(units)) {
		u := units[name]
		if !u.isRelevant() || u.enabled == "disabled" && u.active == "" && strings.Contains(name, "@.") || sessionUnits.MatchString(name) {
			continue
		}
		pkg := cmp.Or(packageOf[name], packageOf[templateOf(name)])
		if strings.HasSuffix(name, ".timer") {
			p.timer(name, pkg, u)
			continue
		}
		s := inventory.Service{Unit: name, Enabled: u.enabled, Active: u.active, Package: pkg, Overrides: p.overrides(name)}
		if file := p.unitFile(name); file != "" {
			if s.File = file; pkg != "" {
				s.Overrides = append([]string{file}, s.Overrides...)
				s.File = ""
			}
		}
		p.host.Services = append(p.host.Services, s)
	}
	p.sysv(units)
}

// parseUnit reads a stanza of systemctl show.
func parseUnit(stanza string) (name string, u unit) {
	for _, line := range lines(stanza) {
		key, value, _ := strings.Cut(line, "=")
		switch key {
		case "Id":
			name = value
		case "ActiveState":
			u.active = value
		case "FragmentPath":
			u.fragment = value
		case "Triggers":
			u.triggers = value
		case "TimersCalendar", "TimersMonotonic":
			// { OnCalendar=*-*-* 06:00:00 ; next_elapse=… }; next_elapse changes by itself
			if schedule, _, ok := strings.Cut(strings.TrimPrefix(value, "{ "), " ; "); ok {
				u.schedule = append(u.schedule, schedule)
			}
		}
	}
	slices.Sort(u.schedule)
	return name, u
}

func (u *unit) isRelevant() bool {
	switch u.enabled {
	case "enabled", "enabled-runtime", "linked", "linked-runtime", "masked", "masked-runtime":
		return true
	case "disabled":
		if u.preset == "enabled" { // an administrator disabled it
			return true
		}
	}
	return u.active == "active" || u.active == "failed" || u.active == "activating" || u.active == "reloading"
}

// templateOf returns the unit file of an instance: getty@.service for
// getty@tty1.service, "" for a unit without an instance.
func templateOf(unit string) string {
	name, rest, ok := strings.Cut(unit, "@")
	if !ok {
		return ""
	}
	return name + "@" + path.Ext(rest)
}

const unitFolder = "/etc/systemd/system/"

// unitFile returns the administrator's own file of a unit, or "".
func (p *parser) unitFile(name string) string {
	for _, dir := range []string{unitFolder, "/usr/local/lib/systemd/system/"} {
		for _, n := range []string{name, templateOf(name)} {
			if f := p.tree[dir+n]; n != "" && f != nil && f.Kind == kinds["f"] && p.owner(dir+n) == "" {
				return dir + n
			}
		}
	}
	return ""
}

// overrides returns the administrator's files that change a unit.
func (p *parser) overrides(name string) []string {
	var all []string
	for _, n := range []string{name, templateOf(name)} {
		if n == "" {
			continue
		}
		prefix := unitFolder + n + ".d/"
		for file, f := range p.tree {
			if strings.HasPrefix(file, prefix) && strings.HasSuffix(file, ".conf") && f.Kind != kinds["d"] && p.owner(file) == "" {
				all = append(all, file)
			}
		}
	}
	slices.Sort(all)
	return all
}

func (p *parser) timer(name, pkg string, u *unit) {
	t := inventory.Timer{Unit: name, Starts: u.triggers, Schedule: u.schedule, Enabled: u.enabled, Active: u.active}
	if strings.HasPrefix(u.enabled, "masked") {
		t.Cause = inventory.Cause{Kind: inventory.ByFile, Name: unitFolder + name} // a link to /dev/null: it never runs
	} else if file := p.unitFile(name); file != "" {
		t.Cause = inventory.Cause{Kind: inventory.ByFile, Name: file}
	} else if pkg != "" {
		t.Cause = inventory.Cause{Kind: inventory.ByPackage, Name: pkg}
	}
	p.host.Timers = append(p.host.Timers, t)
}

var startLink = regexp.MustCompile(`^/etc/(?:rc\.d/)?rc([235])\.d/S\d\d(.+)$`)

// sysv adds the SysV scripts that start at boot and have no unit.
func (p *parser) sysv(units map[string]*unit) {
	scripts := map[string]bool{}
	for file := range p.tree {
		if m := startLink.FindStringSubmatch(file); m != nil && units[m[2]+".service"] == nil {
			scripts[m[2]] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(scripts)) {
		file := "/etc/init.d/" + name
		if p.tree[file] == nil {
			continue
		}
		s := inventory.Service{Unit: name, Enabled: "sysv", Package: p.owner(file)}
		if s.Package == "" {
			s.File = file
		}
		p.host.Services = append(p.host.Services, s)
	}
	slices.SortFunc(p.host.Services, func(a, b inventory.Service) int { return cmp.Compare(a.Unit, b.Unit) })
}
