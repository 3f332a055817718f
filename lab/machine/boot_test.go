package machine

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"
)

// testNetwork opens a network of the test's own, beside the demo's, and asserts at the
// end that it leaves nothing.
func testNetwork(t *testing.T) *Network {
	t.Helper()
	needLab(t)
	base, err := Base(t.Context(), DefaultCache, func(line string) { t.Log(line) })
	require.NoError(t, err)
	n := NewNetwork(base)
	n.Bridge, n.Prefix, n.Address = "mlabmachine0", "mlabm-", netip.MustParsePrefix("10.214.0.1/16")
	n.Progress = func(line string) { t.Log(line) }
	require.NoError(t, n.Open(t.Context()))
	t.Cleanup(func() {
		// The test's own context has ended.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, n.Close(ctx))
		left, err := n.Leftovers()
		require.NoError(t, err)
		require.Empty(t, left)
	})
	return n
}

// newKey returns a signer and its line for authorized_keys.
func newKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return signer, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

// runSSH runs a command over SSH and accepts only the host's own keys.
func runSSH(t *testing.T, h *Host, signer ssh.Signer, command string) string {
	t.Helper()
	known, err := h.HostKeys()
	require.NoError(t, err)
	client, err := ssh.Dial("tcp", net.JoinHostPort(h.Address().String(), "22"), &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: 20 * time.Second,
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			for _, k := range known {
				if bytes.Equal(k.Marshal(), key.Marshal()) {
					return nil
				}
			}
			return &net.AddrError{Err: "unknown host key"}
		},
	})
	require.NoError(t, err)
	defer client.Close()
	session, err := client.NewSession()
	require.NoError(t, err)
	defer session.Close()
	out, err := session.CombinedOutput(command)
	require.NoError(t, err, string(out))
	return strings.TrimSpace(string(out))
}

// userData resembles the user data that provision sends: packages and a file.
const userData = `#cloud-config
packages: [mariadb-server, nginx-light]
write_files:
- path: /etc/lab-test
  content: written by cloud-init
`

// metaData resembles a cloud's.
const metaData = `instance-id: "4711"
local-hostname: web-01.fra1.example
public-keys:
- %s
`

