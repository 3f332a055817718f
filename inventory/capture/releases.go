package capture

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// builds are files that tell how an application is put together.
var builds = map[string]string{
	"composer.lock": "composer", "package-lock.json": "npm", "yarn.lock": "npm", "Gemfile.lock": "ruby", "requirements.txt": "python", "Procfile": "procfile",
}

// releases reads records of kind, path and two that depend on the kind.
func (p *parser) releases(text string) error {
	kept := map[string]int{} // how many releases lie beside a "current"
	all := records(text, 4)
	for _, r := range all {
		if r[0] == "release" {
			kept[path.Dir(path.Dir(r[1]))]++
		}
	}
	seen := map[string]bool{}
	for _, r := range all {
		rel := inventory.Release{Path: inventory.Text(r[1]), Kind: r[0]}
		switch {
		case r[0] == "git":
			rel.Version = r[2]
			rel.Remote, _ = p.redactor.Command(r[3])
		case r[0] == "current":
			rel.Path = inventory.Text(path.Dir(r[1]))
			rel.Version = path.Base(r[2])
			rel.Previous = max(kept[string(rel.Path)]-1, 0)
		case builds[r[0]] != "":
			rel.Kind, rel.Path = builds[r[0]], inventory.Text(path.Dir(r[1]))
		case strings.HasSuffix(r[0], ".yml") || strings.HasSuffix(r[0], ".yaml"):
			p.host.Compose = append(p.host.Compose, inventory.Compose{File: rel.Path})
			continue
		default:
			continue // counted above
		}
		if key := rel.Kind + "\x00" + string(rel.Path); !seen[key] {
			seen[key] = true
			p.host.Releases = append(p.host.Releases, rel)
		}
	}
	slices.SortFunc(p.host.Releases, func(a, b inventory.Release) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind))
	})
	return nil
}
