package lab

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"

	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/lab/machine"
)

// booter boots a host of the lab for each droplet of the DigitalOcean simulator.
type booter struct {
	lab   *Lab
	mu    sync.Mutex
	hosts map[int]*machine.Host
}

// Boot boots the droplet's host, with cloud-init.
func (b *booter) Boot(ctx context.Context, m dosim.Machine) error {
	var meta strings.Builder
	fmt.Fprintf(&meta, "instance-id: \"%d\"\nlocal-hostname: %s\n", m.ID, m.Name)
	if len(m.SSHPublicKeys) > 0 {
		meta.WriteString("public-keys:\n")
		for _, k := range m.SSHPublicKeys {
			fmt.Fprintf(&meta, "  - %q\n", strings.TrimSpace(k))
		}
	}
	var public []netip.Addr // none without public networking
	if m.PublicV4.IsValid() {
		public = append(public, m.PublicV4)
	}
	h, err := b.lab.Network.Boot(ctx, machine.Spec{
		Name: hostName(m), Layer: machine.Droplet,
		Addresses: public, Private: []netip.Addr{m.PrivateV4},
		CloudInit: &machine.CloudInitSeed{MetaData: meta.String(), UserData: m.UserData},
		Memory:    int64(m.Size.Memory) << 20, CPUs: m.Size.VCPUs,
	})
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hosts[m.ID] = h
	return nil
}

// Destroy closes the droplet's host; it does nothing if there is none.
func (b *booter) Destroy(ctx context.Context, id int) error {
	if h := b.remove(id); h != nil {
		return h.Close(ctx)
	}
	return nil
}

func (b *booter) remove(id int) *machine.Host {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.hosts[id]
	delete(b.hosts, id)
	return h
}

// Power switches a droplet's host off and on.
func (b *booter) Power(ctx context.Context, id int, on bool) error {
	b.mu.Lock()
	h := b.hosts[id]
	b.mu.Unlock()
	switch {
	case h == nil:
		return fmt.Errorf("droplet %d has no host", id)
	case on:
		return h.Start(ctx)
	}
	return h.PowerOff(ctx)
}

// Firewall enforces the cloud firewall's rules in the host's network namespace.
func (b *booter) Firewall(ctx context.Context, id int, rules dosim.Rules) error {
	b.mu.Lock()
	h := b.hosts[id]
	b.mu.Unlock()
	if h == nil {
		return fmt.Errorf("droplet %d has no host", id)
	}
	if !rules.Enforced {
		return h.SetFirewall(ctx, "")
	}
	return h.SetFirewall(ctx, ruleset(rules))
}

// ruleset returns the rules as nftables chains.
func ruleset(r dosim.Rules) string {
	var b strings.Builder
	for _, chain := range []struct {
		hook, side, iface string
		rules             []dosim.Rule
	}{{"input", "saddr", "iif", r.Inbound}, {"output", "daddr", "oif", r.Outbound}} {
		fmt.Fprintf(&b, "chain %s {\n\ttype filter hook %s priority 0; policy drop;\n", chain.hook, chain.hook)
		fmt.Fprintf(&b, "\tct state established,related accept\n\t%s lo accept\n\tmeta l4proto ipv6-icmp accept\n", chain.iface)
		for _, rule := range chain.rules {
			for _, p := range rule.Peers {
				family := "ip"
				if p.Addr().Is6() {
					family = "ip6"
				}
				fmt.Fprintf(&b, "\t%s %s %s %s accept\n", family, chain.side, p, nftMatch(rule))
			}
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func nftMatch(r dosim.Rule) string {
	switch {
	case r.Protocol == "icmp":
		return "meta l4proto icmp"
	case r.FromPort == 0 && r.ToPort == 65535:
		return "meta l4proto " + r.Protocol
	case r.FromPort == r.ToPort:
		return fmt.Sprintf("%s dport %d", r.Protocol, r.FromPort)
	}
	return fmt.Sprintf("%s dport %d-%d", r.Protocol, r.FromPort, r.ToPort)
}

// hostName distinguishes a droplet's host from the old host of the same name.
// Inside, cloud-init gives the host the droplet's own name.
func hostName(m dosim.Machine) string { return fmt.Sprintf("do-%d-%s", m.ID, m.Name) }

// Target returns the host of the droplet that is the clone of an old host.
func (l *Lab) Target(name string) (*machine.Host, error) {
	for _, m := range l.DO.Machines() {
		if m.Name == name {
			if h, ok := l.Network.Host(hostName(m)); ok {
				return h, nil
			}
		}
	}
	return nil, fmt.Errorf("no droplet is the clone of %s", name)
}

// database is a database server as package check reads it: by the server's own
// client, on the server's host.
type database struct{ host *machine.Host }

// Query implements check.Database.
func (d database) Query(ctx context.Context, sql string) ([]byte, error) {
	var out strings.Builder
	err := d.host.Exec(ctx, "exec mariadb --batch --skip-column-names", strings.NewReader(sql), io.Writer(&out))
	return []byte(out.String()), err
}
