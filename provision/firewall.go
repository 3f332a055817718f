package provision

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/plan"
)

// firewallTimeout limits the wait until the vendor has put rules in force.
const firewallTimeout = 2 * time.Minute

// anywhere is every address.
var anywhere = []string{"0.0.0.0/0", "::/0"}

// firewallOp makes one firewall. The firewall applies to tags, so it protects a new
// droplet before its first packet.
type firewallOp struct {
	cloud    Firewalls
	want     Firewall
	interval time.Duration
}

// newFirewalls returns a step for the firewall of all hosts, and one for each role
// with public ports. The tags must exist before the steps are applied.
func newFirewalls(cloud Firewalls, site Site, interval time.Duration) []plan.Step {
	var steps []plan.Step
	for _, f := range site.firewalls() {
		f = f.normalized()
		steps = append(steps, plan.Step{
			Name:    strings.TrimPrefix(f.Name, site.resourceName()+"-"),
			Summary: fmt.Sprintf("firewall %s for droplets tagged %s: %s", f.Name, strings.Join(f.Tags, ", "), f.summary()),
			Op:      &firewallOp{cloud, f, interval},
		})
	}
	return steps
}

// firewalls returns the firewalls of the site. The hosts of both sites may reach each
// other on all ports: the rules name old hosts by address, new ones by tag.
func (s Site) firewalls() []Firewall {
	operators := prefixTexts(s.Operators)
	if len(operators) == 0 {
		operators = anywhere
	}
	var old []string
	for _, h := range s.Hosts {
		if h.OldAddress.IsValid() {
			old = append(old, h.OldAddress.String())
		}
	}
	base := Firewall{Name: s.resourceName() + "-base", Tags: []string{s.tag()}}
	base.Inbound = append(base.Inbound, Rule{Protocol: "tcp", Ports: strconv.Itoa(s.sshPort()), Addresses: operators})
	for _, protocol := range []string{"tcp", "udp", "icmp"} {
		base.Inbound = append(base.Inbound, Rule{Protocol: protocol, Ports: allPorts, Addresses: old, Tags: []string{s.tag()}})
		base.Outbound = append(base.Outbound, Rule{Protocol: protocol, Ports: allPorts, Addresses: anywhere})
	}
	all := []Firewall{base}
	for _, tag := range s.tags()[1:] {
		role := strings.TrimPrefix(tag, s.tag()+":")
		if len(s.PublicPorts[role]) == 0 {
			continue
		}
		f := Firewall{Name: s.resourceName() + "-role-" + role, Tags: []string{tag}, Outbound: base.Outbound}
		for _, p := range s.PublicPorts[role] {
			f.Inbound = append(f.Inbound, Rule{Protocol: "tcp", Ports: strconv.Itoa(p), Addresses: anywhere})
		}
		all = append(all, f)
	}
	return all
}

func prefixTexts(list []netip.Prefix) []string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.String()
	}
	return out
}

// summary lists the inbound rules.
func (f Firewall) summary() string {
	parts := make([]string, len(f.Inbound))
	for i, r := range f.Inbound {
		ports := r.Ports
		if ports == allPorts {
			ports = "all"
		}
		if r.Protocol == "icmp" {
			ports = ""
		}
		from := slices.Concat(r.Addresses, r.Tags)
		parts[i] = strings.TrimSpace(r.Protocol+" "+ports) + " from " + strings.Join(from, " ")
	}
	return strings.Join(parts, "; ")
}

