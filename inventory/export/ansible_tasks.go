package export

import "slices"

// ansibleTasks writes the tasks and handlers of a role, for the variables that
// layerVars returns.
func (f files) ansibleTasks(name string, r *recipe, names map[string]string) error {
	t := &tasks{name: name, defined: map[string]bool{}}
	for _, p := range (files{}).layerVars(name, "", "", r, names) {
		t.defined[p.key] = true
	}
	t.apt()
	t.accounts()
	t.files("unit_", "Put units of systemd in place", true)
	t.reload()
	t.files("", "Put files in place", false)
	t.addKeys(r)
	t.addLoop("absent", "Remove what was removed", "file", mapping{{"path", "{{ item.path }}"}, {"state", "absent"}}, notifyItems)
	t.addLoop("hosts_lines", "Name other hosts", "lineinfile", mapping{
		{"path", "/etc/hosts"}, {"line", "{{ item.address }} {{ item.names }}"}, {"regexp", `\s{{ item.names | regex_escape }}(\s*#.*)?$`},
	})
	t.addLoop("units", "Enable and start units", "systemd", mapping{
		{"name", "{{ item.name }}"}, {"enabled", "{{ item.enabled }}"}, {"state", "{{ item.state | default(omit) }}"},
	})
	if err := f.document("roles/"+name+"/tasks/main.yml", "---", t.out); err != nil {
		return err
	}
	var handlers list
	for _, u := range r.allRestarts() {
		handlers = append(handlers, mapping{{"name", handlerName(u)}, {builtin + "systemd", mapping{{"name", u}, {"state", "restarted"}}}})
	}
	if len(handlers) == 0 {
		return nil
	}
	return f.document("roles/"+name+"/handlers/main.yml", "---", handlers)
}

const builtin = "ansible.builtin."

// notifyItems makes a task notify the handlers that its items name.
var notifyItems = pair{"notify", "{{ item.notify | default([]) }}"}

// tasks collects the tasks for the variables that are defined.
type tasks struct {
	name    string
	defined map[string]bool
	out     list
}

func (t *tasks) add(title, module string, args mapping, more ...pair) {
	t.out = append(t.out, append(mapping{{"name", title}, {builtin + module, args}}, more...))
}

// reference returns a Jinja reference to one of the role's variables.
func (t *tasks) reference(key string) string { return "{{ " + t.name + "_" + key + " }}" }

// addLoop adds a task for each item of a variable, if the variable is defined.
func (t *tasks) addLoop(key, title, module string, args mapping, more ...pair) {
	if !t.defined[t.name+"_"+key] {
		return
	}
	more = append(more, pair{"loop", t.reference(key)})
	switch key {
	case "held":
	case "absent", "folders", "authorized_keys":
		more = append(more, pair{"loop_control", mapping{{"label", "{{ item.path }}"}}})
	case "hosts_lines":
		more = append(more, pair{"loop_control", mapping{{"label", "{{ item.names }}"}}})
	case "groups", "users", "members", "units":
		more = append(more, pair{"loop_control", mapping{{"label", "{{ item.name }}"}}})
	default:
		more = append(more, pair{"loop_control", mapping{{"label", "{{ item.dest }}"}}})
	}
	t.add(title, module, args, more...)
}

// apt configures apt, then installs packages.
func (t *tasks) apt() {
	t.files("apt_", "Configure apt", true)
	if changed := t.changed("apt_"); changed != nil {
		t.add("Read the package lists again", "apt", mapping{{"update_cache", true}}, pair{"when", changed})
	}
	if t.defined[t.name+"_packages"] {
		t.add("Install packages", "apt", mapping{{"name", t.reference("packages")}, {"update_cache", true}, {"cache_valid_time", 3600}})
	}
	t.addLoop("held", "Hold packages", "dpkg_selections", mapping{{"name", "{{ item | regex_replace(':.*', '') }}"}, {"selection", "hold"}})
}

