package provisiontest

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/remote"
)

// Hosts is a provision.Hosts of sandboxes. Sources have a fixed address and host
// key; a target has those that the directory says.
type Hosts struct {
	identity  string
	directory *provision.Directory

	mu      sync.Mutex
	sources map[string]remote.Host
	targets map[string]remote.Host
}

// NewHosts returns hosts without sources. Their connections close with the test.
func NewHosts(t testing.TB, identityFile string, d *provision.Directory) *Hosts {
	h := &Hosts{identity: identityFile, directory: d, sources: map[string]remote.Host{}, targets: map[string]remote.Host{}}
	t.Cleanup(func() {
		for _, all := range []map[string]remote.Host{h.sources, h.targets} {
			for _, host := range all {
				_ = host.Close() // the sandbox may be gone
			}
		}
	})
	return h
}

// Source returns the source host that AddSource started, or nil.
func (h *Hosts) Source(name string) remote.Host { return h.sources[name] }

// Target returns the clone of a source host.
func (h *Hosts) Target(name string) remote.Host {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.targets[name] == nil {
		h.targets[name] = remote.NewSSH(remote.SSHConfig{
			Name: name, Address: h.directory.Address(name), Port: SandboxPort,
			IdentityFile: h.identity, KnownHosts: []string{h.directory.KnownHosts()}, ConnectTimeout: 3 * time.Second,
		})
	}
	return h.targets[name]
}

// AddSource starts a sandbox as the source host of that name and waits for its sshd.
func (h *Hosts) AddSource(t testing.TB, name, authorized string, address netip.Addr) remote.Host {
	t.Helper()
	private, public := NewKey(t)
	s, err := StartSandbox(t.TempDir(), address, private, authorized)
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(public))
	require.NoError(t, err)
	h.sources[name] = remote.NewSSH(remote.SSHConfig{
		Name: name, Address: func(context.Context) (string, error) { return address.String(), nil }, Port: SandboxPort,
		IdentityFile: h.identity, HostKey: ssh.FixedHostKey(key), ConnectTimeout: 3 * time.Second,
	})
	WaitFor(t, h.sources[name])
	return h.sources[name]
}

// WaitFor waits until the host runs a command.
func WaitFor(t testing.TB, host remote.Host) {
	t.Helper()
	require.Eventually(t, func() bool { return host.Run(t.Context(), "true", nil, nil) == nil }, 20*time.Second, 50*time.Millisecond)
}

// Output runs a script on the host and returns what it prints.
func Output(t testing.TB, host remote.Host, script string) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, host.Run(t.Context(), script, nil, &out))
	return out.String()
}
