package dosim

import (
	"context"
	"net/netip"
	"slices"
)

// Machine is a droplet as its host sees it.
type Machine struct {
	ID             int
	Name           string
	Region         string // slug
	Image          string // slug
	Size           Size
	VPC            string // UUID
	UserData       string // for cloud-init; at most 64 KiB
	SSHPublicKeys  []string
	PublicV4       netip.Addr
	PrivateV4      netip.Addr
	Tags           []string // as they were at creation
	PublicPrefix   netip.Prefix
	PrivatePrefix  netip.Prefix
	PublicGateway  netip.Addr
	PrivateGateway netip.Addr
}

// Booter makes droplets real. The simulator calls it without holding a lock, one
// call at a time per droplet: Boot first, Destroy last.
type Booter interface {
	// Boot starts the machine and returns when it runs (not when its user data
	// has). The droplet shows its addresses and becomes active after it; an error
	// makes the create action "errored".
	Boot(ctx context.Context, m Machine) error
	// Destroy stops and removes the machine. It succeeds when Boot failed half
	// way or was never reached.
	Destroy(ctx context.Context, id int) error
	// Firewall puts rules in force in place of those before. It is called when
	// the set of rules that applies to a running droplet has changed.
	Firewall(ctx context.Context, id int, rules Rules) error
}

// Power is implemented by a Booter that can switch machines off and on. Without
// it power actions change the droplet's status only.
type Power interface {
	Power(ctx context.Context, id int, on bool) error
}

// Rules is what all firewalls of a droplet together let through.
type Rules struct {
	// Enforced is false when no firewall applies: everything is let through.
	// When it is true, everything that no rule names is dropped, both ways.
	Enforced          bool
	Inbound, Outbound []Rule
}

// Rule lets traffic through. Droplets and tags are resolved to addresses.
type Rule struct {
	Protocol string // "tcp", "udp" or "icmp"
	// FromPort and ToPort are inclusive; 0 and 65535 mean all ports. Both are 0 for icmp.
	FromPort, ToPort int
	// Peers are the sources of an inbound and the destinations of an outbound
	// rule, IPv4 and IPv6, sorted. Without any the rule lets nothing through.
	Peers []netip.Prefix
}

func (r Rules) equal(other Rules) bool {
	same := func(a, b Rule) bool { return compareRules(a, b) == 0 }
	return r.Enforced == other.Enforced &&
		slices.EqualFunc(r.Inbound, other.Inbound, same) &&
		slices.EqualFunc(r.Outbound, other.Outbound, same)
}
