package parity

import (
	"fmt"

	"github.com/dcmigrate/migrate/address"
	"github.com/dcmigrate/migrate/provision"
)

// rewriterOf maps the old addresses to what a host of the new site must use: the
// private address of another host, and of itself unless it serves the world.
func rewriterOf(s provision.Site, host string, d *provision.Directory) (address.Rewriter, error) {
	to := map[string]string{}
	for _, h := range s.Hosts {
		m, err := d.Lookup(h.Name)
		if err != nil {
			return address.Rewriter{}, err
		}
		a := m.Private
		if !a.IsValid() || h.Name == host && s.IsPublic(h) {
			a = m.Public
		}
		if h.OldAddress.IsValid() {
			to[h.OldAddress.String()] = a.String()
		}
		for _, name := range h.OldNames {
			to[name] = a.String()
		}
	}
	return address.NewRewriter(to), nil
}

// rewriting is what becomes of the files that name an old address.
type rewriting struct {
	hashes map[string]string   // of the files that change, with the new addresses, by path
	stay   map[string][]string // what stays as it is and why, by path
}

// read adds a file.
func (r rewriting) read(path string, text string, rw address.Rewriter) {
	out, mentions := rw.Rewrite(text)
	if out != text {
		r.hashes[path] = hashOf(out)
	}
	for _, m := range mentions {
		if m.Why != "" {
			r.stay[path] = append(r.stay[path], fmt.Sprintf("%s:%d: %s stays, as %s", path, m.Line, m.Text, m.Why))
		}
	}
}
