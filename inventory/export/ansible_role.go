package export

import (
	"path"
	"strings"
)

// roleVars are variables whose names begin with the name of a role.
type roleVars struct {
	name string
	mapping
}

// set adds a list unless it is empty.
func (v *roleVars) set(key string, values list) {
	if len(values) > 0 {
		v.mapping = append(v.mapping, pair{v.name + "_" + key, values})
	}
}

// layerVars returns the variables of a layer, whose names begin with name. It writes
// contents to folder/files and folder/templates, below sub; without a folder it writes
// none.
func (f files) layerVars(name, folder, sub string, r *recipe, names map[string]string) mapping {
	v := &roleVars{name: name}
	secrets := list{}
	for _, n := range r.secretNames(names) {
		secrets = append(secrets, prefix+n)
	}
	v.set("secrets", secrets)
	f.fileVars(v.set, folder, sub, "apt", filterFiles(r.Files, func(x file) bool { return x.Use == useApt }), names)
	v.packages(r)
	v.accounts(r)
	if len(r.Zone) > 0 {
		v.mapping = append(v.mapping, pair{name + "_zone", r.Zone[0].Name})
	}
	rest := filterFiles(r.Files, func(x file) bool { return x.Use != useApt })
	v.set("folders", folderVars(r.folders()))
	f.fileVars(v.set, folder, sub, "unit", filterFiles(rest, func(x file) bool { return x.Use == useUnit }), names)
	f.fileVars(v.set, folder, sub, "", filterFiles(rest, func(x file) bool { return x.Use == useAny }), names)
	v.set("authorized_keys", keyVars(r.keyFiles(), names))
	v.set("absent", absentVars(r.Absent))
	var lines list
	for _, l := range r.Lines {
		lines = append(lines, flow{{"address", l.Address}, {"names", l.Names}})
	}
	v.set("hosts_lines", lines)
	v.units(r)
	return v.mapping
}

func (v *roleVars) packages(r *recipe) {
	var packages, held list
	for _, p := range r.Packages {
		if p.Held {
			held = append(held, p.Name)
			p.Name += "=" + p.Version
		}
		packages = append(packages, p.Name)
	}
	v.set("packages", packages)
	v.set("held", held)
}

func (v *roleVars) accounts(r *recipe) {
	var groups, users, members list
	for _, g := range r.Groups {
		groups = append(groups, flow{{"name", g.Name}, {"gid", g.GID}, {"system", g.System}})
	}
	for _, u := range r.Users {
		one := mapping{{"name", u.Name}, {"uid", u.UID}, {"group", unsafeText(u.Group)}, {"home", unsafeText(u.Home)}, {"shell", unsafeText(u.Shell)}, {"comment", unsafeText(u.Gecos)}, {"system", u.System}}
		if u.System && u.MakeHome {
			one = append(one, pair{"create_home", true})
		}
		if in := r.groupsOf(u.Name); len(in) > 0 {
			one = append(one, pair{"groups", in})
		}
		users = append(users, one)
	}
	for _, u := range r.foreignMembers() {
		members = append(members, flow{{"name", u}, {"groups", r.groupsOf(u)}})
	}
	v.set("groups", groups)
	v.set("users", users)
	v.set("members", members)
}

func (v *roleVars) units(r *recipe) {
	var masked, units list
	for _, u := range r.maskedUnits() {
		masked = append(masked, u.Name)
	}
	for _, u := range r.startedUnits() {
		one := flow{{"name", u.Name}, {"enabled", u.State == unitEnabled}}
		switch {
		case u.Running:
			one = append(one, pair{"state", "started"})
		case u.State == unitDisabled: // its package started it
			one = append(one, pair{"state", "stopped"})
		}
		units = append(units, one)
	}
	v.set("masked", masked)
	v.set("units", units)
}

// fileVars sets the variables for files of one use: plain files, files with secrets,
// and links.
func (f files) fileVars(set func(string, list), folder, sub, use string, all []file, names map[string]string) {
	key := func(kind string) string { return strings.TrimPrefix(use+"_"+kind, "_") }
	var plain, templates, links list
	for _, x := range all {
		switch {
		case x.Link != "":
			links = append(links, withHandlers(flow{{"src", unsafeText(x.Link)}, {"dest", unsafeText(x.Path)}}, x.Restarts))
		case hasSecrets(x.Text):
			src := sub + storedPath(x.Path) + ".j2"
			templates = append(templates, fileItem(src, x))
			if folder != "" {
				f.put(folder+"templates/"+src, jinjaTemplate(x.Text, func(t string) string { return prefix + names[t] }))
			}
		default:
			src := sub + storedPath(x.Path)
			plain = append(plain, fileItem(src, x))
			if folder != "" {
				f.put(folder+"files/"+src, x.Text)
			}
		}
	}
	set(key("files"), plain)
	set(key("templates"), templates)
	set(key("links"), links)
}

// fileItem returns a file as an item of a loop.
func fileItem(src string, x file) flow {
	one := flow{{"src", src}, {"dest", unsafeText(x.Path)}, {"owner", unsafeText(x.Owner)}, {"group", unsafeText(x.Group)}, {"mode", unsafeText(x.Mode)}}
	if x.Path == "/etc/sudoers" || path.Dir(x.Path) == "/etc/sudoers.d" {
		one = append(one, pair{"validate", "/usr/sbin/visudo -cf %s"})
	}
	return withHandlers(one, x.Restarts)
}

func withHandlers(one flow, restarts string) flow {
	var handlers []string
	for _, u := range strings.Fields(restarts) {
		handlers = append(handlers, handlerName(u))
	}
	if len(handlers) > 0 {
		one = append(one, pair{"notify", handlers})
	}
	return one
}

// handlerName returns the name of the handler that restarts a unit.
func handlerName(unit string) string { return "Restart " + unit }

func absentVars(all []absent) list {
	var l list
	for _, a := range all {
		l = append(l, withHandlers(flow{{"path", unsafeText(a.Path)}}, a.Restarts))
	}
	return l
}

// keyVars returns the lines of files of keys. Lines that need a secret are templates.
func keyVars(all []keyFile, names map[string]string) list {
	var l list
	for _, f := range all {
		var lines list
		for _, line := range f.Lines {
			if hasSecrets(line) {
				lines = append(lines, jinjaTemplate(line, func(t string) string { return prefix + names[t] }))
			} else {
				lines = append(lines, unsafeText(line))
			}
		}
		l = append(l, mapping{{"path", unsafeText(f.Path)}, {"owner", f.Owner}, {"group", f.Group}, {"mode", f.Mode}, {"lines", lines}})
	}
	return l
}

func folderVars(all []folder) list {
	var l list
	for _, f := range all {
		one := flow{{"path", unsafeText(f.Path)}}
		if f.Mode != "" {
			one = append(one, pair{"owner", unsafeText(f.Owner)}, pair{"group", unsafeText(f.Group)}, pair{"mode", unsafeText(f.Mode)})
		}
		l = append(l, one)
	}
	return l
}
