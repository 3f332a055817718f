package export

import "slices"

// ansibleTasks writes the tasks and handlers of a role for the variables that
// layerVars gives it.
func (f files) ansibleTasks(name string, r *recipe, names map[string]string) error {
	t := &tasks{name: name, has: map[string]bool{}}
	for _, p := range (files{}).layerVars(name, "", "", r, names) {
		t.has[p.key] = true
	}
	t.apt()
	t.accounts()
	t.files("unit_", "Put units of systemd in place", true)
	t.reload()
	t.files("", "Put files in place", false)
	t.keys(r)
	t.loop("absent", "Remove what was removed", "file", mapping{{"path", "{{ item.path }}"}, {"state", "absent"}}, notifies)
	t.loop("hosts_lines", "Name other hosts", "lineinfile", mapping{
		{"path", "/etc/hosts"}, {"line", "{{ item.address }} {{ item.names }}"}, {"regexp", `\s{{ item.names | regex_escape }}(\s*#.*)?$`},
	})
	t.loop("units", "Enable and start units", "systemd", mapping{
		{"name", "{{ item.name }}"}, {"enabled", "{{ item.enabled }}"}, {"state", "{{ item.state | default(omit) }}"},
	})
	if err := f.document("roles/"+name+"/tasks/main.yml", "---", t.all); err != nil {
		return err
	}
	var handlers list
	for _, u := range r.allRestarts() {
		handlers = append(handlers, mapping{{"name", restart(u)}, {builtin + "systemd", mapping{{"name", u}, {"state", "restarted"}}}})
	}
	if len(handlers) == 0 {
		return nil
	}
	return f.document("roles/"+name+"/handlers/main.yml", "---", handlers)
}

const builtin = "ansible.builtin."

// notifies is what a task adds to itself when its items name handlers.
var notifies = pair{"notify", "{{ item.notify | default([]) }}"}

// tasks is a list of tasks for the variables that there are.
type tasks struct {
	name string
	has  map[string]bool
	all  list
}

func (t *tasks) add(title, module string, args mapping, more ...pair) {
	t.all = append(t.all, append(mapping{{"name", title}, {builtin + module, args}}, more...))
}

// variable is a reference to one of the role's variables, which may be missing.
func (t *tasks) variable(key string) string { return "{{ " + t.name + "_" + key + " }}" }

