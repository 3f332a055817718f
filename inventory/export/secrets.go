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

// token matches what replaces a secret in an inventory, see package redact.
var token = regexp.MustCompile(`migrate-secret-[0-9a-f]{16}`)

// Needed is a secret that must be supplied, and where it goes.
type Needed struct {
	// Name is the name of its variable, without the format's prefix.
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Token replaces it in the inventory. Equal tokens mean equal secrets.
	Token string   `json:"token"`
	Where []string `json:"where"` // "/etc/app.env:3 (DB_PASSWORD) on web1, web2"

	hosts  []string
	places map[place][]string // hosts by place
}

type place struct {
	path string
	line int
	key  string
}

// noteManifest records the secrets that the inventory of a host lists.
func (c *collector) noteManifest(h *inventory.Host) {
	for _, s := range h.Secrets {
		if token.MatchString(s.Token) {
			c.noteSecret(h, s.Token, s.Kind, place{string(s.Path), s.Line, s.Key})
		}
	}
}

// noteTokens records the tokens in an exported text. A token that the inventory does not
// list for this place was found because the secret is known from another place.
func (c *collector) noteTokens(h *inventory.Host, name, text string) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		c.noteTokensOfLine(h, name, number, line)
	}
}

func (c *collector) noteTokensOfLine(h *inventory.Host, name string, number int, line string) {
	for _, t := range token.FindAllString(line, -1) {
		at := place{path: name, line: number}
		n := c.noteSecret(h, t, "secret", at)
		n.hosts = append(n.hosts, h.Name)
		for other := range n.places {
			if other.path == name && other.line == number && other.key != "" {
				delete(n.places, at) // the inventory lists the same place with its key
			}
		}
	}
}

func (c *collector) noteSecret(h *inventory.Host, t, kind string, at place) *Needed {
	n := c.needed[t]
	if n == nil {
		n = &Needed{Token: t, Kind: kind, places: map[place][]string{}}
		c.needed[t] = n
	}
	n.places[at] = append(n.places[at], h.Name)
	return n
}

// secrets returns the secrets of exported files with their names. A name consists of the
// service or file, and the setting. Of two equal names the later one gets its host, too.
func (c *collector) secrets() []Needed {
	list := []Needed{}
	for _, t := range slices.Sorted(maps.Keys(c.needed)) {
		n := c.needed[t]
		if len(n.hosts) == 0 {
			continue // no exported file has it
		}
		var all []place
		for p := range n.places {
			all = append(all, p)
		}
		slices.SortFunc(all, func(a, b place) int {
			return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.line, b.line), cmp.Compare(a.key, b.key))
		})
		for _, p := range all {
			where := fmt.Sprintf("%s:%d", asciiLine(p.path), p.line)
			if p.key != "" {
				where += " (" + asciiLine(p.key) + ")"
			}
			n.Where = append(n.Where, where+" on "+joined(n.places[p]))
		}
		n.Name = secretName(all[0], n.Kind)
		list = append(list, *n)
	}
	slices.SortFunc(list, func(a, b Needed) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), slices.Compare(a.Where, b.Where), cmp.Compare(a.Token, b.Token))
	})
	used := map[string]bool{}
	for i := range list {
		name := list[i].Name
		if used[name] {
			name = name + "_" + identifierPart(list[i].hosts[0])
		}
		for n := 2; used[name]; n++ {
			name = fmt.Sprintf("%s_%d", list[i].Name, n)
		}
		used[name] = true
		list[i].Name = name
	}
	slices.SortFunc(list, func(a, b Needed) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

var notIdentifierPart = regexp.MustCompile(`[^a-z0-9]+`)

func identifierPart(text string) string {
	return strings.Trim(notIdentifierPart.ReplaceAllString(strings.ToLower(text), "_"), "_")
}

// secretName returns a name made of the first folder below /etc, or the file, and the
// setting: redis_requirepass.
func secretName(p place, kind string) string {
	parts := strings.Split(strings.TrimPrefix(p.path, "/"), "/")
	of := parts[len(parts)-1]
	if len(parts) > 2 && parts[0] == "etc" {
		of = parts[1]
	}
	of, _, _ = strings.Cut(of, ".")
	name := identifierPart(of)
	if setting := identifierPart(cmp.Or(p.key, kind)); setting != "" && !strings.HasPrefix(setting, name+"_") {
		name += "_" + setting
	} else if setting != "" {
		name = setting
	}
	return strings.Trim(name[:min(len(name), 60)], "_")
}

// hasSecrets reports whether a text has tokens of secrets.
func hasSecrets(text string) bool { return token.MatchString(text) }
