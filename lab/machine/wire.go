package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// firewallTable is the table of a host's cloud firewall, in the host's network
// namespace. The host can see it; a `flush ruleset` on the host removes it.
const firewallTable = "inet lab_cloud_firewall"

// namespacePath is where iproute2 keeps a network namespace of that name.
func namespacePath(name string) string { return filepath.Join("/run/netns", name) }

// plug makes the host's network namespace and its cables to the bridge.
func (h *Host) plug(ctx context.Context) error {
	n, t := h.network, h.traces()
	if _, err := run(ctx, "", "ip", "netns", "add", t.Name); err != nil {
		return fmt.Errorf("create network namespace: %w", err)
	}
	var outside, inside strings.Builder
	fmt.Fprintln(&inside, "link set dev lo up")
	for i, veth := range t.Interfaces {
		device := fmt.Sprintf("eth%d", i)
		addresses, bits := h.spec.Addresses, n.Address.Bits()
		if i == 1 {
			addresses, bits = h.spec.Private, 24
		}
		fmt.Fprintf(&outside, "link add name %s type veth peer name %s address %s netns %s\n",
			veth, device, hardwareAddress(addresses[0]), t.Name)
		fmt.Fprintf(&outside, "link set dev %s master %s up\n", veth, n.Bridge)
		for _, a := range addresses {
			fmt.Fprintf(&inside, "address add %s/%d dev %s\n", a, bits, device)
		}
		fmt.Fprintf(&inside, "link set dev %s up\n", device)
	}
	fmt.Fprintf(&inside, "route add default via %s dev eth0\n", n.Address.Addr())
	if _, err := run(ctx, outside.String(), "ip", "-batch", "-"); err != nil {
		return fmt.Errorf("connect host: %w", err)
	}
	if _, err := run(ctx, inside.String(), "ip", "-netns", t.Name, "-batch", "-"); err != nil {
		return fmt.Errorf("address host: %w", err)
	}
	return nil
}

// hardwareAddress is a locally administered one made of the IPv4 address: a host
// that is booted again, or another one at the same address, is found at once,
// whatever its peers' neighbour tables hold (up to 45 s).
func hardwareAddress(a netip.Addr) net.HardwareAddr {
	four := a.As4()
	return append(net.HardwareAddr{0x02, 0x4c}, four[:]...)
}

// unplug removes the bridge's ends of a host's cables; the other ends go with them.
func unplug(ctx context.Context, t traces) error {
	for _, veth := range t.Interfaces {
		if !exists(filepath.Join("/sys/class/net", veth)) {
			continue
		}
		if _, err := run(ctx, "", "ip", "link", "delete", "dev", veth); err != nil && exists(filepath.Join("/sys/class/net", veth)) {
			return fmt.Errorf("disconnect host: %w", err)
		}
	}
	return nil
}

// removeNamespace removes a network namespace by name, if it is there.
func removeNamespace(ctx context.Context, name string) error {
	if !exists(namespacePath(name)) {
		return nil
	}
	if _, err := run(ctx, "", "ip", "netns", "delete", name); err != nil {
		return fmt.Errorf("remove network namespace: %w", err)
	}
	return nil
}

// SetFirewall makes the ruleset the host's cloud firewall, in one transaction
// in place of the one before; "" removes it. The ruleset is the body of an
// nftables table of family inet: sets and chains. It is kept over boots.
func (h *Host) SetFirewall(ctx context.Context, ruleset string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return fmt.Errorf("set firewall of host %s: it is closed", h.spec.Name)
	}
	if exists(namespacePath(h.traces().Name)) {
		if err := h.applyFirewall(ctx, ruleset); err != nil {
			return fmt.Errorf("set firewall of host %s: %w", h.spec.Name, err)
		}
	}
	h.firewall = ruleset
	return nil
}

// applyFirewall replaces the table in the host's namespace.
func (h *Host) applyFirewall(ctx context.Context, ruleset string) error {
	// Adding it first makes deleting it succeed where there is none.
	script := fmt.Sprintf("add table %[1]s\ndelete table %[1]s\n", firewallTable)
	if strings.TrimSpace(ruleset) != "" {
		script += fmt.Sprintf("table %s {\n%s\n}\n", firewallTable, ruleset)
	}
	_, err := run(ctx, script, "nsenter", "--net="+namespacePath(h.traces().Name), "nft", "-f", "-")
	return err
}

// removeTree removes a folder, but never what is mounted below it.
func removeTree(dir string) error {
	if err := unmountBelow(dir); err != nil {
		return err
	}
	mounted, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	if len(mounted) > 0 {
		return fmt.Errorf("remove %s: %s is mounted", dir, mounted[0])
	}
	if err := os.RemoveAll(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove folder: %w", err)
	}
	return nil
}
