package export

import (
	"fmt"
	"slices"
	"strings"
)

// prefix is the prefix of Ansible's variables for secrets.
const prefix = "vault_"

// ansible writes a playbook with a role for what all hosts have, one for each role of
// the site, and one for what only single hosts have.
func (f files) ansible(s *site) error {
	var plays list
	groups := mapping{}
	extra := recipe{} // the union over all hosts: what the role "host" must be able to do
	for _, r := range s.Roles {
		roles := []string{}
		if !s.Common.isEmpty() {
			roles = append(roles, "common")
		}
		if !r.recipe.isEmpty() {
			roles = append(roles, r.Name)
		}
		members, alone, masked := mapping{}, false, len(s.Common.maskedUnits())+len(r.maskedUnits()) > 0
		for _, h := range r.Hosts {
			var value any = flow{}
			if address := s.connect[h.Name]; address != "" {
				value = flow{{"ansible_host", address}}
			}
			members = append(members, pair{h.Name, value})
			if h.recipe.isEmpty() {
				continue
			}
			alone, masked = true, masked || len(h.maskedUnits()) > 0
			extra.add(h.recipe)
			vars := append(mapping{}, f.layerVars("host", "roles/host/", h.Name+"/", &h.recipe, s.names)...)
			if err := f.document("host_vars/"+h.Name+".yml", "# What "+h.Name+" has besides its role.", vars); err != nil {
				return err
			}
		}
		if alone {
			roles = append(roles, "host")
		}
		groups = append(groups, pair{r.Name, mapping{{"hosts", members}}})
		plays = append(plays, mapping{{"name", "Configure " + r.Name}, {"hosts", r.Name}, {"become", true}, {"gather_facts", false}, preTasks(roles, masked), {"roles", roles}})
	}
	if err := f.ansibleRoles(s, &extra); err != nil {
		return err
	}
	if err := f.document("site.yml", "---", plays); err != nil {
		return err
	}
	if err := f.document("hosts.yml", "---", mapping{{"all", mapping{{"children", groups}}}}); err != nil {
		return err
	}
	f.put("ansible.cfg", "[defaults]\ninventory = hosts.yml\n# a task that fails must not lose the restarts of what changed before it\nforce_handlers = True\n")
	if len(s.Secrets) > 0 {
		f.put("group_vars/all/vault.example.yml", vaultExample(s.Secrets))
	}
	f.put("README.md", ansibleReadme)
	return nil
}

// preTasks returns what a play does before its roles. It fails before any change if a
// secret of its roles is missing. It masks units before packages are installed, which
// would start them.
func preTasks(roles []string, masked bool) pair {
	if len(roles) == 0 {
		return pair{}
	}
	all := func(key string) string {
		var lists []string
		for _, r := range roles {
			lists = append(lists, r+"_"+key+" | default([])")
		}
		return "{{ (" + strings.Join(lists, ") + (") + ") }}"
	}
	tasks := list{mapping{
		{"name", "Check that each secret is supplied"},
		{builtin + "assert", mapping{
			{"that", "hostvars[inventory_hostname][item] is defined"},
			{"fail_msg", "{{ item }} is missing: group_vars/all/vault.example.yml says what it is"},
			{"quiet", true},
		}},
		{"loop", all("secrets")},
	}}
	if masked { // a unit that is not installed can be masked, but not stopped
		tasks = append(tasks, mapping{
			{"name", "Mask units"},
			{builtin + "systemd", mapping{{"name", "{{ item }}"}, {"masked", true}}},
			{"register", "now_masked"},
			{"loop", all("masked")},
		}, mapping{
			{"name", "Stop what was masked just now"},
			{builtin + "systemd", mapping{{"name", "{{ item.item }}"}, {"state", "stopped"}}},
			{"when", "item is changed and not ansible_check_mode"},
			{"loop", "{{ now_masked.results }}"},
			{"loop_control", mapping{{"label", "{{ item.item }}"}}},
		})
	}
	return pair{"pre_tasks", tasks}
}

// ansibleRoles writes the roles. extra is what single hosts have.
func (f files) ansibleRoles(s *site, extra *recipe) error {
	if !s.Common.isEmpty() {
		if err := f.ansibleRole("common", "# What all hosts have.", &s.Common, s.names); err != nil {
			return err
		}
	}
	for i := range s.Roles {
		if r := &s.Roles[i]; !r.recipe.isEmpty() {
			if err := f.ansibleRole(r.Name, "# What all hosts of "+r.Name+" have.", &r.recipe, s.names); err != nil {
				return err
			}
		}
	}
	if extra.isEmpty() {
		return nil
	}
	var none mapping
	for _, p := range (files{}).layerVars("host", "", "", extra, s.names) {
		var empty any = list{}
		if _, ok := p.value.(string); ok {
			empty = ""
		}
		none = append(none, pair{p.key, empty})
	}
	if err := f.document("roles/host/defaults/main.yml", "# What a host has besides its role: see host_vars.", none); err != nil {
		return err
	}
	return f.ansibleTasks("host", extra, s.names)
}

func (f files) ansibleRole(name, title string, r *recipe, names map[string]string) error {
	if err := f.document("roles/"+name+"/defaults/main.yml", title, f.layerVars(name, "roles/"+name+"/", "", r, names)); err != nil {
		return err
	}
	return f.ansibleTasks(name, r, names)
}

// document adds a YAML file.
func (f files) document(path, first string, value any) error {
	text, err := document(first, value)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	f.put(path, text)
	return nil
}

// add appends the things of another recipe. The two do not share memory.
func (r *recipe) add(o recipe) {
	*r = recipe{
		slices.Concat(r.Packages, o.Packages), slices.Concat(r.Groups, o.Groups), slices.Concat(r.Users, o.Users), slices.Concat(r.Members, o.Members),
		slices.Concat(r.Zone, o.Zone), slices.Concat(r.Folders, o.Folders), slices.Concat(r.Files, o.Files), slices.Concat(r.Keys, o.Keys), slices.Concat(r.Absent, o.Absent), slices.Concat(r.Lines, o.Lines), slices.Concat(r.Units, o.Units),
	}
}

// vaultExample lists the variables to fill in. They are comments, so that a variable
// that is not filled in is missing and not wrong.
func vaultExample(needed []Needed) string {
	var b strings.Builder
	b.WriteString("# The secrets that the hosts need, and where they go. Copy this file to vault.yml,\n# fill in each, and encrypt it: ansible-vault encrypt group_vars/all/vault.yml\n---\n")
	for _, n := range needed {
		for _, w := range n.Where {
			b.WriteString("# " + n.Kind + " in " + w + "\n")
		}
		b.WriteString("# " + prefix + n.Name + ": !unsafe \"\"\n")
	}
	return b.String()
}

const ansibleReadme = `# Ansible, as exported

    cp group_vars/all/vault.example.yml group_vars/all/vault.yml    # where there is one: fill in the secrets
    ansible-vault encrypt group_vars/all/vault.yml
    ansible-playbook site.yml --ask-vault-pass --check --diff
    ansible-playbook site.yml --ask-vault-pass

Only modules of ansible-core are used. The role ` + "`common`" + ` is what all hosts have, each other role what
its hosts have, ` + "`host`" + ` does what ` + "`host_vars`" + ` says of single hosts. A second run changes nothing.

Crontabs and timers start on the new host as soon as this is applied, while the old one still serves:
stop those that must run once only. A service that is only disabled may run until its package is set up.

NOT-EXPORTED.md lists what is not here, and why. REWRITTEN.md lists the old addresses that were
replaced, and those that still stand in files.
`
