package machine

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFirewallBlocksAndIsRemoved(t *testing.T) {
	n := testNetwork(t)
	h, err := n.Boot(t.Context(), Spec{Name: "web1", Layer: OldSite, Addresses: addresses("10.214.0.21")})
	require.NoError(t, err)
	reach := func(port string) bool {
		conn, err := net.DialTimeout("tcp", "10.214.0.21:"+port, time.Second)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}
	require.Eventually(t, func() bool { return reach("80") }, 20*time.Second, 200*time.Millisecond)

	const onlySSH = `chain input {
		type filter hook input priority 0; policy drop;
		iif "lo" accept
		ct state established,related accept
		tcp dport 22 accept
	}`
	require.NoError(t, h.SetFirewall(t.Context(), onlySSH))
	require.NoError(t, h.SetFirewall(t.Context(), onlySSH), "again")
	require.False(t, reach("80"))
	require.True(t, reach("22"))
	require.Error(t, h.SetFirewall(t.Context(), "nonsense"))
	require.False(t, reach("80"), "a ruleset that is refused changes nothing")

	require.NoError(t, h.Kill())
	require.False(t, reach("22"))
	require.NoError(t, h.Start(t.Context()))
	require.True(t, reach("22"))
	require.False(t, reach("80"), "kept over a boot")

	require.NoError(t, h.SetFirewall(t.Context(), ""))
	require.Eventually(t, func() bool { return reach("80") }, 20*time.Second, 200*time.Millisecond)
	var tables bytes.Buffer
	require.NoError(t, h.Exec(t.Context(), "nft list tables", nil, &tables))
	require.NotContains(t, tables.String(), "cloud_firewall")
}

func TestExec(t *testing.T) {
	n := testNetwork(t)
	h, err := n.Boot(t.Context(), Spec{Name: "web1", Layer: Droplet, Addresses: addresses("10.214.0.22")})
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, h.Exec(t.Context(), "hostname; cat", strings.NewReader("from outside"), &out))
	require.Equal(t, "web1\nfrom outside", out.String())
	require.ErrorContains(t, h.Exec(t.Context(), "echo because >&2; exit 3", nil, nil), "exit status 3: because")

	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	require.ErrorIs(t, h.Exec(ctx, "sleep 1000 & wait", nil, nil), context.DeadlineExceeded)
	require.Less(t, time.Since(begin), 4*time.Second)
	require.Error(t, h.Exec(t.Context(), "pgrep -x sleep", nil, nil), "children end with the script")
	require.NoError(t, h.Kill())
	require.ErrorContains(t, h.Exec(t.Context(), "true", nil, nil), "it is down")
}

func TestBootRefusesAndLeavesNothing(t *testing.T) {
	n := testNetwork(t)
	good := Spec{Name: "db1", Addresses: addresses("10.214.0.31")}
	for name, change := range map[string]func(*Spec){
		"no name":             func(s *Spec) { s.Name = "" },
		"path as name":        func(s *Spec) { s.Name = "../db1" },
		"no address":          func(s *Spec) { s.Addresses = nil },
		"foreign address":     func(s *Spec) { s.Addresses = addresses("192.0.2.1") },
		"gateway's address":   func(s *Spec) { s.Addresses = addresses("10.214.0.1") },
		"relative file":       func(s *Spec) { s.Files = map[string]File{"etc/x": {}} },
		"file above the root": func(s *Spec) { s.Files = map[string]File{"/../x": {}} },
		"unknown owner":       func(s *Spec) { s.Files = map[string]File{"/etc/x": {Owner: "nobody-here"}} },
		"seed without cloud":  func(s *Spec) { s.CloudInit = &Seed{} },
	} {
		spec := good
		change(&spec)
		_, err := n.Boot(t.Context(), spec)
		require.ErrorContains(t, err, "boot host", name)
		require.NoDirExists(t, n.hostsDir()+"/db1", name)
	}
	h, err := n.Boot(t.Context(), good)
	require.NoError(t, err)
	_, err = n.Boot(t.Context(), good)
	require.ErrorContains(t, err, "there is a host of that name")
	_, err = n.Boot(t.Context(), Spec{Name: "db2", Addresses: addresses("10.214.0.31")})
	require.ErrorContains(t, err, "address 10.214.0.31 is host db1's")
	require.NoError(t, h.Close(t.Context()))
	require.NoError(t, h.Close(t.Context()), "again")
	require.ErrorContains(t, h.Start(t.Context()), "it is closed")
	_, ok := n.Host("db1")
	require.False(t, ok)
}

func TestOneLabForABridge(t *testing.T) {
	n := testNetwork(t)
	other := NewNetwork(n.Base)
	other.Bridge, other.Prefix, other.Address = n.Bridge, n.Prefix, n.Address
	var told []string
	other.Progress = func(line string) { told = append(told, line) }
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, other.Open(ctx), context.DeadlineExceeded)
	require.Len(t, told, 1)
	require.Contains(t, told[0], "waiting for process")
	require.ErrorContains(t, n.CleanUp(t.Context()), "it is open")
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
