package dosim

import (
	"context"
	"fmt"
	"slices"

	"github.com/dcmigrate/migrate/wait"
)

// boot starts a new droplet's machine in the background: its create action is
// pending until the machine runs behind its firewalls. The caller holds s.mu.
func (s *Sim) boot(d *droplet) {
	a := s.begin(d, "create")
	m := d.machine()
	s.background(func(ctx context.Context) {
		err := s.bootMachine(ctx, d, m)
		if err != nil {
			s.failed("boot", d.id, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if err == nil {
			d.status = statusActive
		}
		s.finish(d, a, err)
		s.enforceChanges() // the rules of others may name this droplet
	})
}

func (s *Sim) bootMachine(ctx context.Context, d *droplet, m Machine) error {
	if err := wait.For(ctx, s.opts.BootDelay); err != nil {
		return err
	}
	d.enforcing.Lock()
	err := s.opts.Booter.Boot(ctx, m)
	d.enforcing.Unlock()
	if err != nil {
		return err
	}
	s.mu.Lock()
	d.hosted = true
	s.mu.Unlock()
	s.enforce(ctx, d)
	return nil
}

// destroy removes a droplet from the API at once and its machine in the
// background; its addresses and its place in the VPC are free after that. The
// caller holds s.mu, and calls enforceChanges after it.
func (s *Sim) destroy(d *droplet) {
	delete(s.droplets, d.id)
	s.leaving[d.id] = d
	d.hosted = false
	for _, f := range s.walls {
		f.DropletIDs = without(f.DropletIDs, d.id)
		f.forget(d.id)
	}
	for _, ip := range s.reserved {
		if ip.droplet == d {
			ip.droplet = nil
		}
	}
	s.background(func(ctx context.Context) {
		d.enforcing.Lock()
		err := s.opts.Booter.Destroy(ctx, d.id)
		d.enforcing.Unlock()
		if err != nil {
			s.failed("destroy", d.id, err)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.leaving, d.id)
	})
}

// switchPower runs a power action in the background. The caller holds s.mu.
func (s *Sim) switchPower(d *droplet, a *action) {
	s.background(func(ctx context.Context) {
		err := s.power(ctx, d, a.Type)
		if err != nil {
			s.failed(a.Type, d.id, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if err == nil {
			d.status = statusActive
			if a.Type == "power_off" || a.Type == "shutdown" {
				d.status = statusOff
			}
		}
		s.finish(d, a, err)
	})
}

func (s *Sim) power(ctx context.Context, d *droplet, kind string) error {
	if err := wait.For(ctx, s.opts.ActionDelay); err != nil {
		return err
	}
	power, ok := s.opts.Booter.(Power)
	if !ok {
		return nil
	}
	d.enforcing.Lock()
	defer d.enforcing.Unlock()
	if kind != "power_on" {
		if err := power.Power(ctx, d.id, false); err != nil {
			return fmt.Errorf("switch off: %w", err)
		}
	}
	if kind == "power_off" || kind == "shutdown" {
		return nil
	}
	if err := power.Power(ctx, d.id, true); err != nil {
		return fmt.Errorf("switch on: %w", err)
	}
	return nil
}

// enforceChanges has every machine whose rules have changed behind its new
// ones, in the background. It is called after any change of firewalls, tags or
// droplets; the caller holds s.mu.
func (s *Sim) enforceChanges() {
	for _, d := range sortedValues(s.droplets) {
		if d.hosted && !s.rulesOf(d).equal(d.applied) {
			s.background(func(ctx context.Context) { s.enforce(ctx, d) })
		}
	}
}

// enforce brings one machine up to date, whatever changes meanwhile.
func (s *Sim) enforce(ctx context.Context, d *droplet) {
	d.enforcing.Lock()
	defer d.enforcing.Unlock()
	for {
		s.mu.Lock()
		want, hosted := s.rulesOf(d), d.hosted
		current := want.equal(d.applied)
		s.mu.Unlock()
		if !hosted || current {
			return
		}
		err := s.opts.Booter.Firewall(ctx, d.id, want)
		if err != nil {
			s.failed("firewall", d.id, err)
		}
		s.mu.Lock()
		d.enforceErr = err
		if err == nil {
			d.applied = want
		}
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// rulesOf is what all firewalls of a droplet let through; equal sets are equal
// values. The caller holds s.mu.
func (s *Sim) rulesOf(d *droplet) Rules {
	var out Rules
	for _, f := range s.walls {
		if !f.appliesTo(d) {
			continue
		}
		out.Enforced = true
		for _, rule := range f.Inbound {
			out.Inbound = append(out.Inbound, s.resolve(rule.Protocol, rule.Ports, rule.Sources))
		}
		for _, rule := range f.Outbound {
			out.Outbound = append(out.Outbound, s.resolve(rule.Protocol, rule.Ports, rule.Destinations))
		}
	}
	for _, rules := range []*[]Rule{&out.Inbound, &out.Outbound} {
		slices.SortFunc(*rules, compareRules)
		*rules = slices.CompactFunc(*rules, func(a, b Rule) bool { return compareRules(a, b) == 0 })
	}
	return out
}
