package export

import (
	"slices"
	"strconv"
	"strings"
)

// salt writes states for what all hosts have, for each role and for what only single
// hosts have, and the pillar for the secrets.
func (f files) salt(s *site) error {
	w := &saltWriter{files: f, names: s.names, secrets: s.Secrets, usedNames: map[string]bool{}, exportedUnits: s.exported()}
	for _, r := range s.Roles {
		w.usedNames[r.Name] = true
	}
	common := &stateLayer{"common", &s.Common}
	if err := w.write(common); err != nil {
		return err
	}
	top, pillar := mapping{}, mapping{}
	for i := range s.Roles {
		r := &s.Roles[i]
		of := &stateLayer{r.Name, &r.recipe}
		if err := w.write(common, of); err != nil {
			return err
		}
		for j := range r.Hosts {
			h := &r.Hosts[j]
			own := &stateLayer{w.hostName(h.Name), &h.recipe}
			if err := w.write(common, of, own); err != nil {
				return err
			}
			if sls := namesOfFilled(common, of, own); len(sls) > 0 {
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

// exported returns the units that some layer starts or stops.
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

// stateLayer is a layer with the name of its states.
type stateLayer struct {
	name string
	*recipe
}

// namesOfFilled returns the names of the layers that are not empty.
func namesOfFilled(layers ...*stateLayer) []string {
	var names []string
	for _, l := range layers {
		if !l.isEmpty() {
			names = append(names, l.name)
		}
	}
	return names
}

// saltWriter writes the states of layers.
type saltWriter struct {
	files         files
	names         map[string]string // of secrets, by token
	secrets       []Needed
	usedNames     map[string]bool // names of roles' and hosts' states
	exportedUnits map[string]bool // units
}

// hostName returns the name of a host's own states, in which a dot would mean a folder.
func (w *saltWriter) hostName(host string) string {
	plain := "host_" + strings.TrimPrefix(identifier(host), "role_")
	name := plain
	for n := 2; w.usedNames[name]; n++ {
		name = plain + "_" + strconv.Itoa(n)
	}
	w.usedNames[name] = true
	return name
}

// pillarOf returns what a minion sees of the pillar: the secrets of its own layers.
func (w *saltWriter) pillarOf(layers ...*stateLayer) []string {
	var names []string
	for _, l := range layers {
		if len(l.secretNames(w.names)) > 0 {
			names = append(names, "secrets."+l.name)
		}
	}
	return names
}

// write writes the states of the last layer, which may require those of the layers
// before it.
func (w *saltWriter) write(layers ...*stateLayer) error {
	last := len(layers) - 1
	if layers[last].isEmpty() {
		return nil
	}
	s := &states{saltWriter: w, stateLayer: layers[last], layers: layers}
	if len(w.pillarOf(s.stateLayer)) > 0 {
		wanted := s.secretNames(w.names)
		needed := slices.DeleteFunc(slices.Clone(w.secrets), func(n Needed) bool { return !slices.Contains(wanted, n.Name) })
		w.files.put("pillar/secrets/"+s.name+".example.sls", pillarExample(s.name, needed))
	}
	if above := namesOfFilled(layers[:last]...); len(above) > 0 {
		s.out = append(s.out, pair{"include", above})
	}
	s.apt()
	s.accounts()
	s.configuration()
	s.units()
	return w.files.document("salt/"+layers[last].name+"/init.sls", "#!yaml", s.out)
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

// pillarExample lists the secrets to fill in for a layer. They are comments, so that a
// secret that is not filled in is missing and not wrong.
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
