package export

import (
	"path"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/remote"
)

// states collects the states of one layer.
type states struct {
	*saltWriter
	*stateLayer
	layers []*stateLayer // those above it, then itself
	out    mapping
}

// add adds a state. Its arguments are a list, as SLS requires; arguments that are empty
// lists are left out.
func (s *states) add(id, function string, args ...pair) {
	var l list
	for _, a := range args {
		if inner, ok := a.value.(list); ok && len(inner) == 0 || a.key == "name" && a.value == id {
			continue // the ID is the default name
		}
		l = append(l, mapping{a})
	}
	s.out = append(s.out, pair{id, mapping{{function, l}}})
}

// requisite refers to a state of a module.
func requisite(module, id string) mapping { return mapping{{module, id}} }

// requireInstalled requires the packages of the deepest layer that has any: they are
// installed after those of the layers above.
func (s *states) requireInstalled() list {
	for i := len(s.layers) - 1; i >= 0; i-- {
		if l := s.layers[i].packageRequisites(); len(l) > 0 {
			return l
		}
	}
	return nil
}

func (p *stateLayer) packageRequisites() list {
	var l list
	if slices.ContainsFunc(p.Packages, func(x pkg) bool { return !x.Held }) {
		l = append(l, requisite("pkg", p.name+"_packages"))
	}
	for _, x := range p.Packages {
		if x.Held {
			l = append(l, requisite("pkg", "hold_"+x.Name))
		}
	}
	return l
}

// fileRequires returns what a file requires: its owner, and the packages that may make
// its folder or its owner.
func (s *states) fileRequires(f file) list {
	l := s.requireAccount(f.Owner, f.Group)
	if len(l) > 0 || (f.Owner == "root" && f.Group == "root" || f.Link != "") && standardFolder.MatchString(path.Dir(f.Path)) {
		return l // an account requires the packages
	}
	return append(l, s.requireInstalled()...)
}

// fileID returns the ID of the state of a file: its path, if it has plain characters
// only.
func fileID(name string) string {
	if plainPath.MatchString(name) {
		return name
	}
	return "file_" + storedPath(name)
}

// requireAccount requires a user and a group, as far as a layer creates them.
func (s *states) requireAccount(userName, groupName string) list {
	var l list
	for _, p := range s.layers {
		if slices.ContainsFunc(p.Users, func(u user) bool { return u.Name == userName }) {
			l = append(l, requisite("user", "user_"+userName))
		}
		if slices.ContainsFunc(p.Groups, func(g group) bool { return g.Name == groupName }) {
			l = append(l, requisite("group", "group_"+groupName))
		}
	}
	return l
}

// apt configures apt, then installs packages.
func (s *states) apt() {
	var configured list
	for _, f := range s.Files {
		if f.Use == useApt {
			s.addFile(f, nil)
			configured = append(configured, requisite("file", fileID(f.Path)))
		}
	}
	var names list
	for _, p := range s.Packages {
		if !p.Held {
			names = append(names, p.Name)
		}
	}
	if len(names) > 0 {
		s.add(s.name+"_packages", "pkg.installed", pair{"pkgs", names}, pair{"refresh", true}, pair{"require", configured})
	}
	for _, p := range s.Packages {
		if p.Held {
			s.add("hold_"+p.Name, "pkg.installed", pair{"name", p.Name}, pair{"version", p.Version}, pair{"hold", true}, pair{"refresh", true}, pair{"require", configured})
		}
	}
}

