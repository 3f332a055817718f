package provision

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/dcmigrate/migrate/report"
)

// Site describes the wanted new site: plain values, from the configuration and the
// inventory.
type Site struct {
	// ID is unique per migration: letters, digits and dashes. All that the migration
	// makes at the vendor has it in its tag or name.
	ID string
	// Name is the operator's name of the site, for people.
	Name   string
	Region string
	// Image is the image of every host; empty is that of each host's OS.
	Image string
	// IPv6 gives each host a public IPv6 address too.
	IPv6 bool
	// ReservedIPs gives each public host an address that outlives its droplet.
	ReservedIPs bool
	// VPCRange is the CIDR of the migration's own VPC; the zero Prefix lets the
	// vendor choose.
	VPCRange netip.Prefix
	Hosts    []HostSpec
	// PublicPorts are the TCP ports that are open to the world, by role.
	PublicPorts map[string][]int
	// Operators are the networks that may connect over SSH; empty is every address.
	Operators []netip.Prefix
	// SSHPublicKey is the operator's key, one authorized_keys line.
	SSHPublicKey string
	// SSHUser is the user that logs in on the new hosts; empty is root.
	SSHUser string
	// SSHPort is the port of sshd on the new hosts; 0 is 22.
	SSHPort      int
	Applications []Application
}

// HostSpec is a host of the old site, with what its clone must have.
type HostSpec struct {
	Name       string
	Roles      []string
	OldAddress netip.Addr
	// OtherAddresses are those that the source host has besides OldAddress.
	OtherAddresses []netip.Addr
	// OldNames are names of the source host that the new site must not use. In copied
	// files the clone's address replaces them.
	OldNames []string
	// Size is the slug of a droplet size; empty chooses one by Facts.
	Size string
	// Volume is the folder that a volume holds if no droplet's disk is large enough.
	Volume string
	// OS chooses the image, unless the site names one.
	OS    OS
	Facts Facts
}

// Facts is what the inventory found on the source host.
type Facts struct {
	CPUs      int
	MemoryMiB int
	DiskGiB   int
	// Mounts are the parts of DiskGiB that are not on the root filesystem.
	Mounts []Mount
	// Packages are the names of the manually installed packages.
	Packages []string
	// Services are the enabled systemd units.
	Services []string
}

// Application is software that is not installed as a package: files, units, a health check.
type Application struct {
	Name  string
	Hosts []string
	// Files are the absolute paths of files and folders to copy.
	Files []string
	// Services are systemd units, in the order in which they start.
	Services []string
	// Health is a URL with {address} for the host's address; an answer of 2xx means
	// healthy. If it is empty, only the units are checked.
	Health string
}

var (
	idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,63}$`)
	// NamePattern matches the names that the vendor accepts for droplets. Names of hosts
	// must match it too.
	NamePattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$`)
	unitPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:_.@\\-]*$`)
	// debPattern matches a package name by Debian policy 5.6.1, with or without an
	// architecture.
	debPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?$`)
)

// validate reports every value that the vendor or a shell would refuse.
func (s Site) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !idPattern.MatchString(s.ID) {
		bad("migration id %q: only letters, digits and dashes, at most 64", s.ID)
	}
	if s.Region == "" {
		bad("the new site needs a region")
	}
	if len(s.Hosts) == 0 {
		bad("the new site has no hosts")
	}
	if _, err := s.publicKey(); err != nil {
		errs = append(errs, err)
	}
	if s.SSHUser != "" && !NamePattern.MatchString(s.SSHUser) {
		bad("ssh user %q is not a user name", s.SSHUser)
	}
	errs = append(errs, s.validateRange())
	seen := map[string]bool{}
	for _, h := range s.Hosts {
		errs = append(errs, s.validateHost(h))
		if seen[h.Name] {
			bad("host %s is listed twice", h.Name)
		}
		seen[h.Name] = true
	}
	for _, a := range s.Applications {
		errs = append(errs, a.validate(seen))
	}
	return errors.Join(errs...)
}

func (s Site) validateHost(h HostSpec) error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("host %s: "+format, append([]any{h.Name}, args...)...))
	}
	if !NamePattern.MatchString(h.Name) {
		bad("a droplet's name has only letters, digits, dots and dashes, at most 63")
	}
	for _, m := range append([]Mount{{Path: h.Volume}}, h.Facts.Mounts...) {
		if m.Path != "" && (!strings.HasPrefix(m.Path, "/") || strings.TrimRight(m.Path, "/") == "" || strings.ContainsAny(m.Path, " \t\n\x00")) {
			bad("volume %q is not the absolute path of a folder", m.Path)
		}
	}
	for _, r := range h.Roles {
		if !idPattern.MatchString(r) {
			bad("role %q: only letters, digits and dashes", r)
		}
	}
	for _, p := range h.Facts.Packages {
		if !debPattern.MatchString(p) {
			bad("package %q is not a package name", p)
		}
	}
	for _, u := range h.Facts.Services {
		if !unitPattern.MatchString(u) {
			bad("service %q is not a unit name", u)
		}
	}
	return errors.Join(errs...)
}

func (a Application) validate(hosts map[string]bool) error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("application %s: "+format, append([]any{a.Name}, args...)...))
	}
	if !NamePattern.MatchString(a.Name) {
		bad("its name has only letters, digits, dots and dashes, at most 63")
	}
	for _, h := range a.Hosts {
		if !hosts[h] {
			bad("host %s is not a host of the site", h)
		}
	}
	for _, f := range a.Files {
		if !strings.HasPrefix(f, "/") || strings.TrimRight(f, "/") == "" || strings.ContainsAny(f, "\x00\n") {
			bad("%q is not the absolute path of a file or folder", f)
		}
	}
	for _, u := range a.Services {
		if !unitPattern.MatchString(u) {
			bad("service %q is not a unit name", u)
		}
	}
	return errors.Join(errs...)
}

// tag marks all that this migration makes at the vendor.
func (s Site) tag() string { return "migrate:" + s.ID }

// roleTag marks the droplets of a role.
func (s Site) roleTag(role string) string { return s.tag() + ":" + role }

// resourceName is the name, or its beginning, of the resources that the vendor
// identifies by name: VPC, key, firewalls.
func (s Site) resourceName() string { return "migrate-" + s.ID }

// tags lists the tags of the site: its own, then those of the roles, sorted.
func (s Site) tags() []string {
	tags := []string{s.tag()}
	for _, h := range s.Hosts {
		for _, r := range h.Roles {
			if !slices.Contains(tags, s.roleTag(r)) {
				tags = append(tags, s.roleTag(r))
			}
		}
	}
	slices.Sort(tags[1:])
	return tags
}

func (s Site) host(name string) (HostSpec, bool) {
	i := slices.IndexFunc(s.Hosts, func(h HostSpec) bool { return h.Name == name })
	if i < 0 {
		return HostSpec{}, false
	}
	return s.Hosts[i], true
}

func (s Site) sshPort() int {
	if s.SSHPort == 0 {
		return 22
	}
	return s.SSHPort
}

func (s Site) publicKey() (ssh.PublicKey, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.SSHPublicKey))
	if err != nil {
		return nil, report.WithHint(fmt.Errorf("read the operator's public key: %w", err),
			"ssh.identity_file needs its .pub beside it, in OpenSSH's format")
	}
	return key, nil
}

// IsPublic reports whether a role of the host has ports open to the world.
func (s Site) IsPublic(h HostSpec) bool {
	return slices.ContainsFunc(h.Roles, func(r string) bool { return len(s.PublicPorts[r]) > 0 })
}
