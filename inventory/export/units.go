package export

import (
	"cmp"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// units reads which services, sockets and timers start, and which must not.
func (c *collector) units(h *inventory.Host, r *recipe) {
	masks := map[string]bool{}
	for _, f := range h.Configuration {
		if unit, ok := strings.CutPrefix(string(f.Path), unitFolder); ok && f.Kind == "link" && f.Target == "/dev/null" {
			masks[unit] = true
		}
	}
	add := func(name, enabled, active, pkg string) {
		one := unit{Name: name, Package: pkg, Running: active == "active"}
		switch {
		case masks[name]:
			one.State, one.Running, one.Package = unitMasked, false, ""
		case strings.HasPrefix(enabled, "masked"), inventory.OfTheSystem(pkg), inventory.OfTheMachine(pkg):
			return // a package's own doing
		case c.leftPackage(h, pkg):
			if enabled == "enabled" || enabled == "enabled-runtime" || enabled == "sysv" {
				c.leave(h, "unit "+name, "its package is not exported: enable and start it once that is installed")
			}
			return
		case enabled == "enabled" || enabled == "enabled-runtime" || enabled == "sysv":
			one.State = unitEnabled
		case enabled == "disabled":
			one.State = unitDisabled
		default:
			return // static, generated, an alias: others start it
		}
		if enabled == "sysv" {
			name += ".service"
			one.Name = name
		}
		if !unitName.MatchString(name) {
			c.leave(h, "unit "+name, "its name is none that systemd takes")
			return
		}
		if strings.Contains(name, "@.") {
			return // a template starts through its instances
		}
		if active == "failed" && one.State != unitMasked {
			c.leave(h, "that "+name+" runs", "it failed on the old host: it is enabled, and not started")
		}
		r.Units = append(r.Units, one)
	}
	for _, s := range h.Services {
		add(s.Unit, s.Enabled, s.Active, s.Package)
	}
	for _, t := range h.Timers {
		pkg := ""
		if t.Cause.Kind == inventory.ByPackage {
			pkg = t.Cause.Name
		}
		add(t.Unit, t.Enabled, t.Active, pkg)
	}
	slices.SortFunc(r.Units, func(a, b unit) int { return cmp.Compare(a.Name, b.Name) })
	r.Units = slices.Compact(r.Units)
}

// leftPackage reports whether a package is one that is not exported.
func (c *collector) leftPackage(h *inventory.Host, name string) bool {
	return slices.ContainsFunc(h.Packages, func(p inventory.Package) bool { return p.Name == name && whyLeft(p) != "" })
}

// restarts finds which units read each file, and so must start again when it
// changes. Only those that run are named.
func (c *collector) restarts(h *inventory.Host, r *recipe) {
	running := map[string]string{} // unit to the package that brings it
	for _, s := range h.Services {
		if s.Active == "active" && unitName.MatchString(s.Unit) && !c.leftPackage(h, s.Package) {
			running[s.Unit] = s.Package
		}
	}
	for _, t := range h.Timers {
		if t.Active == "active" && (t.Cause.Kind != inventory.ByPackage || !c.leftPackage(h, t.Cause.Name)) && unitName.MatchString(t.Unit) {
			running[t.Unit] = ""
		}
	}
	packageOf := map[string]string{}
	for _, f := range h.Configuration {
		packageOf[string(f.Path)] = f.Package
	}
	for i := range r.Files {
		f := &r.Files[i]
		if f.Use == useApt {
			continue
		}
		set := map[string]bool{}
		for name, pkg := range running {
			if reads(name, pkg, f.Path, packageOf[f.Path]) || mentions(r.Files, name, f.Path) {
				set[name] = true
			}
		}
		switch {
		case strings.HasPrefix(f.Path, "/etc/sysctl."):
			set["systemd-sysctl.service"] = true
		case strings.HasPrefix(f.Path, "/etc/modules"):
			set["systemd-modules-load.service"] = true
		}
		f.Restarts = strings.Join(slices.Sorted(maps.Keys(set)), " ")
	}
	for i := range r.Absent {
		set := map[string]bool{}
		for name, pkg := range running {
			if reads(name, pkg, r.Absent[i].Path, packageOf[r.Absent[i].Path]) {
				set[name] = true
			}
		}
		r.Absent[i].Restarts = strings.Join(slices.Sorted(maps.Keys(set)), " ")
	}
}

// alias is the units that read a folder of /etc of another name.
var alias = map[string]string{"mysql": "mariadb", "iptables": "netfilter-persistent", "ssh": "ssh", "redis": "redis-server", "php": "php", "letsencrypt": "nginx"}

var phpFolder = regexp.MustCompile(`^/etc/php/([\d.]+)/(\w+)/`)

// reads reports whether a unit of a package reads a file: its own, one that the
// same package brought, or one in the folder of that name.
func reads(unit, pkg, file, filePackage string) bool {
	if rest, ok := strings.CutPrefix(file, unitFolder); ok {
		first, _, _ := strings.Cut(rest, "/")
		return strings.TrimSuffix(first, ".d") == unit
	}
	if !strings.HasSuffix(unit, ".service") {
		return false // its settings are in its unit
	}
	if pkg != "" && pkg == filePackage {
		return true
	}
	stem := strings.TrimSuffix(unit, path.Ext(unit))
	if m := phpFolder.FindStringSubmatch(file); m != nil {
		return stem == "php"+m[1]+"-"+m[2]
	}
	rest, ok := strings.CutPrefix(file, "/etc/")
	if !ok {
		return false
	}
	rest = strings.TrimPrefix(rest, "default/")
	first, _, folder := strings.Cut(rest, "/")
	if !folder {
		first = strings.TrimSuffix(first, ".conf")
	}
	if systemd, ok := strings.CutPrefix(rest, "systemd/"); ok { // journald.conf, journald.conf.d/…
		first, _, _ = strings.Cut(systemd, ".")
		return stem == "systemd-"+first
	}
	for _, name := range []string{first, alias[first]} {
		if name != "" && (stem == name || strings.HasPrefix(stem, name+"-") || strings.HasPrefix(stem, name+"@")) {
			return true
		}
	}
	return false
}

// mentions reports whether the files that define a unit name a file.
func mentions(files []file, unit, name string) bool {
	for _, f := range files {
		rest, ok := strings.CutPrefix(f.Path, unitFolder)
		if !ok || rest != unit && !strings.HasPrefix(rest, unit+".d/") {
			continue
		}
		for word := range strings.FieldsFuncSeq(f.Text, func(r rune) bool { return r <= ' ' || r == '=' || r == '"' || r == '\'' }) {
			if strings.TrimLeft(word, "-@+!:") == name {
				return true
			}
		}
	}
	return false
}

// restarts reports whether a change of a file must start a unit again.
func restarts(f file, unit string) bool {
	return slices.Contains(strings.Fields(f.Restarts), unit)
}
