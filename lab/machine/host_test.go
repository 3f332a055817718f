package machine

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestExec(t *testing.T) {
	n := testNetwork(t)
	h, err := n.Boot(t.Context(), Spec{Name: "web1", Layer: Droplet, Addresses: parseAddresses("10.214.0.22")})
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
	good := Spec{Name: "db1", Addresses: parseAddresses("10.214.0.31")}
	for name, change := range map[string]func(*Spec){
		"no name":             func(s *Spec) { s.Name = "" },
		"path as name":        func(s *Spec) { s.Name = "../db1" },
		"no address":          func(s *Spec) { s.Addresses = nil },
		"foreign address":     func(s *Spec) { s.Addresses = parseAddresses("192.0.2.1") },
		"gateway's address":   func(s *Spec) { s.Addresses = parseAddresses("10.214.0.1") },
		"relative file":       func(s *Spec) { s.Files = map[string]File{"etc/x": {}} },
		"file above the root": func(s *Spec) { s.Files = map[string]File{"/../x": {}} },
		"unknown owner":       func(s *Spec) { s.Files = map[string]File{"/etc/x": {Owner: "nobody-here"}} },
		"seed without cloud":  func(s *Spec) { s.CloudInit = &CloudInitSeed{} },
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
	_, err = n.Boot(t.Context(), Spec{Name: "db2", Addresses: parseAddresses("10.214.0.31")})
	require.ErrorContains(t, err, "address 10.214.0.31 is host db1's")
	require.NoError(t, h.Close(t.Context()))
	require.NoError(t, h.Close(t.Context()), "again")
	require.ErrorContains(t, h.Start(t.Context()), "it is closed")
	_, ok := n.Host("db1")
	require.False(t, ok)
}
