package parity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/lab/machine"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/remote"
	"github.com/stretchr/testify/require"
)

// execHost is a host of the lab as a remote.Host, without SSH.
type execHost struct{ *machine.Host }

func (h execHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	return h.Exec(ctx, script, stdin, stdout)
}

func (h execHost) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("not needed here")
}

func (h execHost) Close() error { return nil }

// labHosts reaches its one source directly, and droplets over SSH.
type labHosts struct {
	identity  string
	directory *provision.Directory
	source    remote.Host

	mu      sync.Mutex
	targets map[string]remote.Host
}

func (h *labHosts) Source(string) remote.Host { return h.source }

func (h *labHosts) Target(name string) remote.Host {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.targets[name] == nil {
		h.targets[name] = remote.NewSSH(remote.SSHConfig{
			Name: name, Address: h.directory.Address(name), IdentityFile: h.identity,
			KnownHosts: []string{h.directory.KnownHosts()}, ConnectTimeout: 5 * time.Second,
		})
	}
	return h.targets[name]
}

func (h *labHosts) close() {
	for _, t := range h.targets {
		_ = t.Close() // the droplet may be gone
	}
}

// labDroplets boots each droplet as a host of the lab: Debian with systemd, sshd and
// cloud-init.
type labDroplets struct {
	network *machine.Network

	mu    sync.Mutex
	hosts map[int]*machine.Host
	rules map[string]dosim.Rules // by droplet name
	names map[int]string
}

func (b *labDroplets) Boot(ctx context.Context, m dosim.Machine) error {
	h, err := b.network.Boot(ctx, machine.Spec{
		Name: fmt.Sprintf("do-%d", m.ID), Layer: machine.Droplet,
		Addresses: []netip.Addr{m.PublicV4}, Private: []netip.Addr{m.PrivateV4},
		CloudInit: &machine.CloudInitSeed{MetaData: fmt.Sprintf("instance-id: \"%d\"\nlocal-hostname: %s\n", m.ID, m.Name), UserData: m.UserData},
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hosts[m.ID], b.names[m.ID] = h, m.Name
	return err
}

func (b *labDroplets) Destroy(ctx context.Context, id int) error {
	b.mu.Lock()
	h := b.hosts[id]
	delete(b.hosts, id)
	b.mu.Unlock()
	if h == nil {
		return nil
	}
	return h.Close(ctx)
}

func (b *labDroplets) Firewall(_ context.Context, id int, rules dosim.Rules) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules[b.names[id]] = rules
	return nil
}

// labNetwork opens a network of the lab for one test, and asserts that the test leaves
// nothing of it behind.
func labNetwork(t *testing.T) *machine.Network {
	t.Helper()
	if err := machine.Require(); err != nil {
		require.NotEqual(t, "true", os.Getenv("CI"), "CI must be able to run lab hosts: %v", err)
		t.Skipf("lab hosts cannot run here: %v", err)
	}
	base, err := machine.Base(t.Context(), machine.DefaultCache, func(line string) { t.Log(line) })
	require.NoError(t, err)
	n := machine.NewNetwork(base)
	n.Bridge, n.Prefix, n.Address = "mlabprov0", "mlabp-", netip.MustParsePrefix("10.215.0.1/16")
	require.NoError(t, n.Open(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // the test's own context has ended
		defer cancel()
		require.NoError(t, n.Close(ctx))
	})
	return n
}
