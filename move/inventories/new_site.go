package inventories

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/report"
)

const (
	gib = 1 << 30
	mib = 1 << 20
)

// NewSite is the new site that the configuration and the captured hosts ask for.
// It reads the operator's public key.
func NewSite(c *config.Config, captured []*inventory.Host) (provision.Site, error) {
	facts := map[string]*inventory.Host{}
	for _, h := range captured {
		facts[h.Name] = h
	}
	do := c.Provision.DigitalOcean
	key, err := os.ReadFile(c.SSH.IdentityFile + ".pub")
	if err != nil {
		return provision.Site{}, report.WithHint(fmt.Errorf("read the operator's public key: %w", err), "ssh-keygen -y -f %s > %s.pub", c.SSH.IdentityFile, c.SSH.IdentityFile)
	}
	site := provision.Site{
		ID: c.ID, Name: c.Site, Region: do.Region, Image: do.Image, IPv6: do.IPv6, ReservedIPs: do.ReservedIPs, PublicPorts: do.PublicPorts,
		SSHPublicKey: strings.TrimSpace(string(key)), SSHUser: c.SSH.User, SSHPort: c.SSH.Port,
	}
	if do.VPCRange != "" {
		if site.VPCRange, err = netip.ParsePrefix(do.VPCRange); err != nil {
			return site, fmt.Errorf("provision.digitalocean.vpc_range: %w", err)
		}
	}
	for _, p := range do.Operators {
		site.Operators = append(site.Operators, p.Prefix)
	}
	for _, h := range c.Hosts {
		f, ok := facts[h.Name]
		if !ok {
			return site, verb.Refuse("migrate inventory capture", "host %s is not in the inventory", h.Name)
		}
		site.Hosts = append(site.Hosts, provision.HostSpec{
			Name: h.Name, Roles: h.Roles, OldAddress: h.Address.Addr, OtherAddresses: addressesOf(f), Size: h.Size, Volume: h.Volume, OS: osOf(f), Facts: factsOf(f),
		})
	}
	for _, a := range c.Applications {
		site.Applications = append(site.Applications, provision.Application{
			Name: a.Name, Hosts: a.Hosts, Files: a.Files, Services: a.Services, Health: a.Health,
		})
	}
	return site, nil
}

// addressesOf returns the addresses of a host that others may reach it by.
func addressesOf(h *inventory.Host) []netip.Addr {
	var all []netip.Addr
	for _, i := range h.Network.Interfaces {
		for _, text := range i.Addresses {
			if p, err := netip.ParsePrefix(text); err == nil && !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() {
				all = append(all, p.Addr())
			}
		}
	}
	return all
}

func osOf(h *inventory.Host) provision.OS {
	return provision.OS{ID: h.OS.ID, Release: h.OS.Release, Like: h.OS.Like, Name: h.OS.Name, Architecture: h.OS.Architecture}
}

// ImageOf returns the image that a host's clone is made from: the configured one, or that
// of its distribution and release. It is empty if there is none.
func ImageOf(c *config.Config, h *inventory.Host) string {
	if c.Provision.DigitalOcean.Image != "" {
		return c.Provision.DigitalOcean.Image
	}
	image, err := provision.ImageFor(osOf(h))
	if err != nil {
		return "" // the plan refuses the host, with the reason
	}
	return image
}

// factsOf is what a host's clone must have: as many processors and as much memory, one
// and a half times the used disk, the packages that were installed by hand, and the
// services that are enabled.
func factsOf(h *inventory.Host) provision.Facts {
	f := provision.Facts{CPUs: h.CPU.Count, MemoryMiB: int(h.Memory.Total / mib)}
	var used int64
	room := func(bytes int64) int { return int((bytes*3/2 + gib - 1) / gib) }
	devices := map[string]bool{}
	for _, d := range h.Disks {
		if d.Mount == "/" {
			devices[d.Device] = true
			used += d.Used
		}
	}
	for _, d := range h.Disks {
		if devices[d.Device] {
			continue
		}
		devices[d.Device] = true
		used += d.Used
		if d.Used > 0 && !strings.HasPrefix(d.Mount, "/boot") {
			f.Mounts = append(f.Mounts, provision.Mount{Path: d.Mount, GiB: max(1, room(d.Used))})
		}
	}
	f.DiskGiB = room(used)
	for _, p := range h.Packages {
		if p.Manual {
			f.Packages = append(f.Packages, p.Name)
		}
	}
	for _, s := range h.Services {
		if s.Enabled == "enabled" && strings.HasSuffix(s.Unit, ".service") && s.Package != "" {
			f.Services = append(f.Services, s.Unit)
		}
	}
	return f
}
