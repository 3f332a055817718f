package machine

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOneLabForABridge(t *testing.T) {
	n := testNetwork(t)
	other := NewNetwork(n.Base)
	other.Bridge, other.Prefix, other.Address = n.Bridge, n.Prefix, n.Address
	var lines []string
	other.Progress = func(line string) { lines = append(lines, line) }
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, other.Open(ctx), context.DeadlineExceeded)
	require.Len(t, lines, 1)
	require.Contains(t, lines[0], "waiting for process")
	require.ErrorContains(t, n.cleanUp(t.Context()), "it is open")
	require.ErrorContains(t, n.Open(t.Context()), "it is open")
}

func TestNetworkRefusesBadNames(t *testing.T) {
	needLab(t)
	for name, change := range map[string]func(*Network){
		"long bridge":   func(n *Network) { n.Bridge = "a-bridge-name-too-long" },
		"path":          func(n *Network) { n.Bridge = "../x" },
		"no hyphen":     func(n *Network) { n.Prefix = "mlab" },
		"long prefix":   func(n *Network) { n.Prefix = "muchtoolong-" },
		"no prefix":     func(n *Network) { n.Prefix = "" },
		"IPv6":          func(n *Network) { n.Address = netip.MustParsePrefix("fd00::1/64") },
		"no state path": func(n *Network) { n.StateDir = "" },
	} {
		n := NewNetwork("")
		change(n)
		require.ErrorContains(t, n.Open(t.Context()), "open network", name)
	}
}

func TestVethNamesFitAndDiffer(t *testing.T) {
	n := NewNetwork("")
	require.Equal(t, "mlab-web1.0", n.veth("web1", 0))
	seen := map[string]bool{}
	for _, host := range []string{"web1", "a-long-host-name-1", "a-long-host-name-2", "web.example.org"} {
		for i := range 2 {
			name := n.veth(host, i)
			require.LessOrEqual(t, len(name), maxInterface)
			require.False(t, seen[name], name)
			seen[name] = true
		}
	}
}
