package capture

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dcmigrate/migrate/inventory"
)

// inspectedContainer is what the script's template prints of a container.
type inspectedContainer struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Image   string `json:"image"`
	ImageID string `json:"image_id"`
	Running bool   `json:"running"`
	Restart string `json:"restart"`
	Ports   map[string][]struct {
		HostIP   string `json:"HostIp"`
		HostPort string `json:"HostPort"`
	} `json:"ports"`
	Binds  []string          `json:"binds"`
	Labels map[string]string `json:"labels"`
}

// containers reads lines "container ENGINE JSON" and "image ENGINE NAME|TAG|ID|DIGEST".
func (p *parser) containers(text string) error {
	for _, line := range lines(text) {
		kind, rest, _ := strings.Cut(line, " ")
		engine, rest, _ := strings.Cut(rest, " ")
		switch kind {
		case "container":
			var c inspectedContainer
			if err := json.Unmarshal([]byte(rest), &c); err != nil {
				return fmt.Errorf("read container: %w", err)
			}
			p.host.Containers = append(p.host.Containers, c.container(engine))
		case "image":
			f := strings.Split(rest, "|")
			if len(f) != 4 {
				return fmt.Errorf("%.60q is no image", rest)
			}
			p.host.Images = append(p.host.Images, inventory.Image{Engine: engine, Name: f[0] + ":" + f[1], ID: f[2], Digest: strings.Replace(f[3], "<none>", "", 1)})
		}
	}
	slices.SortFunc(p.host.Containers, func(a, b inventory.Container) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Engine, b.Engine))
	})
	slices.SortFunc(p.host.Images, func(a, b inventory.Image) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return nil
}

func (c inspectedContainer) container(engine string) inventory.Container {
	m := inventory.Container{
		Engine: engine, Name: strings.TrimPrefix(c.Name, "/"), Image: c.Image, Digest: c.ImageID, Running: c.Running,
		Restart: c.Restart, Mounts: c.Binds, Compose: c.Labels["com.docker.compose.project.config_files"], ID: c.ID,
	}
	for port, bindings := range c.Ports {
		for _, b := range bindings {
			m.Ports = append(m.Ports, cmp.Or(b.HostIP, "0.0.0.0")+":"+b.HostPort+"->"+port)
		}
	}
	slices.Sort(m.Ports)
	slices.Sort(m.Mounts)
	return m
}

// composeFiles reads the services and images of the compose files.
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
			p.addMissing(inventory.Missing{What: string(c.File), Reason: inventory.Failed, Detail: "it is no compose file"})
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
