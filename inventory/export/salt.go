package export

import (
	"slices"
	"strconv"
	"strings"
)

// salt writes states for what all hosts have, for each role and for what is
// left for single hosts, and the pillar that the secrets belong in.
func (f files) salt(s *site) error {
	w := &saltWriter{files: f, names: s.names, secrets: s.Secrets, taken: map[string]bool{}, exported: s.exported()}
	for _, r := range s.Roles {
		w.taken[r.Name] = true
	}
	common := &part{"common", &s.Common}
	if err := w.write(common); err != nil {
		return err
	}
	top, pillar := mapping{}, mapping{}
	for i := range s.Roles {
		r := &s.Roles[i]
		of := &part{r.Name, &r.recipe}
		if err := w.write(common, of); err != nil {
			return err
		}
		for j := range r.Hosts {
			h := &r.Hosts[j]
			own := &part{w.hostName(h.Name), &h.recipe}
			if err := w.write(common, of, own); err != nil {
				return err
			}
			if sls := filled(common, of, own); len(sls) > 0 {
				top = append(top, pair{h.Name, sls})
			}
			if sls := w.pillarOf(common, of, own); len(sls) > 0 {
				pillar = append(pillar, pair{h.Name, sls})
			}
		}
	}
	if err := f.document("salt/top.sls", "#!yaml", mapping{{"base", top}}); err != nil {
		return err
	}
	f.put("README.md", saltReadme)
	if len(pillar) == 0 {
		return nil
	}
	return f.document("pillar/top.sls", "#!yaml", mapping{{"base", pillar}})
}

// exported is the units that some layer starts or stops.
func (s *site) exported() map[string]bool {
	set := map[string]bool{}
	add := func(r *recipe) {
		for _, u := range r.Units {
			set[u.Name] = true
		}
	}
	add(&s.Common)
	for i := range s.Roles {
		add(&s.Roles[i].recipe)
		for j := range s.Roles[i].Hosts {
			add(&s.Roles[i].Hosts[j].recipe)
		}
	}
	return set
}

// part is a layer by the name of its states.
type part struct {
	name string
	*recipe
}

// filled names the layers that are not empty.
func filled(layers ...*part) []string {
	var names []string
	for _, l := range layers {
		if !l.empty() {
			names = append(names, l.name)
		}
	}
	return names
}

// saltWriter writes the states of layers.
type saltWriter struct {
	files    files
	names    map[string]string // of secrets, by token
	secrets  []Needed
	taken    map[string]bool // names of roles' and hosts' states
	exported map[string]bool // units
}

// hostName is the name of a host's own states: a dot there would mean a folder.
func (w *saltWriter) hostName(host string) string {
	plain := "host_" + strings.TrimPrefix(identifier(host), "role_")
	name := plain
	for n := 2; w.taken[name]; n++ {
		name = plain + "_" + strconv.Itoa(n)
	}
	w.taken[name] = true
	return name
}

// pillarOf names what a minion sees of the pillar: the secrets of its own layers.
func (w *saltWriter) pillarOf(layers ...*part) []string {
	var names []string
	for _, l := range layers {
		if len(l.wanted(w.names)) > 0 {
			names = append(names, "secrets."+l.name)
		}
	}
	return names
}

// write writes the last of the layers; those above it are what it may require.
func (w *saltWriter) write(layers ...*part) error {
	last := len(layers) - 1
	if layers[last].empty() {
		return nil
	}
	s := &states{saltWriter: w, part: layers[last], layers: layers}
	if len(w.pillarOf(s.part)) > 0 {
		wanted := s.wanted(w.names)
		needed := slices.DeleteFunc(slices.Clone(w.secrets), func(n Needed) bool { return !slices.Contains(wanted, n.Name) })
		w.files.put("pillar/secrets/"+s.name+".example.sls", pillarExample(s.name, needed))
	}
	if above := filled(layers[:last]...); len(above) > 0 {
		s.all = append(s.all, pair{"include", above})
	}
	s.apt()
	s.accounts()
	s.configuration()
	s.units()
	return w.files.document("salt/"+layers[last].name+"/init.sls", "#!yaml", s.all)
}

const saltReadme = `# Salt, as exported

Copy ` + "`salt/`" + ` to the master's file_roots and ` + "`pillar/`" + `, where there is one, to its pillar_roots.
Copy each pillar/secrets/NAME.example.sls to NAME.sls beside it and fill in the secrets: a host sees those
of its own states only. Then, for each host:

    salt web1 state.apply test=True
    salt web1 state.apply

The state ` + "`common`" + ` is what all hosts have, each other one what a role's hosts have, ` + "`host_…`" + ` what a
single host has besides. The states hold no Jinja; files that need a secret are templates.

Crontabs and timers start on the new host as soon as this is applied, while the old one still serves:
stop those that must run once only. A service that is only disabled may run until its package is set up.

NOT-EXPORTED.md lists what is not here, and why. REWRITTEN.md lists the old addresses that were
replaced, and those that still stand in files.
`

// pillarExample lists the secrets to fill in for a layer. They stand in comments: what is
// not filled in must be missing, not wrong.
func pillarExample(layer string, needed []Needed) string {
	var b strings.Builder
	b.WriteString("#!yaml\n# The secrets that the states " + layer + " need, and where they go. Copy this file to " + layer + ".sls and\n# fill in each, without the comment sign.\nsecrets:\n")
	for _, n := range needed {
		for _, w := range n.Where {
			b.WriteString("  # " + n.Kind + " in " + w + "\n")
		}
		b.WriteString("  # " + n.Name + ": \"\"\n")
	}
	return b.String()
}
