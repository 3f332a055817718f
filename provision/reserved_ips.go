package provision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// ReservedIP is a public address of the account that can move between droplets.
type ReservedIP struct {
	Address netip.Addr
	Droplet int // 0: none
}

// reservedOp gives each public host a reserved IP. It is made for its droplet, in one call:
// a lost answer is found again by the droplet.
type reservedOp struct {
	deps Deps
	site Site
}

// reservedStages returns the stage that makes the reserved IPs, or none.
func reservedStages(site Site, d Deps) []plan.Stage {
	op := &reservedOp{d, site}
	names := op.hosts()
	if len(names) == 0 {
		return nil
	}
	return []plan.Stage{{
		Name: StageAddresses, Summary: "public addresses that outlive their droplets",
		Steps: []plan.Step{{Name: "reserved-ips", Summary: "make reserved IPs for " + strings.Join(names, ", "), Op: op}},
	}}
}

// hosts names the hosts that get a reserved IP.
func (op *reservedOp) hosts() []string {
	var names []string
	for _, h := range op.site.Hosts {
		if op.site.ReservedIPs && op.site.IsPublic(h) {
			names = append(names, h.Name)
		}
	}
	return names
}

// reservedBefore holds the addresses that the droplets had.
type reservedBefore struct {
	Addresses []netip.Addr `json:"addresses"`
}

// find returns the account's reserved IPs, and those of the hosts by name.
func (op *reservedOp) find(ctx context.Context) (all []ReservedIP, of map[string]netip.Addr, err error) {
	if all, err = op.deps.Cloud.ReservedIPs(ctx); err != nil {
		return nil, nil, fmt.Errorf("list reserved IPs: %w", err)
	}
	of = map[string]netip.Addr{}
	for _, name := range op.hosts() {
		h, err := op.deps.Directory.Lookup(name)
		if err != nil {
			continue // not made yet
		}
		if i := slices.IndexFunc(all, func(ip ReservedIP) bool { return ip.Droplet == h.Droplet }); i >= 0 {
			of[name] = all[i].Address
		}
	}
	return all, of, nil
}

func (op *reservedOp) Check(ctx context.Context) (plan.State, error) {
	all, of, err := op.find(ctx)
	if err != nil {
		return plan.State{}, err
	}
	names := op.hosts()
	if missing := len(names) - len(of); missing > 0 {
		account, err := op.deps.Cloud.Account(ctx)
		if err != nil {
			return plan.State{}, fmt.Errorf("read the limit of reserved IPs: %w", err)
		}
		if len(all)+missing > account.ReservedIPLimit {
			return plan.State{}, report.WithHint(fmt.Errorf("the account may have %d reserved IPs and has %d: %d more do not fit", account.ReservedIPLimit, len(all), missing),
				"ask the vendor for a higher limit, delete reserved IPs that are not needed, or set provision.digitalocean.reserved_ips to false")
		}
	}
	before := reservedBefore{[]netip.Addr{}}
	recorded := 0
	for _, name := range names {
		if a, ok := of[name]; ok {
			before.Addresses = append(before.Addresses, a)
			if h, err := op.deps.Directory.Lookup(name); err == nil && h.Reserved == a {
				recorded++
			}
		}
	}
	s := plan.State{Done: recorded == len(names), Now: fmt.Sprintf("%d of %d reserved IPs", len(of), len(names)), Want: fmt.Sprintf("%d reserved IPs", len(names))}
	s.Before, err = json.Marshal(before)
	return s, err
}

func (op *reservedOp) Apply(ctx context.Context) error {
	_, of, err := op.find(ctx)
	if err != nil {
		return err
	}
	for _, name := range op.hosts() {
		h, err := op.deps.Directory.Lookup(name)
		if err != nil {
			return fmt.Errorf("reserved IP of %s: %w", name, err)
		}
		if _, ok := of[name]; ok {
			continue
		}
		if err := op.deps.Cloud.CreateReservedIP(ctx, h.Droplet); err != nil {
			return fmt.Errorf("make a reserved IP for %s: %w", name, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, firewallTimeout)
	defer cancel()
	return Poll(ctx, op.deps.PollInterval(), func(ctx context.Context) (bool, error) {
		_, of, err := op.find(ctx)
		if err != nil || len(of) < len(op.hosts()) {
			return false, err
		}
		return true, op.record(of)
	})
}

func (op *reservedOp) record(of map[string]netip.Addr) error {
	for name, a := range of {
		h, err := op.deps.Directory.Lookup(name)
		if err != nil {
			return err
		}
		h.Reserved = a
		if err := op.deps.Directory.Record(h); err != nil {
			return err
		}
	}
	return nil
}

func (op *reservedOp) Verify(ctx context.Context) error {
	_, of, err := op.find(ctx)
	if err != nil {
		return err
	}
	for _, name := range op.hosts() {
		h, err := op.deps.Directory.Lookup(name)
		if err != nil || !h.Reserved.IsValid() || of[name] != h.Reserved {
			return errors.Join(err, fmt.Errorf("the reserved IP %s is not assigned to %s", h.Reserved, name))
		}
	}
	return nil
}

// Undo deletes the reserved IPs that this step made, unless clients are led to one.
func (op *reservedOp) Undo(ctx context.Context, before json.RawMessage) error {
	was, err := ReadBefore[reservedBefore](before)
	if err != nil {
		return err
	}
	_, of, err := op.find(ctx)
	if err != nil || len(of) == 0 {
		return err
	}
	if op.deps.Serves != nil {
		if err := op.deps.Serves(ctx, op.deps.Directory.Hosts()); err != nil {
			return fmt.Errorf("delete the reserved IPs: %w", err)
		}
	}
	for name, a := range of {
		if !slices.Contains(was.Addresses, a) {
			if err := op.deps.Cloud.DeleteReservedIP(ctx, a); err != nil {
				return fmt.Errorf("delete the reserved IP %s of %s: %w", a, name, err)
			}
		}
	}
	return op.record(op.noAddresses())
}

// noAddresses has no address for each recorded host.
func (op *reservedOp) noAddresses() map[string]netip.Addr {
	none := map[string]netip.Addr{}
	for _, name := range op.hosts() {
		if _, err := op.deps.Directory.Lookup(name); err == nil {
			none[name] = netip.Addr{}
		}
	}
	return none
}
