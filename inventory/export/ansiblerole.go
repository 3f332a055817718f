package export

import (
	"path"
	"strings"
)

// roleVars are variables whose names begin with that of a role.
type roleVars struct {
	name string
	mapping
}

// set adds a list, if there is anything in it.
func (v *roleVars) set(key string, values list) {
	if len(values) > 0 {
		v.mapping = append(v.mapping, pair{v.name + "_" + key, values})
	}
}

// layerVars are the variables of a layer, whose names begin with name. Contents
// go to folder/files and folder/templates, below sub; without a folder none are
// kept.
func (f files) layerVars(name, folder, sub string, r *recipe, names map[string]string) mapping {
	v := &roleVars{name: name}
	secrets := list{}
	for _, n := range r.wanted(names) {
		secrets = append(secrets, prefix+n)
	}
	v.set("secrets", secrets)
	f.fileVars(v.set, folder, sub, "apt", pick(r.Files, func(x file) bool { return x.Use == useApt }), names)
	v.packages(r)
	v.accounts(r)
	if len(r.Zone) > 0 {
		v.mapping = append(v.mapping, pair{name + "_zone", r.Zone[0].Name})
	}
	rest := pick(r.Files, func(x file) bool { return x.Use != useApt })
	v.set("folders", folderVars(r.folders()))
	f.fileVars(v.set, folder, sub, "unit", pick(rest, func(x file) bool { return x.Use == useUnit }), names)
	f.fileVars(v.set, folder, sub, "", pick(rest, func(x file) bool { return x.Use == useAny }), names)
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
		one := mapping{{"name", u.Name}, {"uid", u.UID}, {"group", unsafe(u.Group)}, {"home", unsafe(u.Home)}, {"shell", unsafe(u.Shell)}, {"comment", unsafe(u.Gecos)}, {"system", u.System}}
		if u.System && u.MakeHome {
			one = append(one, pair{"create_home", true})
		}
		if in := r.groupsOf(u.Name); len(in) > 0 {
			one = append(one, pair{"groups", in})
		}
		users = append(users, one)
	}
	for _, u := range r.strangers() {
		members = append(members, flow{{"name", u}, {"groups", r.groupsOf(u)}})
	}
	v.set("groups", groups)
	v.set("users", users)
	v.set("members", members)
}

func (v *roleVars) units(r *recipe) {
	var masked, units list
	for _, u := range r.masked() {
		masked = append(masked, u.Name)
	}
	for _, u := range r.started() {
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

// fileVars are the variables of files of one use: plain ones, those with
// secrets, and links.
func (f files) fileVars(set func(string, list), folder, sub, use string, all []file, names map[string]string) {
	key := func(kind string) string { return strings.TrimPrefix(use+"_"+kind, "_") }
	var plain, templates, links list
	for _, x := range all {
		switch {
		case x.Link != "":
			links = append(links, notify(flow{{"src", unsafe(x.Link)}, {"dest", unsafe(x.Path)}}, x.Restarts))
		case withSecrets(x.Text):
			src := sub + stored(x.Path) + ".j2"
			templates = append(templates, item(src, x))
			if folder != "" {
				f.put(folder+"templates/"+src, template(x.Text, func(t string) string { return prefix + names[t] }))
			}
		default:
			src := sub + stored(x.Path)
			plain = append(plain, item(src, x))
			if folder != "" {
				f.put(folder+"files/"+src, x.Text)
			}
		}
	}
	set(key("files"), plain)
	set(key("templates"), templates)
	set(key("links"), links)
}

// item is a file that a loop puts in place.
func item(src string, x file) flow {
	one := flow{{"src", src}, {"dest", unsafe(x.Path)}, {"owner", unsafe(x.Owner)}, {"group", unsafe(x.Group)}, {"mode", unsafe(x.Mode)}}
	if x.Path == "/etc/sudoers" || path.Dir(x.Path) == "/etc/sudoers.d" {
		one = append(one, pair{"validate", "/usr/sbin/visudo -cf %s"})
	}
	return notify(one, x.Restarts)
}

func notify(one flow, restarts string) flow {
	var handlers []string
	for _, u := range strings.Fields(restarts) {
		handlers = append(handlers, restart(u))
	}
	if len(handlers) > 0 {
		one = append(one, pair{"notify", handlers})
	}
	return one
}

// restart is the name of a handler.
func restart(unit string) string { return "Restart " + unit }

func absentVars(all []absent) list {
	var l list
	for _, a := range all {
		l = append(l, notify(flow{{"path", unsafe(a.Path)}}, a.Restarts))
	}
	return l
}

// keyVars are the lines of files of keys: those that need a secret are templates.
func keyVars(all []keyFile, names map[string]string) list {
	var l list
	for _, f := range all {
		var lines list
		for _, line := range f.Lines {
			if withSecrets(line) {
				lines = append(lines, template(line, func(t string) string { return prefix + names[t] }))
			} else {
				lines = append(lines, unsafe(line))
			}
		}
		l = append(l, mapping{{"path", unsafe(f.Path)}, {"owner", f.Owner}, {"group", f.Group}, {"mode", f.Mode}, {"lines", lines}})
	}
	return l
}

func folderVars(all []folder) list {
	var l list
	for _, f := range all {
		one := flow{{"path", unsafe(f.Path)}}
		if f.Mode != "" {
			one = append(one, pair{"owner", unsafe(f.Owner)}, pair{"group", unsafe(f.Group)}, pair{"mode", unsafe(f.Mode)})
		}
		l = append(l, one)
	}
	return l
}
