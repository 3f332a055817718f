package dosim

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// rulePeers are the sources or destinations of a rule in the API's format.
type rulePeers struct {
	Addresses        []string `json:"addresses,omitempty"`
	DropletIDs       []int    `json:"droplet_ids,omitempty"`
	LoadBalancerUIDs []string `json:"load_balancer_uids,omitempty"`
	KubernetesIDs    []string `json:"kubernetes_ids,omitempty"`
	Tags             []string `json:"tags,omitempty"`
}

type inboundRule struct {
	Protocol string    `json:"protocol"`
	Ports    string    `json:"ports"`
	Sources  rulePeers `json:"sources"`
}

type outboundRule struct {
	Protocol     string    `json:"protocol"`
	Ports        string    `json:"ports"`
	Destinations rulePeers `json:"destinations"`
}

type firewall struct {
	ID         string
	Name       string
	CreatedAt  string
	DropletIDs []int
	Tags       []string
	Inbound    []inboundRule
	Outbound   []outboundRule

	order int // of creation
	// removing holds droplets that the firewall no longer applies to, until their
	// machines have dropped its rules.
	removing map[int]bool
}

func (f *firewall) forget(id int) { delete(f.removing, id) }

func (f *firewall) appliesTo(d *droplet) bool {
	return slices.Contains(f.DropletIDs, d.id) ||
		slices.ContainsFunc(f.Tags, func(t string) bool { return slices.Contains(d.tags, t) })
}

type pendingChange struct {
	DropletID int    `json:"droplet_id"`
	Removing  bool   `json:"removing"`
	Status    string `json:"status"`
}

// firewallView is a firewall as the API shows it.
type firewallView struct {
	ID             string          `json:"id"`
	Name           string          `json:"name"`
	Status         string          `json:"status"`
	CreatedAt      string          `json:"created_at"`
	PendingChanges []pendingChange `json:"pending_changes"`
	DropletIDs     []int           `json:"droplet_ids"`
	Tags           []string        `json:"tags"`
	Inbound        []inboundRule   `json:"inbound_rules"`
	Outbound       []outboundRule  `json:"outbound_rules"`
}

// firewallView compares the wanted rules with the enforced ones.
func (s *Sim) firewallView(f *firewall) firewallView {
	v := firewallView{
		ID: f.ID, Name: f.Name, Status: "succeeded", CreatedAt: f.CreatedAt, PendingChanges: []pendingChange{},
		DropletIDs: append([]int{}, f.DropletIDs...), Tags: append([]string{}, f.Tags...),
		Inbound: append([]inboundRule{}, f.Inbound...), Outbound: append([]outboundRule{}, f.Outbound...),
	}
	for _, d := range sortedValues(s.droplets) {
		applies := f.appliesTo(d)
		if d.hasHost && s.rulesOf(d).equal(d.enforcedRules) {
			f.forget(d.id)
			continue
		}
		if !applies && !f.removing[d.id] {
			continue
		}
		change := pendingChange{d.id, !applies, "waiting"}
		if d.enforceErr != nil {
			change.Status = "failed"
		}
		if v.Status != "failed" {
			v.Status = change.Status
		}
		v.PendingChanges = append(v.PendingChanges, change)
	}
	return v
}

