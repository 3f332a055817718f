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

// units reads which services, sockets and timers start, and which must not start.
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
		case strings.HasPrefix(enabled, "masked"), inventory.IsBasePackage(pkg), inventory.IsPlatformPackage(pkg):
			return // its package decides
		case c.isPackageNotExported(h, pkg):
			if enabled == "enabled" || enabled == "enabled-runtime" || enabled == "sysv" {
				c.leaveOut(h, "unit "+name, "its package is not exported: enable and start it once that is installed")
			}
			return
		case enabled == "enabled" || enabled == "enabled-runtime" || enabled == "sysv":
			one.State = unitEnabled
		case enabled == "disabled":
			one.State = unitDisabled
		default:
			return // static, generated or an alias: another unit starts it
		}
		if enabled == "sysv" {
			name += ".service"
			one.Name = name
		}
		if !unitName.MatchString(name) {
			c.leaveOut(h, "unit "+name, "systemd does not accept its name")
			return
		}
		if strings.Contains(name, "@.") {
			return // a template starts through its instances
		}
		if active == "failed" && one.State != unitMasked {
			c.leaveOut(h, "that "+name+" runs", "it failed on the old host: it is enabled, and not started")
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

// isPackageNotExported reports whether the host has a package that is not exported.
func (c *collector) isPackageNotExported(h *inventory.Host, name string) bool {
	return slices.ContainsFunc(h.Packages, func(p inventory.Package) bool { return p.Name == name && whyNotExported(p) != "" })
}

// findRestarts finds the running units that read each file, and so must restart when it
// changes.
func (c *collector) findRestarts(h *inventory.Host, r *recipe) {
	running := map[string]string{} // unit to the package that installs it
	for _, s := range h.Services {
		if s.Active == "active" && unitName.MatchString(s.Unit) && !c.isPackageNotExported(h, s.Package) {
			running[s.Unit] = s.Package
		}
	}
	for _, t := range h.Timers {
		if t.Active == "active" && (t.Cause.Kind != inventory.ByPackage || !c.isPackageNotExported(h, t.Cause.Name)) && unitName.MatchString(t.Unit) {
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
			if readsFile(name, pkg, f.Path, packageOf[f.Path]) || namesFile(r.Files, name, f.Path) {
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
			if readsFile(name, pkg, r.Absent[i].Path, packageOf[r.Absent[i].Path]) {
				set[name] = true
			}
		}
		r.Absent[i].Restarts = strings.Join(slices.Sorted(maps.Keys(set)), " ")
	}
}

// folderUnits are units that read a folder of /etc with another name, by folder.
var folderUnits = map[string]string{"mysql": "mariadb", "iptables": "netfilter-persistent", "ssh": "ssh", "redis": "redis-server", "php": "php", "letsencrypt": "nginx"}

var phpFolder = regexp.MustCompile(`^/etc/php/([\d.]+)/(\w+)/`)

// readsFile reports whether a unit of a package reads a file: its own, one that the same
// package installed, or one in the folder of /etc with its name.
func readsFile(unit, pkg, file, filePackage string) bool {
	if rest, ok := strings.CutPrefix(file, unitFolder); ok {
		first, _, _ := strings.Cut(rest, "/")
		return strings.TrimSuffix(first, ".d") == unit
	}
	if !strings.HasSuffix(unit, ".service") {
		return false // sockets and timers have their settings in the unit
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
	for _, name := range []string{first, folderUnits[first]} {
		if name != "" && (stem == name || strings.HasPrefix(stem, name+"-") || strings.HasPrefix(stem, name+"@")) {
			return true
		}
	}
	return false
}

// namesFile reports whether the files that define a unit name a file.
func namesFile(files []file, unit, name string) bool {
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

// restartsUnit reports whether a change of a file must restart a unit.
func restartsUnit(f file, unit string) bool {
	return slices.Contains(strings.Fields(f.Restarts), unit)
}
