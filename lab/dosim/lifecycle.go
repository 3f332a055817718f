package dosim

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dcmigrate/migrate/wait"
)

// bootInBackground boots a new droplet's machine. The create action is pending until
// the machine runs behind its firewalls. The caller holds s.mu.
func (s *Sim) bootInBackground(d *droplet) {
	a := s.beginAction(d, "create")
	m := d.machine()
	fault := s.takeBootFault(d.name)
	d.hanging, d.lost = fault == BootHangs, fault == BootWithoutAddress
	s.runInBackground(func(ctx context.Context) {
		var err error
		switch fault {
		case BootFails:
			err = wait.For(ctx, s.options.BootDelay)
			if err == nil {
				err = errBootFault
			}
		case BootHangs:
			err = d.hang(ctx)
		default:
			err = s.bootMachine(ctx, d, m)
		}
		if err != nil && !errors.Is(err, errBootFault) {
			s.recordFailure("boot", d.id, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if err == nil {
			d.status = statusActive
		}
		s.finishAction(d, a, err)
		s.enforceChangedRules() // the rules of others may name this droplet
	})
}

func (s *Sim) bootMachine(ctx context.Context, d *droplet, m Machine) error {
	if err := wait.For(ctx, s.options.BootDelay); err != nil {
		return err
	}
	d.booterLock.Lock()
	err := s.options.Booter.Boot(ctx, m)
	d.booterLock.Unlock()
	if err != nil {
		return err
	}
	s.mu.Lock()
	d.hasHost = true
	s.mu.Unlock()
	s.enforceRules(ctx, d)
	return nil
}

// destroyInBackground removes a droplet from the API at once, and its machine in the
// background. Its addresses and its membership of the VPC end with the machine. The
// caller holds s.mu, and calls enforceChangedRules afterwards.
func (s *Sim) destroyInBackground(d *droplet) {
	delete(s.droplets, d.id)
	close(d.deleted)
	for _, v := range s.volumes {
		v.DropletIDs = without(v.DropletIDs, d.id)
	}
	s.destroying[d.id] = d
	d.hasHost = false
	for _, f := range s.firewalls {
		f.DropletIDs = without(f.DropletIDs, d.id)
		f.forget(d.id)
	}
	for _, ip := range s.reserved {
		if ip.droplet == d {
			ip.droplet = nil
		}
	}
	s.runInBackground(func(ctx context.Context) {
		d.booterLock.Lock()
		err := s.options.Booter.Destroy(ctx, d.id)
		d.booterLock.Unlock()
		if err != nil {
			s.recordFailure("destroy", d.id, err)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.destroying, d.id)
	})
}

// switchPowerInBackground runs a power action. The caller holds s.mu.
func (s *Sim) switchPowerInBackground(d *droplet, a *action) {
	s.runInBackground(func(ctx context.Context) {
		err := s.switchPower(ctx, d, a.Type)
		if err != nil {
			s.recordFailure(a.Type, d.id, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if err == nil {
			d.status = statusActive
			if a.Type == "power_off" || a.Type == "shutdown" {
				d.status = statusOff
			}
		}
		s.finishAction(d, a, err)
	})
}

func (s *Sim) switchPower(ctx context.Context, d *droplet, kind string) error {
	if err := wait.For(ctx, s.options.ActionDelay); err != nil {
		return err
	}
	power, ok := s.options.Booter.(Power)
	if !ok {
		return nil
	}
	d.booterLock.Lock()
	defer d.booterLock.Unlock()
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

// enforceChangedRules gives the new rules to every machine whose rules have changed,
// in the background. It must be called after any change of firewalls, tags or
// droplets; the caller holds s.mu.
func (s *Sim) enforceChangedRules() {
	for _, d := range sortedValues(s.droplets) {
		if d.hasHost && !s.rulesOf(d).equal(d.enforcedRules) {
			s.runInBackground(func(ctx context.Context) { s.enforceRules(ctx, d) })
		}
	}
}

// enforceRules gives a machine its rules, and repeats that if they change meanwhile.
func (s *Sim) enforceRules(ctx context.Context, d *droplet) {
	d.booterLock.Lock()
	defer d.booterLock.Unlock()
	for {
		s.mu.Lock()
		want, hosted := s.rulesOf(d), d.hasHost
		current := want.equal(d.enforcedRules)
		s.mu.Unlock()
		if !hosted || current {
			return
		}
		err := s.options.Booter.Firewall(ctx, d.id, want)
		if err != nil {
			s.recordFailure("firewall", d.id, err)
		}
		s.mu.Lock()
		d.enforceErr = err
		if err == nil {
			d.enforcedRules = want
		}
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// rulesOf returns what all firewalls of a droplet let through, sorted: equal sets are
// equal values. The caller holds s.mu.
func (s *Sim) rulesOf(d *droplet) Rules {
	var out Rules
	for _, f := range s.firewalls {
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
