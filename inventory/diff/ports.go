package diff

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/traits"
)

// firstEphemeral is the first port that programs get who ask for any.
const firstEphemeral = 32768

// drawn reports whether a listener's port is one that its program got by lot:
// the same program then has another such port on the other side.
func (p *pair) drawn(side string, i traits.Item) bool {
	here, there := p.old, p.new
	if side == OnlyNew {
		here, there = there, here
	}
	mine := ephemerals(here, i)
	return slices.ContainsFunc(ephemerals(there, i), func(port string) bool { return !slices.Contains(mine, port) }) &&
		slices.Contains(mine, strings.Fields(i.Name)[2])
}

// ephemerals are the ports of a listener's protocol and program that may have
// been drawn by lot. Who has none is the kernel, or cannot be told.
func ephemerals(s *subject, of traits.Item) []string {
	protocol, _, _ := strings.Cut(of.Name, " ")
	var ports []string
	for _, i := range s.items {
		f := strings.Fields(i.Name)
		if i.At != "listeners" || len(f) != 3 || f[0] != protocol || i.Get("process") != of.Get("process") || i.Get("process") == "" && i.Get("cause") != inventory.ByKernel {
			continue
		}
		if port, err := strconv.Atoi(f[2]); err == nil && port >= firstEphemeral {
			ports = append(ports, f[2])
		}
	}
	return ports
}