func (t *tasks) accounts() {
	t.addLoop("groups", "Create groups", "group", mapping{{"name", "{{ item.name }}"}, {"gid", "{{ item.gid }}"}, {"system", "{{ item.system }}"}})
	t.addLoop("users", "Create users", "user", mapping{
		{"name", "{{ item.name }}"},
		{"uid", "{{ item.uid }}"},
		{"group", "{{ item.group }}"},
		{"groups", "{{ item.groups | default(omit) }}"},
		{"append", "{{ item.groups is defined }}"},
		{"home", "{{ item.home }}"},
		{"shell", "{{ item.shell }}"},
		{"comment", "{{ item.comment }}"},
		{"system", "{{ item.system }}"},
		{"create_home", "{{ item.create_home | default(not item.system) }}"},
	})
	t.addLoop("members", "Add packages' accounts to groups", "user", mapping{
		{"name", "{{ item.name }}"}, {"groups", "{{ item.groups }}"}, {"append", true}, {"create_home", false},
	})
	if t.defined[t.name+"_zone"] {
		var when []pair
		if t.name == "host" {
			when = []pair{{"when", "host_zone != ''"}}
		}
		t.add("Set the time zone", "file", mapping{{"src", "/usr/share/zoneinfo/" + t.reference("zone")}, {"dest", "/etc/localtime"}, {"state", "link"}, {"force", true}, {"follow", false}},
			append(slices.Clone(when), pair{"register", t.name + "_zone_set"})...)
		t.add("Let cron begin anew: it would run the jobs between the old and the new time", "command", mapping{{"cmd", "systemctl try-restart cron.service"}},
			pair{"when", t.name + "_zone_set is changed"}, pair{"failed_when", false})
		t.add("Name the time zone", "copy", mapping{{"content", t.reference("zone") + "\n"}, {"dest", "/etc/timezone"}, {"mode", "0644"}}, when...)
	}
	t.addLoop("folders", "Make folders", "file", mapping{
		{"path", "{{ item.path }}"},
		{"state", "directory"},
		{"owner", "{{ item.owner | default(omit) }}"},
		{"group", "{{ item.group | default(omit) }}"},
		{"mode", "{{ item.mode | default(omit) }}"},
		{"follow", "{{ not item.path.endswith('/.ssh') }}"}, // a link of a user must not choose, at a second run, what becomes the user's
	})
}

// addKeys adds to each file of keys a block for each role that has some. The rest of
// the file stays, see key.
func (t *tasks) addKeys(r *recipe) {
	var more []pair
	if slices.ContainsFunc(r.keyFiles(), keyFile.secret) {
		more = append(more, pair{"no_log", true})
	}
	if t.defined[t.name+"_authorized_keys"] { // loop over the paths only: the lines may hold secrets, and would be shown
		paths := t.name + "_authorized_keys | map(attribute='path') | list"
		t.add("Look where authorized keys go", "stat", mapping{{"path", "{{ item }}"}, {"get_checksum", false}},
			pair{"loop", "{{ (" + paths + " | map('dirname') | unique | list) + (" + paths + ") }}"}, pair{"register", t.name + "_keys_at"})
		// right before the write: a link made in between would still be followed
		t.add("Refuse links: root would write where a user says", "fail", mapping{{"msg", "{{ item.item }} is a link"}},
			pair{"when", "item.stat.islnk | default(false)"}, pair{"loop", t.reference("keys_at.results")}, pair{"loop_control", mapping{{"label", "{{ item.item }}"}}})
	}
	t.addLoop("authorized_keys", "Add authorized keys", "blockinfile", mapping{
		{"path", "{{ item.path }}"},
		{"block", "{{ item.lines | join('\n') }}"}, // a real newline: Ansible does not interpret Jinja's escapes
		{"marker", "# {mark} keys of " + t.name},
		{"create", true},
		{"owner", "{{ item.owner }}"},
		{"group", "{{ item.group }}"},
		{"mode", "{{ item.mode }}"},
	}, more...)
}

// files adds the tasks for files of one use. With register, a variable keeps whether
// they changed.
func (t *tasks) files(use, title string, register bool) {
	to := mapping{{"src", "{{ item.src }}"}, {"dest", "{{ item.dest }}"}, {"owner", "{{ item.owner }}"}, {"group", "{{ item.group }}"}, {"mode", "{{ item.mode }}"}, {"validate", "{{ item.validate | default(omit) }}"}}
	at := mapping{{"src", "{{ item.src }}"}, {"dest", "{{ item.dest }}"}, {"state", "link"}, {"force", true}, {"follow", false}}
	for _, kind := range []struct {
		key, module, more string
		args              mapping
	}{{"files", "copy", "", to}, {"templates", "template", ": those with secrets", to}, {"links", "file", ": links", at}} {
		more := []pair{notifyItems}
		if kind.key == "templates" {
			more = append(more, pair{"diff", false}) // --diff would show the secrets
		}
		if register {
			more = append(more, pair{"register", t.name + "_changed_" + use + kind.key})
		}
		t.addLoop(use+kind.key, title+kind.more, kind.module, kind.args, more...)
	}
}

// changed returns the condition that files of a use were changed; nil without such
// files.
func (t *tasks) changed(use string) any {
	condition := ""
	for _, kind := range []string{"files", "templates", "links"} {
		if t.defined[t.name+"_"+use+kind] {
			if condition != "" {
				condition += " or "
			}
			condition += t.name + "_changed_" + use + kind + " is changed"
		}
	}
	if condition == "" {
		return nil
	}
	return condition
}

func (t *tasks) reload() {
	if changed := t.changed("unit_"); changed != nil {
		t.add("Read units again", "systemd", mapping{{"daemon_reload", true}}, pair{"when", changed})
	}
}
