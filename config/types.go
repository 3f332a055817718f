package config

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Addr is an IP address.
type Addr struct{ netip.Addr }

// UnmarshalYAML reads the address.
func (a *Addr) UnmarshalYAML(n *yaml.Node) (err error) {
	if a.Addr, err = netip.ParseAddr(n.Value); err != nil {
		return fmt.Errorf("line %d: %q is not an IP address", n.Line, n.Value)
	}
	return nil
}

// Prefix is a network in CIDR form; a single address stands for itself.
type Prefix struct{ netip.Prefix }

// UnmarshalYAML reads the prefix.
func (p *Prefix) UnmarshalYAML(n *yaml.Node) (err error) {
	if addr, err := netip.ParseAddr(n.Value); err == nil {
		p.Prefix = netip.PrefixFrom(addr, addr.BitLen())
		return nil
	}
	if p.Prefix, err = netip.ParsePrefix(n.Value); err != nil {
		return fmt.Errorf("line %d: %q is not a network such as 192.0.2.0/24", n.Line, n.Value)
	}
	return nil
}

// Bytes is a number of bytes: "50MB", "64MiB", "1000000".
type Bytes int64

// UnmarshalYAML reads the number and its unit.
func (b *Bytes) UnmarshalYAML(n *yaml.Node) error {
	v, err := ParseBytes(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	*b = v
	return nil
}

var byteUnits = []struct {
	name string
	size int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}

// ParseBytes reads a number of bytes: a whole number with kB, MB, GB (powers of
// 1000), KiB, MiB, GiB (powers of 1024), B or no unit.
func ParseBytes(text string) (Bytes, error) {
	for _, unit := range byteUnits {
		digits, ok := strings.CutSuffix(text, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/unit.size {
			break
		}
		return Bytes(n * unit.size), nil
	}
	return 0, fmt.Errorf("%q is not a number of bytes such as 50MB", text)
}

// lines maps the path of a setting ("hosts[1].address") to its line.
type lines map[string]int

func locate(n *yaml.Node) lines {
	l := lines{}
	l.walk("", n)
	return l
}

func (l lines) walk(path string, n *yaml.Node) {
	l[path] = n.Line
	switch n.Kind {
	case yaml.DocumentNode:
		for _, c := range n.Content {
			l.walk(path, c)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := join(path, n.Content[i].Value)
			l.walk(key, n.Content[i+1])
			l[key] = n.Content[i].Line
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			l.walk(fmt.Sprintf("%s[%d]", path, i), c)
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// of returns the line of path, or of the nearest setting that contains it.
func (l lines) of(path string) int {
	for {
		if n, ok := l[path]; ok {
			return n
		}
		cut := -1
		for i, c := range path {
			if c == '.' || c == '[' {
				cut = i
			}
		}
		if cut < 0 {
			return 1
		}
		path = path[:cut]
	}
}
