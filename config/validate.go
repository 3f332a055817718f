package config

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	siteName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)
	hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)
	roles    = []string{"web", "cache", "app", "db"}
)

// validator keeps the first error.
type validator struct {
	c    *Config
	ways Ways
	err  error
}

func (v *validator) check(ok bool, at, hint, format string, args ...any) {
	if !ok && v.err == nil {
		v.err = &Error{File: v.c.File, Line: v.c.lines.of(at), Text: fmt.Sprintf(format, args...), Hint: hint}
	}
}

func (c *Config) validate(ways Ways) error {
	v := &validator{c: c, ways: ways}
	v.check(siteName.MatchString(c.Site), "site", "site: blog", "site %q: 1 to 32 lower-case letters, digits and dashes", c.Site)
	v.check(siteName.MatchString(c.ID), "id", "migrate init makes one", "id %q: 1 to 32 lower-case letters, digits and dashes, unique per migration", c.ID)
	v.check(c.SSH.Port > 0 && c.SSH.Port < 65536, "ssh.port", "", "ssh.port %d is not a port", c.SSH.Port)
	v.hosts()
	v.applications()
	v.databases()
	v.provision()
	v.dns()
	v.cutover()
	return v.err
}

func (v *validator) hosts() {
	v.check(len(v.c.Hosts) > 0, "hosts", "list the old site's servers: name, address, roles", "no hosts")
	names, addresses := map[string]bool{}, map[Addr]bool{}
	for i, h := range v.c.Hosts {
		at := fmt.Sprintf("hosts[%d]", i)
		v.check(hostName.MatchString(h.Name), at+".name", "", "host name %q: lower-case letters, digits, dots and dashes", h.Name)
		v.check(!names[h.Name], at+".name", "", "host %s is listed twice", h.Name)
		v.check(h.Address.IsValid(), at+".address", "address: 192.0.2.10", "host %s has no address", h.Name)
		v.check(!addresses[h.Address], at+".address", "", "address %s is listed twice", h.Address)
		v.check(len(h.Roles) > 0, at+".roles", "roles: [web, app]", "host %s has no roles", h.Name)
		v.check(h.Volume == "" || path.IsAbs(h.Volume) && path.Clean(h.Volume) != "/", at+".volume", "volume: /srv", "host %s: volume %q is not the absolute path of a folder", h.Name, h.Volume)
		for _, r := range h.Roles {
			v.check(slices.Contains(roles, r), at+".roles", "roles are "+strings.Join(roles, ", "), "host %s: unknown role %q", h.Name, r)
		}
		names[h.Name], addresses[h.Address] = true, true
	}
}

func (v *validator) host(at, name string) {
	_, ok := v.c.Host(name)
	v.check(ok, at, "hosts are "+strings.Join(v.c.hostNames(), ", "), "no host is named %q", name)
}

func (v *validator) applications() {
	names := map[string]bool{}
	for i, a := range v.c.Applications {
		at := fmt.Sprintf("applications[%d]", i)
		v.check(siteName.MatchString(a.Name), at+".name", "", "application name %q: lower-case letters, digits and dashes", a.Name)
		v.check(!names[a.Name], at+".name", "", "application %s is listed twice", a.Name)
		names[a.Name] = true
		v.check(len(a.Hosts) > 0, at+".hosts", "hosts: [web1]", "application %s has no hosts", a.Name)
		for j, h := range a.Hosts {
			v.host(fmt.Sprintf("%s.hosts[%d]", at, j), h)
		}
		for j, f := range a.Files {
			v.check(path.IsAbs(f) && path.Clean(f) == f && f != "/", fmt.Sprintf("%s.files[%d]", at, j), "", "file %q: an absolute, clean path", f)
		}
		if a.Health != "" {
			u, err := url.Parse(strings.ReplaceAll(a.Health, "{address}", "192.0.2.1"))
			v.check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && strings.Contains(a.Health, "{address}"),
				at+".health", "health: http://{address}/healthz", "health %q: an http(s) URL with {address}", a.Health)
		}
	}
}