// portsOf parses the vendor's normal forms: "80", "8000-9000", and "0" for all.
func portsOf(protocol, ports string) (from, to int, err error) {
	if protocol == "icmp" {
		return 0, 0, nil
	}
	if ports == "0" {
		return 0, 65535, nil
	}
	first, last, ranged := strings.Cut(ports, "-")
	if !ranged {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	if errA != nil || errB != nil || a == 0 || a > b {
		return 0, 0, unprocessable("invalid port range: %q", ports)
	}
	return int(a), int(b), nil
}

// prefixOf parses an address or a network.
func prefixOf(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, unprocessable("invalid address: %q", text)
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

// normalize puts the rules of a request into the form of the API's answers: "0" for
// all ports, and no empty lists.
func (b *firewallBody) normalize() {
	for i := range b.Inbound {
		normalizePorts(b.Inbound[i].Protocol, &b.Inbound[i].Ports)
		b.Inbound[i].Sources.normalize()
	}
	for i := range b.Outbound {
		normalizePorts(b.Outbound[i].Protocol, &b.Outbound[i].Ports)
		b.Outbound[i].Destinations.normalize()
	}
}

func normalizePorts(protocol string, ports *string) {
	if protocol == "icmp" || *ports == "all" {
		*ports = "0"
	}
}

func (p *rulePeers) normalize() {
	for _, list := range []*[]string{&p.Addresses, &p.LoadBalancerUIDs, &p.KubernetesIDs, &p.Tags} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	if len(p.DropletIDs) == 0 {
		p.DropletIDs = nil
	}
}

// checkRule refuses a bad rule.
func (s *Sim) checkRule(protocol, ports string, peers rulePeers) error {
	if !slices.Contains([]string{"tcp", "udp", "icmp"}, protocol) {
		return unprocessable("invalid protocol: %q", protocol)
	}
	if ports == "" {
		return unprocessable("must specify ports for protocol %q", protocol)
	}
	if _, _, err := portsOf(protocol, ports); err != nil {
		return err
	}
	for _, text := range peers.Addresses {
		if _, err := prefixOf(text); err != nil {
			return err
		}
	}
	for _, id := range peers.DropletIDs {
		if s.droplets[id] == nil {
			return unprocessable("droplet %d was not found", id)
		}
	}
	if err := s.checkTags(peers.Tags); err != nil {
		return err
	}
	if len(peers.Addresses)+len(peers.DropletIDs)+len(peers.Tags)+len(peers.LoadBalancerUIDs)+len(peers.KubernetesIDs) == 0 {
		return unprocessable("a rule needs at least one source or destination")
	}
	return nil
}

func (s *Sim) checkTags(names []string) error {
	for _, name := range names {
		if s.tags[name] == nil {
			return unprocessable("tag %q was not found", name)
		}
	}
	return nil
}

// checkRules refuses bad rules.
func (s *Sim) checkRules(inbound []inboundRule, outbound []outboundRule) error {
	for _, rule := range inbound {
		if err := s.checkRule(rule.Protocol, rule.Ports, rule.Sources); err != nil {
			return err
		}
	}
	for _, rule := range outbound {
		if err := s.checkRule(rule.Protocol, rule.Ports, rule.Destinations); err != nil {
			return err
		}
	}
	return nil
}

// resolve turns a checked rule into addresses: a droplet into its own, a tag into those
// of all its droplets. Load balancers and clusters have none, because the simulator has
// neither.
func (s *Sim) resolve(protocol, ports string, peers rulePeers) Rule {
	out := Rule{Protocol: protocol}
	out.FromPort, out.ToPort, _ = portsOf(protocol, ports) // checked when the rule came in
	for _, text := range peers.Addresses {
		if p, err := prefixOf(text); err == nil {
			out.Peers = append(out.Peers, p)
		}
	}
	for _, d := range s.droplets {
		if slices.Contains(peers.DropletIDs, d.id) ||
			slices.ContainsFunc(peers.Tags, func(t string) bool { return slices.Contains(d.tags, t) }) {
			out.Peers = append(out.Peers, d.addresses()...)
		}
	}
	slices.SortFunc(out.Peers, netip.Prefix.Compare)
	out.Peers = slices.Compact(out.Peers)
	return out
}

func compareRules(a, b Rule) int {
	return cmp.Or(
		cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.FromPort, b.FromPort), cmp.Compare(a.ToPort, b.ToPort),
		slices.CompareFunc(a.Peers, b.Peers, netip.Prefix.Compare),
	)
}
