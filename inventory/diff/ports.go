package diff

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/traits"
)

// firstEphemeral is the first port that the kernel assigns to programs that do not
// ask for a certain one.
const firstEphemeral = 32768

// gotOtherPort reports whether the kernel assigned a listener's port at random: then
// the same program has another ephemeral port on the other side.
func (p *pair) gotOtherPort(side string, i traits.Item) bool {
	here, there := p.old, p.new
	if side == OnlyNew {
		here, there = there, here
	}
	mine := ephemeralPorts(here, i)
	return slices.ContainsFunc(ephemeralPorts(there, i), func(port string) bool { return !slices.Contains(mine, port) }) &&
		slices.Contains(mine, strings.Fields(i.Name)[2])
}

// ephemeralPorts returns the ephemeral ports of a listener's protocol and program.
// A listener without a program counts only if it is the kernel's.
func ephemeralPorts(s *profile, listener traits.Item) []string {
	protocol, _, _ := strings.Cut(listener.Name, " ")
	var ports []string
	for _, i := range s.items {
		f := strings.Fields(i.Name)
		if i.At != "listeners" || len(f) != 3 || f[0] != protocol || i.Get("process") != listener.Get("process") || i.Get("process") == "" && i.Get("cause") != inventory.ByKernel {
			continue
		}
		if port, err := strconv.Atoi(f[2]); err == nil && port >= firstEphemeral {
			ports = append(ports, f[2])
		}
	}
	return ports
}
