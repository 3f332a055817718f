package dosim

import (
	"context"
	"net/netip"
	"slices"
)

// Machine describes a droplet to its Booter.
type Machine struct {
	ID             int
	Name           string
	Region         string // slug
	Image          string // slug
	Size           Size
	VPC            string // UUID
	UserData       string // for cloud-init; at most 64 KiB
	SSHPublicKeys  []string
	PublicV4       netip.Addr // invalid without public networking
	PublicV6       netip.Addr // invalid without ipv6
	PrivateV4      netip.Addr
	Tags           []string // as they were at creation
	PublicPrefix   netip.Prefix
	PrivatePrefix  netip.Prefix
	PublicGateway  netip.Addr
	PrivateGateway netip.Addr
}

// Booter boots and destroys the droplets' hosts. The simulator calls it without
// holding its lock, one call at a time for each droplet: Boot first, Destroy last.
type Booter interface {
	// Boot starts the machine and returns when it runs; its user data may still be
	// running. Then the droplet becomes active and shows its addresses. After an error
	// the create action is "errored".
	Boot(ctx context.Context, m Machine) error
	// Destroy stops and removes the machine. It succeeds if Boot failed or was never
	// called.
	Destroy(ctx context.Context, id int) error
	// Firewall replaces the rules that the machine enforces. It is called when the
	// rules for a running droplet have changed.
	Firewall(ctx context.Context, id int, rules Rules) error
}

// Power is implemented by a Booter that can switch machines off and on. Without it
// power actions change only the droplet's status.
type Power interface {
	Power(ctx context.Context, id int, on bool) error
}

// Rules is the traffic that all firewalls of a droplet together let through.
type Rules struct {
	// Enforced is false if no firewall applies: all traffic passes. If it is true, only
	// traffic that a rule names passes, in both directions.
	Enforced          bool
	Inbound, Outbound []Rule
}

// Rule lets traffic through. Its droplets and tags are resolved to addresses.
type Rule struct {
	Protocol string // "tcp", "udp" or "icmp"
	// FromPort and ToPort are inclusive; 0 and 65535 mean all ports. Both are 0 for icmp.
	FromPort, ToPort int
	// Peers are the sources of an inbound and the destinations of an outbound
	// rule, IPv4 and IPv6, sorted. A rule without peers lets nothing through.
	Peers []netip.Prefix
}

func (r Rules) equal(other Rules) bool {
	same := func(a, b Rule) bool { return compareRules(a, b) == 0 }
	return r.Enforced == other.Enforced &&
		slices.EqualFunc(r.Inbound, other.Inbound, same) &&
		slices.EqualFunc(r.Outbound, other.Outbound, same)
}
