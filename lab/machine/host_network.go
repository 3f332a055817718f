package machine

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
)

// firewallTable is the nftables table of a host's cloud firewall, in the host's
// network namespace. The host sees it, and `flush ruleset` on the host removes it.
const firewallTable = "inet lab_cloud_firewall"

// namespacePath returns where iproute2 keeps a network namespace of that name.
func namespacePath(name string) string { return filepath.Join("/run/netns", name) }

// connect makes the host's network namespace and its veth pairs to the bridge.
func (h *Host) connect(ctx context.Context) error {
	n, t := h.network, h.record()
	if _, err := runCommand(ctx, "", "ip", "netns", "add", t.Name); err != nil {
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
	if _, err := runCommand(ctx, outside.String(), "ip", "-batch", "-"); err != nil {
		return fmt.Errorf("connect host: %w", err)
	}
	if _, err := runCommand(ctx, inside.String(), "ip", "-netns", t.Name, "-batch", "-"); err != nil {
		return fmt.Errorf("address host: %w", err)
	}
	return nil
}

// hardwareAddress derives a locally administered MAC address from the IPv4 address.
// Peers keep old entries in their neighbour tables for up to 45 s; so they reach a
// rebooted host, or a new host at the same address, at once.
func hardwareAddress(a netip.Addr) net.HardwareAddr {
	four := a.As4()
	return append(net.HardwareAddr{0x02, 0x4c}, four[:]...)
}

// disconnect removes the bridge's ends of a host's veth pairs, and with them the
// other ends.
func disconnect(ctx context.Context, t hostRecord) error {
	for _, veth := range t.Interfaces {
		if !exists(filepath.Join("/sys/class/net", veth)) {
			continue
		}
		if _, err := runCommand(ctx, "", "ip", "link", "delete", "dev", veth); err != nil && exists(filepath.Join("/sys/class/net", veth)) {
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
	if _, err := runCommand(ctx, "", "ip", "netns", "delete", name); err != nil {
		return fmt.Errorf("remove network namespace: %w", err)
	}
	return nil
}

// SetFirewall replaces the host's cloud firewall in one transaction; "" removes it.
// The ruleset is the body of an nftables table of family inet: sets and chains. It
// survives boots.
func (h *Host) SetFirewall(ctx context.Context, ruleset string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return fmt.Errorf("set firewall of host %s: it is closed", h.spec.Name)
	}
	if exists(namespacePath(h.record().Name)) {
		if err := h.applyFirewall(ctx, ruleset); err != nil {
			return fmt.Errorf("set firewall of host %s: %w", h.spec.Name, err)
		}
	}
	h.firewall = ruleset
	return nil
}

// applyFirewall replaces the table in the host's namespace.
func (h *Host) applyFirewall(ctx context.Context, ruleset string) error {
	// Adding the table first makes the deletion succeed if it does not exist.
	script := fmt.Sprintf("add table %[1]s\ndelete table %[1]s\n", firewallTable)
	if strings.TrimSpace(ruleset) != "" {
		script += fmt.Sprintf("table %s {\n%s\n}\n", firewallTable, ruleset)
	}
	_, err := runCommand(ctx, script, "nsenter", "--net="+namespacePath(h.record().Name), "nft", "-f", "-")
	return err
}
