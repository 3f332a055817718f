package capture

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// buildFiles maps files that describe how an application is built to a kind of release.
var buildFiles = map[string]string{
	"composer.lock": "composer", "package-lock.json": "npm", "yarn.lock": "npm", "Gemfile.lock": "ruby", "requirements.txt": "python", "Procfile": "procfile",
}

// releases reads records of kind, path and two fields that depend on the kind.
func (p *parser) releases(text string) error {
	siblings := map[string]int{} // number of releases beside a link "current", by folder
	all := records(text, 4)
	for _, r := range all {
		if r[0] == "release" {
			siblings[path.Dir(path.Dir(r[1]))]++
		}
	}
	seen := map[string]bool{}
	for _, r := range all {
		release := inventory.Release{Path: inventory.Text(r[1]), Kind: r[0]}
		switch {
		case r[0] == "git":
			release.Version = r[2]
			release.Remote, _ = p.redactor.Command(r[3])
		case r[0] == "current":
			release.Path = inventory.Text(path.Dir(r[1]))
			release.Version = path.Base(r[2])
			release.Previous = max(siblings[string(release.Path)]-1, 0)
		case buildFiles[r[0]] != "":
			release.Kind, release.Path = buildFiles[r[0]], inventory.Text(path.Dir(r[1]))
		case strings.HasSuffix(r[0], ".yml") || strings.HasSuffix(r[0], ".yaml"):
			p.host.Compose = append(p.host.Compose, inventory.Compose{File: release.Path})
			continue
		default:
			continue // counted above
		}
		if key := release.Kind + "\x00" + string(release.Path); !seen[key] {
			seen[key] = true
			p.host.Releases = append(p.host.Releases, release)
		}
	}
	slices.SortFunc(p.host.Releases, func(a, b inventory.Release) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind))
	})
	return nil
}
