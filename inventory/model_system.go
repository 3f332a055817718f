package inventory

import "strings"

// Account is a user of the host. The hash of its password is never read.
type Account struct {
	Name   string   `json:"name"`
	UID    int      `json:"uid"`
	GID    int      `json:"gid"`
	Home   string   `json:"home"`
	Shell  string   `json:"shell"`
	Gecos  string   `json:"gecos,omitempty"`
	Groups []string `json:"groups,omitempty"` // besides the primary one
	// Password is "set", "locked", "none" (anyone may log in), or empty if unknown.
	Password string `json:"password,omitempty"`
}

// LoginShell reports whether the user's shell lets it log in.
func (a Account) LoginShell() bool {
	return !strings.HasSuffix(a.Shell, "nologin") && !strings.HasSuffix(a.Shell, "/false") && !strings.HasSuffix(a.Shell, "/sync")
}

// Group is a group of users.
type Group struct {
	Name    string   `json:"name"`
	GID     int      `json:"gid"`
	Members []string `json:"members,omitempty"`
}

// AuthorizedKey is an SSH key that may log in as a user.
type AuthorizedKey struct {
	User        string `json:"user"`
	File        Text   `json:"file"`
	Line        int    `json:"line"`
	Kind        string `json:"kind"`        // "ssh-ed25519"
	Fingerprint string `json:"fingerprint"` // "SHA256:…"
	// Public is the public key without its comment: "ssh-ed25519 AAAA…".
	// Inventories of older programs lack it.
	Public  string `json:"public,omitempty"`
	Comment string `json:"comment,omitempty"`
	Options string `json:"options,omitempty"` // without secrets
}

// KernelSettings holds the kernel's settings that were changed on the host.
type KernelSettings struct {
	// Settings lists the settings that a file sets, with their present values, and
	// a few that matter to every server.
	Settings   []Sysctl `json:"sysctl,omitempty"`
	Modules    []string `json:"modules,omitempty"`      // loaded
	Persistent []string `json:"modules_load,omitempty"` // loaded by configuration
	Limits     []Limit  `json:"limits,omitempty"`
	Security   []string `json:"security,omitempty"` // the module in force: selinux, apparmor
}

// Sysctl is a setting of the kernel.
type Sysctl struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"` // the present value
	Set   string `json:"set,omitempty"`   // the value that File sets
	File  string `json:"file,omitempty"`
}

// Limit is a line of limits.conf(5).
type Limit struct {
	File   string `json:"file"`
	Domain string `json:"domain"`
	Type   string `json:"type"`
	Item   string `json:"item"`
	Value  string `json:"value"`
}

// Network holds the host's names, addresses, routes and resolver.
type Network struct {
	Hostname   string      `json:"hostname"`
	FQDN       string      `json:"fqdn,omitempty"`
	Interfaces []Interface `json:"interfaces,omitempty"`
	Routes     []string    `json:"routes,omitempty"` // as ip(8) prints them
	Resolver   Resolver    `json:"resolver"`
	Hosts      []HostsLine `json:"hosts,omitempty"`
}

// Interface is a network interface.
type Interface struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind,omitempty"` // ether, loopback, …
	MAC       string   `json:"mac,omitempty"`
	MTU       int      `json:"mtu,omitempty"`
	Up        bool     `json:"up"`
	Addresses []string `json:"addresses,omitempty"` // with the prefix length: "10.0.0.5/24"
}

// Resolver holds the settings of resolv.conf(5).
type Resolver struct {
	Servers []string `json:"servers,omitempty"`
	Search  []string `json:"search,omitempty"`
	Options []string `json:"options,omitempty"`
}

// HostsLine is a line of hosts(5).
type HostsLine struct {
	Line    int      `json:"line"`
	Address string   `json:"address"`
	Names   []string `json:"names"`
}

// RuleSet holds the rules of one firewall as its own tool prints them, without
// counters.
type RuleSet struct {
	Tool  string   `json:"tool"` // nftables, iptables, ip6tables, ufw, firewalld
	Rules []string `json:"rules"`
}

// TimeSettings describes how the host keeps time.
type TimeSettings struct {
	Zone         string   `json:"zone,omitempty"` // "Europe/Berlin"
	Synchronized *bool    `json:"synchronized,omitempty"`
	Servers      []string `json:"ntp_servers,omitempty"`
	// Off is how many seconds the host's clock is ahead of the clock of the
	// capturing program; negative if behind. Less than ClockSlack counts as 0: the
	// network could explain it.
	Off int64 `json:"clock_off_seconds,omitempty"`
}

// ClockSlack is the difference of clocks, in seconds, from which TimeSettings.Off
// is set.
const ClockSlack = 5