func (s *states) accounts() {
	for _, g := range s.Groups {
		s.add("group_"+g.Name, "group.present", pair{"name", g.Name}, pair{"gid", g.GID}, pair{"system", g.System}, pair{"require", s.requireInstalled()})
	}
	for _, u := range s.Users {
		require := s.requireAccount("", u.Group)
		for _, g := range s.groupsOf(u.Name) {
			require = append(require, s.requireAccount("", g)...)
		}
		args := []pair{{"name", u.Name}, {"uid", u.UID}, {"gid", u.Group}, {"home", u.Home}, {"shell", u.Shell}, {"fullname", u.Gecos}, {"system", u.System}, {"createhome", u.MakeHome}, {"remove_groups", false}}
		if groups := s.groupsOf(u.Name); len(groups) > 0 {
			args = append(args, pair{"groups", groups})
		}
		s.add("user_"+u.Name, "user.present", append(args, pair{"require", append(s.requireInstalled(), require...)})...)
	}
	for _, u := range s.foreignMembers() {
		for _, g := range s.groupsOf(u) {
			s.add(s.name+"_member_"+u+"_"+g, "group.present", pair{"name", g}, pair{"addusers", []string{u}}, pair{"require", append(s.requireInstalled(), s.requireAccount(u, g)...)})
		}
	}
	for _, z := range s.Zone {
		s.add(s.name+"_time_zone", "timezone.system", pair{"name", z.Name})
		// cron would run the jobs between the old and the new time
		s.add(s.name+"_time_zone_of_cron", "cmd.run", pair{"name", "systemctl try-restart cron.service || :"}, pair{"onchanges", list{requisite("timezone", s.name+"_time_zone")}})
	}
}

func (s *states) configuration() {
	for _, f := range s.Folders {
		require := s.fileRequires(file{Path: f.Path, Owner: f.Owner, Group: f.Group})
		if path.Base(f.Path) == ".ssh" {
			require = append(require, s.addLinkCheck(fileID(f.Path), f.Path))
		}
		s.add(fileID(f.Path), "file.directory", pair{"name", f.Path}, pair{"user", f.Owner}, pair{"group", f.Group}, pair{"mode", f.Mode}, pair{"makedirs", true}, pair{"require", require})
	}
	for _, f := range s.Files {
		if f.Use != useApt {
			s.addFile(f, s.fileRequires(f))
		}
	}
	s.keys()
	for _, a := range s.Absent {
		s.add(fileID(a.Path), "file.absent", pair{"name", a.Path}, pair{"require", s.requireInstalled()})
	}
	for _, l := range s.Lines {
		s.add(s.name+"_hosts_"+l.Names, "host.present", pair{"ip", l.Address}, pair{"names", strings.Fields(l.Names)})
	}
}

// keys adds to each file of keys a block for each layer that has some. The rest of the
// file stays, see key. ssh_auth.present would give a key that is already there, such as
// the operator's, the options that it had on the old site.
func (s *states) keys() {
	for _, f := range s.keyFiles() {
		id := s.name + "_keys_" + storedPath(f.Path)
		require := s.fileRequires(file{Path: f.Path, Owner: f.Owner, Group: f.Group})
		for _, p := range s.layers {
			if slices.ContainsFunc(p.Folders, func(x folder) bool { return x.Path == path.Dir(f.Path) }) {
				require = append(require, requisite("file", fileID(path.Dir(f.Path))))
			}
		}
		require = append(require, s.addLinkCheck(id, path.Dir(f.Path), f.Path))
		s.add(id+"_file", "file.managed", pair{"name", f.Path}, pair{"user", f.Owner}, pair{"group", f.Group}, pair{"mode", f.Mode}, pair{"replace", false}, pair{"require", require})
		args := []pair{{"name", f.Path}, {"marker_start", "# BEGIN keys of " + s.name + ":"}, {"marker_end", "# END keys of " + s.name + ":"}, {"backup", false}, {"append_if_not_found", true}}
		text := strings.Join(f.Lines, "\n") + "\n"
		if f.secret() {
			at := s.name + "/templates/" + storedPath(f.Path) + ".jinja"
			s.files.put("salt/"+at, jinjaTemplate(text, func(t string) string { return "pillar['secrets']['" + s.names[t] + "']" }))
			args = append(args, pair{"source", "salt://" + at}, pair{"template", "jinja"}, pair{"show_changes", false})
		} else {
			args = append(args, pair{"content", block(text)})
		}
		s.add(id, "file.blockreplace", append(args, pair{"require", list{requisite("file", id+"_file")}})...)
	}
}