// loop adds a task for each item of a variable, if there is the variable.
func (t *tasks) loop(key, title, module string, args mapping, more ...pair) {
	if !t.has[t.name+"_"+key] {
		return
	}
	more = append(more, pair{"loop", t.variable(key)})
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

// apt configures apt, then installs.
func (t *tasks) apt() {
	t.files("apt_", "Configure apt", true)
	if changed := t.changed("apt_"); changed != nil {
		t.add("Read the package lists again", "apt", mapping{{"update_cache", true}}, pair{"when", changed})
	}
	if t.has[t.name+"_packages"] {
		t.add("Install packages", "apt", mapping{{"name", t.variable("packages")}, {"update_cache", true}, {"cache_valid_time", 3600}})
	}
	t.loop("held", "Hold packages", "dpkg_selections", mapping{{"name", "{{ item | regex_replace(':.*', '') }}"}, {"selection", "hold"}})
}

func (t *tasks) accounts() {
	t.loop("groups", "Create groups", "group", mapping{{"name", "{{ item.name }}"}, {"gid", "{{ item.gid }}"}, {"system", "{{ item.system }}"}})
	t.loop("users", "Create users", "user", mapping{
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
	t.loop("members", "Add packages' accounts to groups", "user", mapping{
		{"name", "{{ item.name }}"}, {"groups", "{{ item.groups }}"}, {"append", true}, {"create_home", false},
	})
	if t.has[t.name+"_zone"] {
		var when []pair
		if t.name == "host" {
			when = []pair{{"when", "host_zone != ''"}}
		}
		t.add("Set the time zone", "file", mapping{{"src", "/usr/share/zoneinfo/" + t.variable("zone")}, {"dest", "/etc/localtime"}, {"state", "link"}, {"force", true}, {"follow", false}},
			append(slices.Clone(when), pair{"register", t.name + "_zone_set"})...)
		t.add("Let cron begin anew: it would run the jobs between the old and the new time", "command", mapping{{"cmd", "systemctl try-restart cron.service"}},
			pair{"when", t.name + "_zone_set is changed"}, pair{"failed_when", false})
		t.add("Name the time zone", "copy", mapping{{"content", t.variable("zone") + "\n"}, {"dest", "/etc/timezone"}, {"mode", "0644"}}, when...)
	}
	t.loop("folders", "Make folders", "file", mapping{
		{"path", "{{ item.path }}"},
		{"state", "directory"},
		{"owner", "{{ item.owner | default(omit) }}"},
		{"group", "{{ item.group | default(omit) }}"},
		{"mode", "{{ item.mode | default(omit) }}"},
		{"follow", "{{ not item.path.endswith('/.ssh') }}"}, // or at a second run the link of a user would choose what becomes the user's
	})
}

// keys adds a block to each file of keys, one for each role that has some: what
// else is in the file stays; see key.
func (t *tasks) keys(r *recipe) {
	var more []pair
	if slices.ContainsFunc(r.keyFiles(), keyFile.secret) {
		more = append(more, pair{"no_log", true})
	}
	if t.has[t.name+"_authorized_keys"] { // by the paths alone: the lines may hold secrets, and would be shown
		paths := t.name + "_authorized_keys | map(attribute='path') | list"
		t.add("Look where authorized keys go", "stat", mapping{{"path", "{{ item }}"}, {"get_checksum", false}},
			pair{"loop", "{{ (" + paths + " | map('dirname') | unique | list) + (" + paths + ") }}"}, pair{"register", t.name + "_keys_at"})
		// right before the write: who swaps them in between still could
		t.add("Refuse links: root would write where a user says", "fail", mapping{{"msg", "{{ item.item }} is a link"}},
			pair{"when", "item.stat.islnk | default(false)"}, pair{"loop", t.variable("keys_at.results")}, pair{"loop_control", mapping{{"label", "{{ item.item }}"}}})
	}
	t.loop("authorized_keys", "Add authorized keys", "blockinfile", mapping{
		{"path", "{{ item.path }}"},
		{"block", "{{ item.lines | join('\n') }}"}, // a newline: Ansible keeps Jinja's escapes as they are
		{"marker", "# {mark} keys of " + t.name},
		{"create", true},
		{"owner", "{{ item.owner }}"},
		{"group", "{{ item.group }}"},
		{"mode", "{{ item.mode }}"},
	}, more...)
}

// files adds the tasks for files of one use; register keeps whether they changed.
func (t *tasks) files(use, title string, register bool) {
	to := mapping{{"src", "{{ item.src }}"}, {"dest", "{{ item.dest }}"}, {"owner", "{{ item.owner }}"}, {"group", "{{ item.group }}"}, {"mode", "{{ item.mode }}"}, {"validate", "{{ item.validate | default(omit) }}"}}
	at := mapping{{"src", "{{ item.src }}"}, {"dest", "{{ item.dest }}"}, {"state", "link"}, {"force", true}, {"follow", false}}
	for _, kind := range []struct {
		key, module, more string
		args              mapping
	}{{"files", "copy", "", to}, {"templates", "template", ": those with secrets", to}, {"links", "file", ": links", at}} {
		more := []pair{notifies}
		if kind.key == "templates" {
			more = append(more, pair{"diff", false}) // or --diff would show them
		}
		if register {
			more = append(more, pair{"register", t.name + "_changed_" + use + kind.key})
		}
		t.loop(use+kind.key, title+kind.more, kind.module, kind.args, more...)
	}
}

// changed is the condition that files of a use were; nil: there are none.
func (t *tasks) changed(use string) any {
	condition := ""
	for _, kind := range []string{"files", "templates", "links"} {
		if t.has[t.name+"_"+use+kind] {
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
