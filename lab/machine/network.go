package machine

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// DefaultState is the folder in which running labs record what they make.
const DefaultState = "/var/lib/migrate-lab"

// maxInterface is the maximum length of an interface name, IFNAMSIZ-1.
const maxInterface = 15

// Network is a bridge on this machine with its hosts. Set the fields before Open and
// do not change them until Close. It is safe for concurrent use.
type Network struct {
	Bridge   string       // name of the bridge, and of the lab: one open Network per bridge on a machine
	Prefix   string       // of the names of the hosts' namespaces, veths and cgroups
	Address  netip.Prefix // this machine's on the bridge, with the network's length: the hosts' gateway
	StateDir string       // holds the hosts' disks and the record of what was made
	Base     string       // the tree that Base returned
	Progress func(string) // receives a line when Open must wait; may be nil

	mu    sync.Mutex
	lock  *os.File
	hosts map[string]*Host
}

// NewNetwork returns a Network with the defaults: bridge mlab0, 10.213.0.1/16.
func NewNetwork(base string) *Network {
	return &Network{
		Bridge:   "mlab0",
		Prefix:   "mlab-",
		Address:  netip.MustParsePrefix("10.213.0.1/16"),
		StateDir: DefaultState,
		Base:     base,
	}
}

// networkRecord is the content of network.json: a network that is, or was, open.
type networkRecord struct {
	Bridge  string       `json:"bridge"`
	Prefix  string       `json:"prefix"`
	Address netip.Prefix `json:"address"`
}

// Open waits until no other lab has the bridge, removes the leftovers of a dead one,
// and makes the bridge. Hosts reach each other and this machine. A rule of the lab
// drops all other traffic, even if the machine forwards packets.
func (n *Network) Open(ctx context.Context) error {
	if err := Require(); err != nil {
		return err
	}
	if err := n.validate(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lock != nil {
		return errors.New("open network: it is open")
	}
	if err := os.MkdirAll(n.StateDir, 0o700); err != nil {
		return fmt.Errorf("create state folder: %w", err)
	}
	l, err := acquireLock(ctx, n.lockPath(), n.reportWaiting)
	if err != nil {
		return fmt.Errorf("open network %s: %w", n.Bridge, err)
	}
	if err := n.create(ctx); err != nil {
		err = errors.Join(err, n.removeLeftovers(context.WithoutCancel(ctx)), l.Close())
		return fmt.Errorf("open network %s: %w", n.Bridge, err)
	}
	n.lock, n.hosts = l, map[string]*Host{}
	return nil
}

// Close closes every host and removes the bridge and the state. It continues after
// errors and returns them all; CleanUp can remove the rest.
func (n *Network) Close(ctx context.Context) error {
	n.mu.Lock()
	hosts := n.hosts
	n.hosts = nil
	n.mu.Unlock()
	if hosts == nil {
		return nil
	}
	var group errgroup.Group
	for _, h := range hosts {
		group.Go(func() error { return h.Close(ctx) })
	}
	err := group.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	err = errors.Join(err, n.removeLeftovers(ctx), n.lock.Close())
	n.lock = nil
	if err != nil {
		return fmt.Errorf("close network %s: %w", n.Bridge, err)
	}
	return nil
}

// Host returns the host of that name, if it was booted and is not closed.
func (n *Network) Host(name string) (*Host, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	h, ok := n.hosts[name]
	return h, ok
}

// create records the network, then makes it.
func (n *Network) create(ctx context.Context) error {
	if err := n.removeLeftovers(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(n.hostsDir(), 0o700); err != nil {
		return fmt.Errorf("create state folder: %w", err)
	}
	text, err := json.Marshal(networkRecord{n.Bridge, n.Prefix, n.Address})
	if err != nil {
		return fmt.Errorf("record network: %w", err)
	}
	if err := replaceFile(filepath.Join(n.dir(), "network.json"), text, 0o600); err != nil {
		return err
	}
	_, err = runCommand(ctx, fmt.Sprintf(`link add name %[1]s type bridge forward_delay 0
address add %[2]s dev %[1]s
link set dev %[1]s up
`, n.Bridge, n.Address), "ip", "-batch", "-")
	if err != nil {
		return fmt.Errorf("create bridge: %w", err)
	}
	_, err = runCommand(ctx, fmt.Sprintf(`table inet %[1]s {
	chain forward {
		type filter hook forward priority -10; policy accept;
		iifname "%[1]s" oifname != "%[1]s" drop
	}
}
`, n.Bridge), "nft", "-f", "-")
	if err != nil {
		return fmt.Errorf("keep traffic inside: %w", err)
	}
	return nil
}

func (n *Network) validate() error {
	switch {
	case n.Bridge == "" || len(n.Bridge) > maxInterface || strings.Trim(n.Bridge, "abcdefghijklmnopqrstuvwxyz0123456789") != "":
		return fmt.Errorf("open network: bridge name %q: want 1 to %d of a-z and 0-9", n.Bridge, maxInterface)
	case len(n.Prefix) < 2 || len(n.Prefix) > 8 || !strings.HasSuffix(n.Prefix, "-"):
		return fmt.Errorf("open network: prefix %q: want 2 to 8 characters that end with a hyphen", n.Prefix)
	case !n.Address.Addr().Is4():
		return fmt.Errorf("open network: address %s: want IPv4", n.Address)
	case n.StateDir == "":
		return errors.New("open network: no state folder")
	}
	return nil
}

func (n *Network) reportWaiting(holder string) {
	n.progress("waiting for " + holder + ", which has the lab " + n.Bridge)
}

func (n *Network) progress(line string) {
	if n.Progress != nil {
		n.Progress(line)
	}
}

func (n *Network) lockPath() string { return filepath.Join(n.StateDir, n.Bridge+".lock") }
func (n *Network) dir() string      { return filepath.Join(n.StateDir, n.Bridge) }
func (n *Network) hostsDir() string { return filepath.Join(n.dir(), "hosts") }

// hostID returns the name of a host's namespace, cgroup and container.
func (n *Network) hostID(host string) string { return n.Prefix + host }

// veth returns the name of the bridge's end of a host's interface. A hash replaces
// names that are too long for the kernel.
func (n *Network) veth(host string, index int) string {
	suffix := fmt.Sprintf(".%d", index)
	if name := n.Prefix + host + suffix; len(name) <= maxInterface {
		return name
	}
	room := maxInterface - len(n.Prefix) - len(suffix)
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(host)))
	return n.Prefix + hash[:room] + suffix
}