// addLinkCheck adds a state that fails if a path is a link, as root would then write
// where a user says. It returns the requisite for that state.
func (s *states) addLinkCheck(id string, paths ...string) any {
	var tests, words []string
	for _, p := range paths {
		word := remote.Quote(p)
		tests, words = append(tests, "test -L "+word), append(words, word)
	}
	s.add(id+"_no_link", "cmd.run", pair{"name", "echo link: " + strings.Join(words, " or ") + " >&2; exit 1"}, pair{"onlyif", strings.Join(tests, " || ")})
	return requisite("cmd", id+"_no_link")
}

// addFile adds the state of a file; its ID is fileID.
func (s *states) addFile(f file, require list) {
	if f.Link != "" {
		s.add(fileID(f.Path), "file.symlink", pair{"name", f.Path}, pair{"target", f.Link}, pair{"force", true}, pair{"makedirs", true}, pair{"require", require})
		return
	}
	at := s.name + "/files/" + storedPath(f.Path)
	// a package may have made a link there to another file
	args := []pair{{"user", f.Owner}, {"group", f.Group}, {"mode", f.Mode}, {"makedirs", true}, {"follow_symlinks", false}}
	text := f.Text
	if hasSecrets(text) {
		// templates have their own folder: a plain file could have that name
		at = s.name + "/templates/" + storedPath(f.Path) + ".jinja"
		text = jinjaTemplate(text, func(t string) string { return "pillar['secrets']['" + s.names[t] + "']" })
		args = append(args, pair{"template", "jinja"}, pair{"show_changes", false})
	}
	if f.Path == "/etc/sudoers" || path.Dir(f.Path) == "/etc/sudoers.d" {
		args = append(args, pair{"check_cmd", "/usr/sbin/visudo -c -f"})
	}
	s.files.put("salt/"+at, text)
	args = append([]pair{{"name", f.Path}, {"source", "salt://" + at}}, args...)
	s.add(fileID(f.Path), "file.managed", append(args, pair{"require", require})...)
}

// units enables, starts, stops and masks units. A unit restarts when a file that it reads
// changes.
func (s *states) units() {
	for _, u := range s.Units {
		require := s.requireInstalled()
		if u.State == unitMasked {
			s.add(u.Name, "service.masked", pair{"order", "first"}) // otherwise its package would start it
			s.add("stop_"+u.Name, "service.dead", pair{"name", u.Name}, pair{"require", list{requisite("service", u.Name)}})
			continue
		}
		switch watch := s.requireFiles(s.layers, u.Name); {
		case u.Running:
			s.add(u.Name, "service.running", pair{"enable", u.State == unitEnabled}, pair{"require", require}, pair{"watch", watch})
		case u.State == unitEnabled:
			s.add(u.Name, "service.enabled", pair{"require", append(require, watch...)})
		default:
			s.add(u.Name, "service.dead", pair{"enable", false}, pair{"require", require})
		}
	}
	for _, name := range s.allRestarts() {
		if !s.exportedUnits[name] { // no state enables it: it is static, like systemd-sysctl
			s.add(s.name+"_restart_"+name, "cmd.run", pair{"name", "systemctl restart '" + name + "'"}, pair{"onchanges", s.requireFiles(s.layers[len(s.layers)-1:], name)})
		}
	}
}

// requireFiles requires the files of layers that a unit reads.
func (s *states) requireFiles(layers []*stateLayer, unit string) list {
	var l list
	for _, p := range layers {
		for _, f := range p.Files {
			if restartsUnit(f, unit) {
				l = append(l, requisite("file", fileID(f.Path)))
			}
		}
		for _, a := range p.Absent {
			if slices.Contains(strings.Fields(a.Restarts), unit) {
				l = append(l, requisite("file", fileID(a.Path)))
			}
		}
	}
	return l
}
