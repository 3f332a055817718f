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

// Finding is something an operator wants to know of a host before it is moved.
type Finding struct {
	Host string `json:"host"`
	// Kind is one of the Found constants.
	Kind string `json:"kind"`
	// Where is a file and line, a unit, a mount, …
	Where string `json:"where"`
	Text  string `json:"text"`
}

// Kinds of findings.
const (
	KindRepository  = "repository"   // unpinned, unsigned or vanished
	KindCertificate = "certificate"  // it ends soon
	KindService     = "service"      // it failed
	KindDisk        = "disk"         // nearly full
	KindClock       = "clock"        // off, or not synchronized
	KindListener    = "listener"     // open to the world
	KindAddress     = "old address"  // an old host's address or name is written down
	KindSingle      = "single"       // nothing does the same as this host
	KindUnexplained = "unexplained"  // it runs, and nothing captured brings it back
	KindAccount     = "account"      // anyone may log in, or without a password
	KindRAID        = "raid"         // degraded
	KindHeld        = "held package" // kept from upgrades
	KindReplication = "replication"  // a link that does not run
	KindCandidate   = "candidate"    // a package that the new host's distribution lacks, or has older
)

// Limits of findings.
const (
	// CertificateSoon is how long before its end a certificate is a finding: a
	// renewal that depends on the old addresses will not happen.
	CertificateSoon = 30 * 24 * time.Hour
	// DiskFull is the part of a disk in use, in percent, that is a finding.
	DiskFull = 90
)

// Site is what findings compare hosts with.
type Site struct {
	// Old are the addresses of the hosts that are left, by name.
	Old map[string][]netip.Addr
	// Objects has the contents of the files; nil: they are not looked into.
	Objects *inventory.Objects
	// Now is when certificates are looked at.
	Now time.Time
}

// Find lists what is worth a look on hosts, by host and kind.
func Find(hosts []*inventory.Host, site Site) ([]Finding, error) {
	f := &finder{site: site, needles: site.needles(hosts)}
	for _, h := range hosts {
		f.host = h
		f.repositories()
		f.certificates()
		f.state()
		f.listeners()
		f.accounts()
		f.single(hosts)
		if err := f.addresses(); err != nil {
			return nil, fmt.Errorf("look through %s: %w", h.Name, err)
		}
	}
	Sort(f.found)
	return f.found, nil
}

// Sort sorts by host and kind.
func Sort(found []Finding) {
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Kind, b.Kind))
	})
}

type finder struct {
	site    Site
	host    *inventory.Host
	needles []needle
	found   []Finding
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

// stockMirror is a distribution's own archive, whose keys every host has.
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
			continue // it was written by us, or by a newer program
		}
		names := strings.Join(c.Names, ", ")
		switch left := until.Sub(f.site.Now); {
		case left < 0:
			f.add(KindCertificate, string(c.File), "it ended on %s: %s", until.Format(time.DateOnly), names)
		case left < CertificateSoon:
			f.add(KindCertificate, string(c.File), "it ends on %s, in %d days: %s", until.Format(time.DateOnly), int(left.Hours()/24), names)
		}
	}
}

// state looks at what is broken already: a move must not be blamed for it.
func (f *finder) state() {
	h := f.host
	for _, s := range h.Services {
		if s.Active == "failed" {
			f.add(KindService, s.Unit, "it failed on the old host")
		}
	}
	for _, d := range h.Disks {
		if d.Size > 0 && d.Used*100 >= d.Size*DiskFull {
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

// worldly are services that the world is meant to reach.
var worldly = []int{22, 80, 443}

func (f *finder) listeners() {
	for _, l := range f.host.Listeners {
		if (l.Address == "0.0.0.0" || l.Address == "*" || l.Address == "::") && !slices.Contains(worldly, l.Port) {
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

// single finds roles that only this host has.
func (f *finder) single(hosts []*inventory.Host) {
	for _, role := range f.host.Roles {
		twins := 0
		for _, h := range hosts {
			if slices.Contains(h.Roles, role) {
				twins++
			}
		}
		if twins == 1 {
			f.add(KindSingle, "role "+role, "no other host has it: while this one is away, nothing does its work")
		}
	}
}