func TestBootOldSiteAndDroplet(t *testing.T) {
	n := testNetwork(t)
	signer, key := newKey(t)
	begin := time.Now()
	hosts := map[string]*Host{}
	var group errgroup.Group
	specs := []Spec{
		{
			Name: "db1", Layer: OldSite, Addresses: parseAddresses("10.214.0.11", "10.214.0.12"), AuthorizedKeys: []string{key},
			Files: map[string]File{"/srv/blog/secret": {Content: []byte("x"), Mode: 0o640, Owner: "mysql:www-data"}},
		},
		{
			Name: "web-01.fra1.example", Layer: Droplet, Addresses: parseAddresses("10.214.1.1"), Private: parseAddresses("10.214.2.1"),
			Memory: 2 << 30, CPUs: 1, // and root's key comes from the cloud
			CloudInit: &CloudInitSeed{UserData: userData, MetaData: fmt.Sprintf(metaData, key)},
		},
	}
	results := make([]*Host, len(specs))
	for i, spec := range specs {
		group.Go(func() (err error) {
			results[i], err = n.Boot(t.Context(), spec)
			t.Logf("%s answers ssh after %.1f s", spec.Name, time.Since(begin).Seconds())
			return err
		})
	}
	require.NoError(t, group.Wait())
	for _, h := range results {
		hosts[h.Name()] = h
	}
	old, droplet := hosts["db1"], hosts["web-01.fra1.example"]

	require.Eventually(t, func() bool { // cloud-init writes the key a moment after sshd's
		return droplet.Exec(t.Context(), "test -s /root/.ssh/authorized_keys", nil, nil) == nil
	}, 20*time.Second, 100*time.Millisecond)

	// The old site's host has its services, the droplet not yet.
	require.Equal(t, "db1", runSSH(t, old, signer, "hostname"))
	require.Equal(t, "640 mysql www-data", runSSH(t, old, signer, "stat -c '%a %U %G' /srv/blog/secret"))
	waitFor(t, old, signer, "systemctl is-active mariadb nginx", "active\nactive")
	require.Equal(t, "1", runSSH(t, old, signer, "mariadb -BNe 'SELECT 1'"))
	require.Equal(t, "web-01", runSSH(t, droplet, signer, "hostname")) // cloud-init makes it the short one

	// Each host has an identity of its own.
	oldKeys, err := old.HostKeys()
	require.NoError(t, err)
	newKeys, err := droplet.HostKeys()
	require.NoError(t, err)
	require.Len(t, oldKeys, 2)
	require.Len(t, newKeys, 2)
	for _, k := range oldKeys {
		for _, other := range newKeys {
			require.NotEqual(t, k.Marshal(), other.Marshal())
		}
	}
	require.NotEqual(t, runSSH(t, old, signer, "cat /etc/machine-id"), runSSH(t, droplet, signer, "cat /etc/machine-id"))

	require.Equal(t, "1", runSSH(t, droplet, signer, "nproc"))
	require.Equal(t, "1", runSSH(t, droplet, signer, "grep -c ^processor /proc/cpuinfo"))
	require.Equal(t, "2097152", runSSH(t, droplet, signer, "awk '/MemTotal/ {print $2}' /proc/meminfo"))

	// They reach each other on every address.
	for _, target := range []string{"10.214.1.1", "10.214.2.1"} {
		runSSH(t, old, signer, "ping -c1 -W5 "+target)
	}
	for _, target := range []string{"10.214.0.11", "10.214.0.12", "10.214.0.1"} {
		runSSH(t, droplet, signer, "ping -c1 -W5 "+target)
	}

	// cloud-init installs packages for real, and their services run.
	require.Equal(t, "status: done", runSSH(t, droplet, signer, "cloud-init status --wait | tail -1"))
	t.Logf("cloud-init is done after %.1f s", time.Since(begin).Seconds())
	require.Equal(t, "written by cloud-init", runSSH(t, droplet, signer, "cat /etc/lab-test"))
	require.Equal(t, "active\nactive", runSSH(t, droplet, signer, "systemctl is-active mariadb nginx"))
	require.Equal(t, "1", runSSH(t, droplet, signer, "mariadb -BNe 'SELECT 1'"))
	for _, h := range results {
		require.Empty(t, runSSH(t, h, signer, "systemctl --failed --plain --no-legend"))
	}

	// Disk and identity survive a crash.
	runSSH(t, old, signer, "mariadb -e 'CREATE DATABASE kept'; sync")
	require.NoError(t, old.Kill())
	require.False(t, old.isUp())
	begin = time.Now()
	require.NoError(t, old.Start(t.Context()))
	t.Logf("booted again after a crash in %.1f s", time.Since(begin).Seconds())
	waitFor(t, old, signer, "systemctl is-active mariadb", "active")
	require.Equal(t, "kept", runSSH(t, old, signer, "mariadb -BNe \"SHOW DATABASES LIKE 'kept'\""))

	begin = time.Now()
	require.NoError(t, droplet.PowerOff(t.Context()))
	t.Logf("powered off in %.1f s", time.Since(begin).Seconds())
	console, err := os.ReadFile(droplet.dir + "/console.log")
	require.NoError(t, err)
	require.Contains(t, string(console), "Stopped mariadb.service")
	require.Contains(t, string(console), "Powering off.")
	require.NoError(t, droplet.Start(t.Context()))
	require.Equal(t, "written by cloud-init", runSSH(t, droplet, signer, "cat /etc/lab-test"))
	again, err := droplet.HostKeys()
	require.NoError(t, err)
	require.Equal(t, newKeys, again)
}

// parseAddresses parses IP addresses.
func parseAddresses(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

// waitFor repeats a command until it prints the wanted text.
func waitFor(t *testing.T, h *Host, signer ssh.Signer, command, want string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		require.Equal(c, want, runSSH(t, h, signer, command+"; true"))
	}, time.Minute, 300*time.Millisecond)
}
