package provision

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/dcmigrate/migrate/report"
)

// vendorRanges are the private ranges that the vendor uses itself: a VPC cannot have them.
// https://docs.digitalocean.com/products/networking/vpc/concepts/best-practices/
var vendorRanges = []netip.Prefix{
	netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("10.245.0.0/16"),
	netip.MustParsePrefix("10.246.0.0/24"), netip.MustParsePrefix("10.229.0.0/16"),
}

// privateRanges are those of RFC 1918.
var privateRanges = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
}

// unusable is how many addresses of a VPC no droplet gets: network, gateway, broadcast,
// and the vendor's own.
const unusable = 5

// validateRange checks what can be known of vpc_range without asking the vendor.
func (s Site) validateRange() error {
	p := s.VPCRange
	if !p.IsValid() {
		return nil
	}
	bad := func(format string, args ...any) error {
		return report.WithHint(fmt.Errorf("vpc_range %s "+format, append([]any{p}, args...)...), "choose another vpc_range")
	}
	switch {
	case p != p.Masked():
		return bad("is not a network: that is %s", p.Masked())
	case !p.Addr().Is4() || p.Bits() < 16 || p.Bits() > 28 || !within(p, privateRanges):
		return bad("cannot be a VPC's: it must be between /16 and /28, in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
	case 1<<(32-p.Bits())-unusable < len(s.Hosts):
		return bad("is too small for %d hosts", len(s.Hosts))
	}
	for _, r := range vendorRanges {
		if r.Overlaps(p) {
			return bad("overlaps %s, which the vendor reserves for itself", r)
		}
	}
	return s.rangeApart(p)
}

func within(p netip.Prefix, ranges []netip.Prefix) bool {
	for _, r := range ranges {
		if r.Contains(p.Addr()) && r.Bits() <= p.Bits() {
			return true
		}
	}
	return false
}

// rangeApart returns an error if a VPC of the range hides an address of an old host
// from the new hosts.
func (s Site) rangeApart(p netip.Prefix) error {
	var errs []error
	for _, h := range s.Hosts {
		for _, a := range append([]netip.Addr{h.OldAddress}, h.OtherAddresses...) {
			if p.Contains(a) {
				errs = append(errs, fmt.Errorf("host %s: its address %s is inside the new VPC's range %s, so the new hosts could not reach it", h.Name, a, p))
				break
			}
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return report.WithHint(errors.Join(errs...), "choose another vpc_range")
}

// rangeServes checks the range of a VPC that exists; the vendor may have chosen it.
func (op *vpcOp) rangeServes(v VPC) error {
	if err := op.site.rangeApart(v.Range); err != nil {
		return report.Permanent(report.WithHint(fmt.Errorf("VPC %s: %w", v.Name, err),
			"set provision.digitalocean.vpc_range to a range apart from the old hosts', and choose another id if the VPC stands"))
	}
	return nil
}

// freeRange returns an error if a VPC of the account has a part of the range.
func freeRange(want netip.Prefix, all []VPC) error {
	for _, v := range all {
		if want.IsValid() && v.Range.Overlaps(want) {
			return report.WithHint(fmt.Errorf("vpc_range %s overlaps %s of VPC %s (%s)", want, v.Range, v.Name, v.Region), "choose another vpc_range")
		}
	}
	return nil
}
