package export

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// token is what stands in place of a secret in an inventory; see package redact.
var token = regexp.MustCompile(`migrate-secret-[0-9a-f]{16}`)

// Needed is a secret that must be supplied, and where it goes.
type Needed struct {
	// Name is of the variable that stands for it, without the format's prefix.
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Token stands for it in the inventory: the same token, the same secret.
	Token string   `json:"token"`
	Where []string `json:"where"` // "/etc/app.env:3 (DB_PASSWORD) on web1, web2"

	hosts  []string
	places map[spot][]string // hosts by place
}

type spot struct {
	path string
	line int
	key  string
}

// manifest notes the secrets of a host, as the inventory names them.
func (c *collector) manifest(h *inventory.Host) {
	for _, s := range h.Secrets {
		if token.MatchString(s.Token) {
			c.note(h, s.Token, s.Kind, spot{string(s.Path), s.Line, s.Key})
		}
	}
}

// meet notes the tokens in a text that is exported; one that the manifest does
// not name was found because another place gave it away.
func (c *collector) meet(h *inventory.Host, name, text string) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		c.meetLine(h, name, number, line)
	}
}

func (c *collector) meetLine(h *inventory.Host, name string, number int, line string) {
	for _, t := range token.FindAllString(line, -1) {
		at := spot{path: name, line: number}
		n := c.note(h, t, "secret", at)
		n.hosts = append(n.hosts, h.Name)
		for other := range n.places {
			if other.path == name && other.line == number && other.key != "" {
				delete(n.places, at) // the manifest says the same, and more
			}
		}
	}
}

func (c *collector) note(h *inventory.Host, t, kind string, at spot) *Needed {
	n := c.needed[t]
	if n == nil {
		n = &Needed{Token: t, Kind: kind, places: map[spot][]string{}}
		c.needed[t] = n
	}
	n.places[at] = append(n.places[at], h.Name)
	return n
}

// secrets names those that exported files hold. A name says the service or
// file, and the setting; of two of one name the later one says its host too.
func (c *collector) secrets() []Needed {
	list := []Needed{}
	for _, t := range slices.Sorted(maps.Keys(c.needed)) {
		n := c.needed[t]
		if len(n.hosts) == 0 {
			continue // it is nowhere in the export
		}
		var all []spot
		for p := range n.places {
			all = append(all, p)
		}
		slices.SortFunc(all, func(a, b spot) int {
			return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.line, b.line), cmp.Compare(a.key, b.key))
		})
		for _, p := range all {
			where := fmt.Sprintf("%s:%d", shown(p.path), p.line)
			if p.key != "" {
				where += " (" + shown(p.key) + ")"
			}
			n.Where = append(n.Where, where+" on "+joined(n.places[p]))
		}
		n.Name = secretName(all[0], n.Kind)
		list = append(list, *n)
	}
	slices.SortFunc(list, func(a, b Needed) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), slices.Compare(a.Where, b.Where), cmp.Compare(a.Token, b.Token))
	})
	taken := map[string]bool{}
	for i := range list {
		name := list[i].Name
		if taken[name] {
			name = name + "_" + word(list[i].hosts[0])
		}
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s_%d", list[i].Name, n)
		}
		taken[name] = true
		list[i].Name = name
	}
	slices.SortFunc(list, func(a, b Needed) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

var notWord = regexp.MustCompile(`[^a-z0-9]+`)

func word(text string) string {
	return strings.Trim(notWord.ReplaceAllString(strings.ToLower(text), "_"), "_")
}

// secretName is made of the first folder below /etc, or the file, and the
// setting: redis_requirepass.
func secretName(p spot, kind string) string {
	parts := strings.Split(strings.TrimPrefix(p.path, "/"), "/")
	of := parts[len(parts)-1]
	if len(parts) > 2 && parts[0] == "etc" {
		of = parts[1]
	}
	of, _, _ = strings.Cut(of, ".")
	name := word(of)
	if setting := word(cmp.Or(p.key, kind)); setting != "" && !strings.HasPrefix(setting, name+"_") {
		name += "_" + setting
	} else if setting != "" {
		name = setting
	}
	return strings.Trim(name[:min(len(name), 60)], "_")
}

// withSecrets reports whether a text needs any.
func withSecrets(text string) bool { return token.MatchString(text) }
