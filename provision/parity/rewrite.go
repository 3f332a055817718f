package parity

import (
	"fmt"

	"github.com/dcmigrate/migrate/address"
	"github.com/dcmigrate/migrate/provision"
)

// newRewriter maps the old addresses and names to those that a host of the new site
// must use: the private address of each host, but its own public address if it serves
// the world.
func newRewriter(s provision.Site, host string, d *provision.Directory) (address.Rewriter, error) {
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

// rewriting is the result for the files that name an old address.
type rewriting struct {
	changed   map[string]string   // hashes of the files that change, with the new addresses, by path
	unchanged map[string][]string // the old addresses that stay, with the reason, by path
}

// add adds the result for a file.
func (r rewriting) add(path string, text string, rw address.Rewriter) {
	out, mentions := rw.Rewrite(text)
	if out != text {
		r.changed[path] = hashOf(out)
	}
	for _, m := range mentions {
		if m.Why != "" {
			r.unchanged[path] = append(r.unchanged[path], fmt.Sprintf("%s:%d: %s stays, as %s", path, m.Line, m.Text, m.Why))
		}
	}
}