// normalized sorts all lists and writes addresses and tags in one form, so that two
// firewalls can be compared. The client gives each tag the vendor's capitalisation.
func (f Firewall) normalized() Firewall {
	rules := func(in []Rule) []Rule {
		out := slices.Clone(in)
		for i := range out {
			if out[i].Ports == "all" || out[i].Ports == "" {
				out[i].Ports = allPorts
			}
			out[i].Addresses = sorted(out[i].Addresses, normalAddress)
			out[i].Tags = sorted(out[i].Tags, strings.ToLower)
		}
		slices.SortFunc(out, func(a, b Rule) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		return out
	}
	f.Tags, f.Inbound, f.Outbound = sorted(f.Tags, strings.ToLower), rules(f.Inbound), rules(f.Outbound)
	return f
}

func sorted(in []string, each func(string) string) []string {
	out := slices.Clone(in)
	for i := range out {
		if each != nil {
			out[i] = each(out[i])
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// normalAddress drops the length of a prefix that is a single address.
func normalAddress(s string) string {
	if p, err := netip.ParsePrefix(s); err == nil && p.IsSingleIP() {
		return p.Addr().String()
	}
	return s
}

func (f Firewall) equal(g Firewall) bool {
	f, g = f.normalized(), g.normalized()
	same := func(a, b Rule) bool {
		return a.Protocol == b.Protocol && a.Ports == b.Ports && slices.Equal(a.Addresses, b.Addresses) && slices.Equal(a.Tags, b.Tags)
	}
	return f.Name == g.Name && slices.Equal(f.Tags, g.Tags) &&
		slices.EqualFunc(f.Inbound, g.Inbound, same) && slices.EqualFunc(f.Outbound, g.Outbound, same)
}

func (op *firewallOp) find(ctx context.Context) (Firewall, bool, error) {
	all, err := op.cloud.Firewalls(ctx)
	if err != nil {
		return Firewall{}, false, fmt.Errorf("list firewalls: %w", err)
	}
	i := slices.IndexFunc(all, func(f Firewall) bool { return f.Name == op.want.Name })
	if i < 0 {
		return Firewall{}, false, nil
	}
	return all[i], true, nil
}

// firewallBefore holds the firewall of the same name that existed, if any.
type firewallBefore struct {
	Firewall *Firewall `json:"firewall"`
}

func (op *firewallOp) Check(ctx context.Context) (plan.State, error) {
	found, ok, err := op.find(ctx)
	if err != nil {
		return plan.State{}, err
	}
	s := plan.State{Now: "no firewall " + op.want.Name, Want: op.want.summary()}
	var before firewallBefore
	if ok {
		s.Done = found.equal(op.want)
		s.Now = found.normalized().summary()
		earlier := found.normalized()
		earlier.ID = "" // the vendor gives a new one when the firewall is made again
		before.Firewall = &earlier
	}
	s.Before, err = json.Marshal(before)
	return s, err
}

func (op *firewallOp) Apply(ctx context.Context) error { return op.put(ctx, op.want) }

// put makes the firewall, or changes the existing one of that name.
func (op *firewallOp) put(ctx context.Context, want Firewall) error {
	found, ok, err := op.find(ctx)
	switch {
	case err != nil:
		return err
	case !ok:
		err = op.cloud.CreateFirewall(ctx, want)
	case !found.equal(want):
		want.ID = found.ID
		err = op.cloud.UpdateFirewall(ctx, want)
	}
	if err != nil {
		return fmt.Errorf("put firewall %s in force: %w", want.Name, err)
	}
	return nil
}

func (op *firewallOp) Verify(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, firewallTimeout)
	defer cancel()
	err := Poll(ctx, op.interval, func(ctx context.Context) (bool, error) {
		found, ok, err := op.find(ctx)
		switch {
		case err != nil:
			return false, err
		case !ok:
			return false, fmt.Errorf("it is not there")
		case !found.equal(op.want):
			return false, fmt.Errorf("its rules differ: %s", found.normalized().summary())
		case found.Status == "failed":
			return false, fmt.Errorf("the vendor could not put its rules in force")
		}
		return found.Status != "waiting", nil
	})
	if err != nil {
		return fmt.Errorf("firewall %s: %w", op.want.Name, err)
	}
	return nil
}

func (op *firewallOp) Undo(ctx context.Context, before json.RawMessage) error {
	was, err := ReadBefore[firewallBefore](before)
	if err != nil {
		return err
	}
	if was.Firewall != nil {
		return op.put(ctx, *was.Firewall)
	}
	found, ok, err := op.find(ctx)
	if err != nil || !ok {
		return err
	}
	if err := op.cloud.DeleteFirewall(ctx, found.ID); err != nil {
		return fmt.Errorf("delete firewall %s: %w", found.Name, err)
	}
	return nil
}
