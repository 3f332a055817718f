package diff

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
)

// A port counts as assigned at random only if the program has another such port on
// the other side.
func TestRandomPorts(t *testing.T) {
	host := func(process string, ports ...int) *inventory.Host {
		h := &inventory.Host{Name: "a"}
		for _, port := range ports {
			h.Listeners = append(h.Listeners, inventory.Listener{Protocol: "tcp", Address: "*", Port: port, Process: process})
		}
		return h
	}
	for _, c := range []struct {
		old, now        *inventory.Host
		expected, drift int
	}{
		{host("rpc.statd", 40001), host("rpc.statd", 50002), 2, 0},
		{host("grpc", 50051), host("grpc"), 0, 1},
		{host("grpc", 50051), host("other", 50052), 0, 2},
		{host("grpc", 50051, 50052), host("grpc", 50052), 0, 1},
		{host("grpc", 8080), host("grpc", 50052), 0, 2},
	} {
		r := Compare(sideOf(c.old), sideOf(c.now))
		require.Equal(t, []int{c.expected, c.drift}, []int{r.Count(Expected), r.Count(Drift)}, "%+v", r.Differences)
	}
}

func TestCertificateThatEndsEarlierIsDrift(t *testing.T) {
	host := func(until, sum string) *inventory.Host {
		return &inventory.Host{Name: "a", Certificates: []inventory.Certificate{{File: "/etc/x.pem", Until: until, SHA256: sum}}}
	}
	old, now := host("2025-03-01T00:00:00Z", "x"), host("2027-03-01T00:00:00Z", "y")
	require.Zero(t, Compare(sideOf(old), sideOf(now)).Count(Drift))
	require.Equal(t, 1, Compare(sideOf(now), sideOf(old)).Count(Drift))
}

// The two servers of a pair cannot have all variables equal; one server at two
// times can.
func TestPairVariablesOfOneServer(t *testing.T) {
	host := func(name, readOnly string) *inventory.Host {
		return &inventory.Host{Name: name, MySQL: &inventory.MySQL{Variables: map[string]string{"read_only": readOnly}}}
	}
	require.Equal(t, 1, Compare(sideOf(host("db1", "OFF")), sideOf(host("db1", "ON"))).Count(Drift))
	require.Zero(t, Compare(sideOf(host("db1", "OFF")), sideOf(host("db2", "ON"))).Count(Drift))
}

func TestLinesThatOnlyLookLikeComments(t *testing.T) {
	objects := inventory.NewObjects(t.TempDir())
	host := func(path, text string) Side {
		name, err := objects.Put([]byte(text))
		require.NoError(t, err)
		s := sideOf(&inventory.Host{Name: "a", Configuration: []inventory.File{{Path: inventory.Text(path), Kind: "file", SHA256: name, Content: name}}})
		s.Objects = objects
		return s
	}
	for _, c := range []struct {
		path, old, now string
		class          Class
	}{
		{"/etc/sudoers.d/x", "a ALL=ALL\n", "a ALL=ALL\n#1001 ALL=(ALL) NOPASSWD: ALL\n", Drift},
		{"/etc/sudoers.d/x", "a ALL=ALL\n", "a ALL=ALL\n# 1001\n", Harmless},
		{"/etc/x.conf", "a = 1\n", "a = 1\n#1001\n", Harmless},
		{"/usr/local/bin/x", "#!/bin/sh\n", "#!/bin/sh\r\n", Drift},
		{"/usr/local/bin/x", "a\n\n", "a\n\r\n", Drift},
		{"/usr/local/bin/x", "a \\\nb\n", "a \\ \nb\n", Drift},
		{"/usr/local/bin/x", "a\n", "a \n \t\n", Harmless},
	} {
		r := Compare(host(c.path, c.old), host(c.path, c.now))
		require.Len(t, r.Differences, 1)
		require.Equal(t, c.class, r.Differences[0].Class, "%q %q", c.old, c.now)
	}
}
