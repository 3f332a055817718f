package machine

import (
	"bytes"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFirewallBlocksAndIsRemoved(t *testing.T) {
	n := testNetwork(t)
	h, err := n.Boot(t.Context(), Spec{Name: "web1", Layer: OldSite, Addresses: parseAddresses("10.214.0.21")})
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
