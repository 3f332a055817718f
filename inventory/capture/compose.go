package capture

import (
	"cmp"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/dcmigrate/migrate/inventory"
)

// composeFiles reads what the compose files name.
func (p *parser) composeFiles() {
	for i := range p.host.Compose {
		c := &p.host.Compose[i]
		text, ok := p.contents[string(c.File)]
		if !ok {
			continue
		}
		var file struct {
			Services map[string]struct {
				Image string `yaml:"image"`
			} `yaml:"services"`
		}
		if err := yaml.Unmarshal([]byte(text), &file); err != nil {
			p.miss(inventory.Missing{What: string(c.File), Reason: inventory.Failed, Detail: "it is no compose file"})
			continue
		}
		c.Services = slices.Sorted(maps.Keys(file.Services))
		for _, s := range file.Services {
			if s.Image != "" && !slices.Contains(c.Images, s.Image) {
				c.Images = append(c.Images, s.Image)
			}
		}
		slices.Sort(c.Images)
	}
	slices.SortFunc(p.host.Compose, func(a, b inventory.Compose) int { return cmp.Compare(a.File, b.File) })
}