func (v *validator) databases() {
	names := map[string]bool{}
	for i, d := range v.c.Databases {
		at := fmt.Sprintf("databases[%d]", i)
		v.check(siteName.MatchString(d.Name), at+".name", "", "database name %q: lower-case letters, digits and dashes", d.Name)
		v.check(!names[d.Name], at+".name", "", "database %s is listed twice", d.Name)
		names[d.Name] = true
		v.host(at+".host", d.Host)
		v.check(slices.Contains([]string{seedAuto, seedCopy, seedPhysical}, d.Seed), at+".seed", "seeds are auto, copy and physical", "unknown seed %q", d.Seed)
		v.check(d.RunOn == onController || d.RunOn == OnTarget, at+".run_on", "run_on: controller, or target", "unknown place %q to run on", d.RunOn)
		v.check(d.Throttle.Workers > 0 && d.Throttle.Workers <= 64, at+".throttle.workers", "", "throttle.workers %d: 1 to 64", d.Throttle.Workers)
		v.check(d.Throttle.ThreadsRunning > 0, at+".throttle.threads_running", "", "throttle.threads_running must be above zero")
		v.check(d.Throttle.ReplicaLag > 0, at+".throttle.replica_lag", "", "throttle.replica_lag must be above zero")
		for _, s := range []struct {
			name string
			DatabaseServer
		}{{"source", d.Source}, {"target", d.Target}} {
			v.check(path.IsAbs(s.Socket), at+"."+s.name+".socket", "", "socket %q is not an absolute path", s.Socket)
			v.check(s.Port > 0 && s.Port < 65536, at+"."+s.name+".port", "", "port %d is not a port", s.Port)
		}
	}
}

func (v *validator) provision() {
	do := v.c.Provision.DigitalOcean
	v.check(do.Region != "", "provision.digitalocean", "region: fra1", "provision.digitalocean.region is not set")
	v.endpoint("provision.digitalocean.endpoint", do.Endpoint)
	for role := range do.PublicPorts {
		v.check(slices.Contains(roles, role), "provision.digitalocean.public_ports."+role, "roles are "+strings.Join(roles, ", "), "unknown role %q", role)
	}
}

func (v *validator) endpoint(at, raw string) {
	u, err := url.Parse(raw)
	v.check(err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") && strings.HasSuffix(u.Path, "/"), at,
		"an endpoint ends with a slash", "endpoint %q is not an http(s) URL that ends with /", raw)
}

func (v *validator) dns() {
	v.check(len(v.c.DNS.Zones) > 0, "dns.zones", "zones: [example.com]", "no dns zones")
	v.endpoint("dns.cloudflare.endpoint", v.c.DNS.Cloudflare.Endpoint)
	v.check(v.c.DNS.TTL >= time.Minute && v.c.DNS.TTL <= 24*time.Hour, "dns.ttl", "", "dns.ttl %s: 60s to 24h", v.c.DNS.TTL)
	for i, z := range v.c.DNS.Zones {
		v.check(hostName.MatchString(z) && strings.Contains(z, "."), fmt.Sprintf("dns.zones[%d]", i), "", "zone %q is not a domain", z)
	}
}

func (v *validator) cutover() {
	c := v.c.Cutover
	v.check(slices.Contains(v.ways.names(), c.Way), "cutover.way", "ways are "+List(v.ways.names(), "and"), "unknown way %q", c.Way)
	for _, d := range []struct {
		at string
		d  time.Duration
	}{{"max_lag", c.MaxLag}, {"steady_for", c.SteadyFor}, {"budget", c.Budget}, {"verify_age", c.VerifyAge}, {"stragglers", c.Stragglers}} {
		v.check(d.d > 0, "cutover."+d.at, "", "cutover.%s must be above zero", d.at)
	}
	v.check(c.Budget >= 2*time.Second, "cutover.budget", "budget: 10s", "cutover.budget %s is too short to drain in", c.Budget)
	names := map[string]bool{"rest": true}
	for i, w := range c.Waves {
		at := fmt.Sprintf("cutover.waves[%d]", i)
		v.check(siteName.MatchString(w.Name) && !names[w.Name], at+".name", `"rest" is the last wave's own name`, "wave %q: a name of lower-case letters, digits and dashes, once", w.Name)
		v.check(len(w.Records) > 0, at+".records", "", "wave %s has no records", w.Name)
		names[w.Name] = true
	}
}

// Host returns the host of that name.
func (c *Config) Host(name string) (Host, bool) {
	i := slices.IndexFunc(c.Hosts, func(h Host) bool { return h.Name == name })
	if i < 0 {
		return Host{}, false
	}
	return c.Hosts[i], true
}

func (c *Config) hostNames() []string {
	var names []string
	for _, h := range c.Hosts {
		names = append(names, h.Name)
	}
	return names
}
