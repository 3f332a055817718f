package findings

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/phrase"
)

// Finding is something an operator should know about a host before it moves.
type Finding struct {
	Host string `json:"host"`
	// Kind is one of the Kind constants.
	Kind string `json:"kind"`
	// Where is a file and line, a unit, a mount point, …
	Where string `json:"where"`
	Text  string `json:"text"`
}

// Kinds of findings.
const (
	KindRepository  = "repository"   // a repository without its own key or signature, or a package that none offers
	KindCertificate = "certificate"  // a certificate that has ended or ends soon
	KindService     = "service"      // a failed service
	KindDisk        = "disk"         // a disk that is nearly full
	KindClock       = "clock"        // a clock that is off or not synchronized
	KindListener    = "listener"     // a socket open to the world
	KindAddress     = "old address"  // an old host's address or name in configuration
	KindSingle      = "single"       // a role that no other host has
	KindUnexplained = "unexplained"  // something that runs and that nothing captured brings back
	KindAccount     = "account"      // an account without a password or name, or a second root
	KindRAID        = "raid"         // a degraded array
	KindHeld        = "held package" // a package kept from upgrades
	KindReplication = "replication"  // a stopped replication
	KindCandidate   = "candidate"    // a package that the new host's distribution lacks or has in an older version
)

const (
	// certificateWarning is how long before its end a certificate is a finding: a
	// renewal that depends on the old addresses will fail.
	certificateWarning = 30 * 24 * time.Hour
	// diskFullPercent is how much of a disk must be in use for a finding.
	diskFullPercent = 90
)

// Site is what findings compare hosts with.
type Site struct {
	// Old holds the addresses of the hosts that the move leaves behind, by name.
	Old map[string][]netip.Addr
	// Objects holds the contents of captured files; nil: files are not searched.
	Objects *inventory.Objects
	// Now is the time that the ends of certificates are compared with.
	Now time.Time
}

// Find returns the findings of all hosts, sorted as by Sort. It fails if the
// contents of a captured file cannot be read.
func Find(hosts []*inventory.Host, site Site) ([]Finding, error) {
	f := &finder{site: site, search: newOldAddressSearch(site.oldAddresses(hosts))}
	for _, h := range hosts {
		f.host = h
		f.repositories()
		f.certificates()
		f.faults()
		f.listeners()
		f.accounts()
		f.singleRoles(hosts)
		if err := f.addresses(); err != nil {
			return nil, fmt.Errorf("look through %s: %w", h.Name, err)
		}
	}
	Sort(f.found)
	return f.found, nil
}

// Sort sorts findings by host and kind and keeps the order of equal ones.
func Sort(found []Finding) {
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Kind, b.Kind))
	})
}

// finder collects the findings of one host after another.
type finder struct {
	site   Site
	host   *inventory.Host // the one being looked at
	search oldAddressSearch
	found  []Finding
}

func (f *finder) add(kind, where, format string, args ...any) {
	f.found = append(f.found, Finding{f.host.Name, kind, where, fmt.Sprintf(format, args...)})
}

func (f *finder) repositories() {
	for _, r := range f.host.Repositories {
		switch {
		case r.Disabled:
		case r.Unsigned:
			f.add(KindRepository, r.File, "%s is taken without a signature", r.URL)
		case len(r.SignedBy) == 0 && r.Kind == "deb" && !stockMirror(r.URL):
			f.add(KindRepository, r.File, "%s may be signed by any key that the host trusts; name its own with signed-by", r.URL)
		}
	}
	for _, p := range f.host.Packages {
		if p.Origin == inventory.Local {
			f.add(KindRepository, p.Name+" "+p.Version, "no repository offers this version any more: keep the package file, or plan an upgrade")
		}
		if p.Held {
			f.add(KindHeld, p.Name+" "+p.Version, "it is kept from upgrades: the new host would install another version")
		}
	}
}

// stockMirror reports whether a URL is a distribution's own archive: every host has its keys.
func stockMirror(url string) bool {
	for _, host := range []string{"debian.org/", "ubuntu.com/"} {
		if strings.Contains(url+"/", host) {
			return true
		}
	}
	return false
}

func (f *finder) certificates() {
	for _, c := range f.host.Certificates {
		until, err := time.Parse(time.RFC3339, c.Until)
		if err != nil {
			continue // capture writes RFC 3339; a newer program may not
		}
		names := strings.Join(c.Names, ", ")
		switch left := until.Sub(f.site.Now); {
		case left < 0:
			f.add(KindCertificate, string(c.File), "it ended on %s: %s", until.Format(time.DateOnly), names)
		case left < certificateWarning:
			f.add(KindCertificate, string(c.File), "it ends on %s, in %d days: %s", until.Format(time.DateOnly), int(left.Hours()/24), names)
		}
	}
}

// faults reports what is broken before the move, so that the move is not blamed for it.
func (f *finder) faults() {
	h := f.host
	for _, s := range h.Services {
		if s.Active == "failed" {
			f.add(KindService, s.Unit, "it failed on the old host")
		}
	}
	for _, d := range h.Disks {
		if d.Size > 0 && d.Used*100 >= d.Size*diskFullPercent {
			f.add(KindDisk, d.Mount, "%s of %s are in use", phrase.Size(d.Used), phrase.Size(d.Size))
		}
	}
	for _, a := range h.Arrays {
		if a.Degraded {
			f.add(KindRAID, a.Name, "the array runs without one of %s", strings.Join(a.Members, ", "))
		}
	}
	if h.Time.Off != 0 {
		f.add(KindClock, h.Name, "the clock is off by %d seconds", h.Time.Off)
	}
	if h.Time.Synchronized != nil && !*h.Time.Synchronized {
		f.add(KindClock, h.Name, "the clock follows no server")
	}
	if h.MySQL != nil {
		for _, r := range h.MySQL.Replicas {
			if !r.Running {
				f.add(KindReplication, r.Host, "the replication from there does not run")
			}
		}
	}
	for _, text := range h.Coverage.Unexplained {
		f.add(KindUnexplained, text, "nothing that was captured brings it back")
	}
}

// publicPorts are ports that are meant to be open to the world: SSH, HTTP, HTTPS.
var publicPorts = []int{22, 80, 443}

func (f *finder) listeners() {
	for _, l := range f.host.Listeners {
		if (l.Address == "0.0.0.0" || l.Address == "*" || l.Address == "::") && !slices.Contains(publicPorts, l.Port) {
			f.add(KindListener, fmt.Sprintf("%s %s:%d", l.Protocol, l.Address, l.Port), "%s listens to the world", cmp.Or(l.Process, "the kernel"))
		}
	}
}

func (f *finder) accounts() {
	for _, u := range f.host.Users {
		if u.Password == "none" && u.LoginShell() {
			f.add(KindAccount, u.Name, "it has no password: anyone may log in")
		}
		if u.UID == 0 && u.Name != "root" {
			f.add(KindAccount, u.Name, "it is root by another name")
		}
	}
	if m := f.host.MySQL; m != nil {
		for _, u := range m.Users {
			if u.User == "" {
				f.add(KindAccount, "mysql ''@'"+u.Host+"'", "anyone may log in to the database")
			}
		}
	}
}

// singleRoles finds the roles that no other host has.
func (f *finder) singleRoles(hosts []*inventory.Host) {
	for _, role := range f.host.Roles {
		holders := 0
		for _, h := range hosts {
			if slices.Contains(h.Roles, role) {
				holders++
			}
		}
		if holders == 1 {
			f.add(KindSingle, "role "+role, "no other host has it: while this one is away, nothing does its work")
		}
	}
}
