package inventory

import (
	"strings"
)

// LoginShell reports whether a user can log in.
func (a Account) LoginShell() bool {
	return !strings.HasSuffix(a.Shell, "nologin") && !strings.HasSuffix(a.Shell, "/false") && !strings.HasSuffix(a.Shell, "/sync")
}

// Account is a user of the host. Whether it has a password is known, the
// password's hash never read.
type Account struct {
	Name   string   `json:"name"`
	UID    int      `json:"uid"`
	GID    int      `json:"gid"`
	Home   string   `json:"home"`
	Shell  string   `json:"shell"`
	Gecos  string   `json:"gecos,omitempty"`
	Groups []string `json:"groups,omitempty"` // besides the primary one
	// Password is "set", "locked", "none" (anyone may log in) or empty: unknown.
	Password string `json:"password,omitempty"`
}

// Group is a group of users.
type Group struct {
	Name    string   `json:"name"`
	GID     int      `json:"gid"`
	Members []string `json:"members,omitempty"`
}

// AuthorizedKey may log in as a user.
type AuthorizedKey struct {
	User        string `json:"user"`
	File        Text   `json:"file"`
	Line        int    `json:"line"`
	Kind        string `json:"kind"`        // "ssh-ed25519"
	Fingerprint string `json:"fingerprint"` // "SHA256:…"
	// Public is the key itself, which is no secret, without comment: "ssh-ed25519
	// AAAA…". Inventories of older programs lack it.
	Public  string `json:"public,omitempty"`
	Comment string `json:"comment,omitempty"`
	Options string `json:"options,omitempty"` // without secrets
}

// KernelSettings is what was changed of the kernel.
type KernelSettings struct {
	// Settings are those that a file sets, with the value that holds now, and a
	// few that matter to every server.
	Settings   []Sysctl `json:"sysctl,omitempty"`
	Modules    []string `json:"modules,omitempty"`      // loaded
	Persistent []string `json:"modules_load,omitempty"` // loaded by configuration
	Limits     []Limit  `json:"limits,omitempty"`
	Security   []string `json:"security,omitempty"` // selinux, apparmor: the one in force
}

// Sysctl is a setting of the kernel.
type Sysctl struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"` // now
	Set   string `json:"set,omitempty"`   // by File
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

// Network is how the host is connected.
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
	Addresses []string `json:"addresses,omitempty"` // with the length of the prefix
}

// Resolver is resolv.conf(5).
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

// RuleSet is the rules of one firewall, as its own tool prints them, without
// counters.
type RuleSet struct {
	Tool  string   `json:"tool"` // nftables, iptables, ip6tables, ufw, firewalld
	Rules []string `json:"rules"`
}

// TimeSettings is how the host keeps time.
type TimeSettings struct {
	Zone         string   `json:"zone,omitempty"` // "Europe/Berlin"
	Synchronized *bool    `json:"synchronized,omitempty"`
	Servers      []string `json:"ntp_servers,omitempty"`
	// Off is how far the host's clock is from that of who captured it, in
	// seconds; 0 for less than ClockSlack, which the network could explain.
	Off int64 `json:"clock_off_seconds,omitempty"`
}

// ClockSlack is in seconds; see TimeSettings.Off.
const ClockSlack = 5
