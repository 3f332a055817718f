package traits

import (
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// fromContents are the kinds and fields that are read from the contents of files.
var fromContents = []string{
	"repositories", "cron_jobs", "sudo_rules", "authorized_keys", "kernel.sysctl", "kernel.modules_load", "kernel.limits", "network.hosts",
	"virtual_hosts", "compose", "fstab", "time.ntp_servers", "configuration.contents", "configuration.content", "secrets",
}

// sectionFields are the kinds of traits, or single fields of them, that each section
// of the capture fills in.
var sectionFields = map[string][]string{
	"os": {"os"}, "machine": {"hardware", "cpu", "memory"}, "time": {"time"}, "hostname": {"network"},
	"disks": {"disks"}, "mounts": {"fstab", "disks"}, "block": {"block_devices"}, "lvm": {"logical_volumes"}, "raid": {"raid_arrays"}, "swaps": {"swaps"},
	"packages": {"packages"}, "manual": {"packages.manual"}, "origins": {"packages.origin"},
	"owners":     {"services.package", "listeners.package", "listeners.cause", "programs.cause", "timers.cause", "cron_jobs.cause", "configuration.package", "configuration"},
	"rpm-owners": {"services.package", "listeners.package", "listeners.cause", "programs.cause", "timers.cause", "cron_jobs.cause", "configuration.package", "configuration"},
	"listeners":  {"listeners"}, "processes": {"programs", "listeners.unit", "listeners.package", "listeners.cause"},
	"process-status": {"programs", "listeners.unit", "listeners.package", "listeners.cause"}, "process-groups": {"programs.unit", "listeners.unit"}, "process-words": {"programs"}, "programs": {"programs"},
	"languages": {"language_packages"}, "unit-files": {"services", "timers"}, "units": {"services", "timers"},
	"accounts": {"users", "groups"}, "passwords": {"users.password"}, "sshd": {"authorized_keys"}, "sysctl": {"kernel.sysctl"}, "modules": {"kernel.modules"},
	"addresses": {"network.interfaces"}, "routes": {"network.routes"}, "resolver": {"network.resolver"},
	"nftables": {"firewall"}, "iptables": {"firewall"}, "ip6tables": {"firewall"}, "ufw": {"firewall"}, "firewalld": {"firewall"},
	"tree": append([]string{"configuration"}, fromContents...), "tree-sums": append([]string{"configuration"}, fromContents...), "conffile-sums": {"configuration"}, "originals": {"configuration"},
	"verify": {"configuration"}, "contents": fromContents,
	"certificates": {"certificates"}, "containers": {"containers", "images", "compose"}, "releases": {"releases"},
	"redis": {"redis", "redis.settings"}, "postgresql": {"postgresql", "postgresql.settings", "postgresql.databases", "postgresql.roles", "postgresql.replicas"},
	"files": {"files"}, "sums": {"files.contents"},
	"mysql-variables": {"mysql", "mysql.variables", "mysql.settings", "mysql.schemas", "mysql.users", "mysql.grants", "mysql.replicates_from", "mysql.replicas"},
	"mysql-settings":  {"mysql.settings"}, "mysql-schemas": {"mysql.schemas"}, "mysql-users": {"mysql.users"}, "mysql-grants": {"mysql.grants"},
	"mysql-replication": {"mysql.replicates_from"}, "mysql-replicas": {"mysql.replicas"}, "mysql-space": {"mysql.free_space_bytes"},
	"connections": {"connections"}, "connections-again": {"connections"},
	"root": onlyRoot,
}

// onlyRoot are the kinds and fields of which a login other than root sees only a
// part, without an error from the tools: other users' processes and what is derived
// from them, and what is in folders that only their owners may enter.
var onlyRoot = []string{
	"listeners.process", "listeners.unit", "listeners.package", "listeners.cause", "programs", "programs.cause", "connections",
	"certificates", "releases", "compose", "containers", "images", "firewall", "logical_volumes", "users.password",
	"authorized_keys", "sudo_rules", "cron_jobs", "kernel.sysctl", "secrets", "redis", "redis.settings",
	"configuration.contents", "files.contents",
}

// Unknown is what a host's capture could not see. The host may have such traits
// although the inventory lacks them.
type Unknown struct{ Missing []inventory.Missing }

// UnknownOf returns what the captures of hosts could not see, each part once. A file
// that the capture looked for and that is absent is known.
func UnknownOf(hosts ...*inventory.Host) Unknown {
	var u Unknown
	for _, h := range hosts {
		for _, m := range h.Missing {
			known := m.Reason == inventory.Absent && strings.HasPrefix(m.What, "/")
			if !known && !slices.Contains(u.Missing, m) {
				u.Missing = append(u.Missing, m)
			}
		}
	}
	return u
}

// Trait returns why a trait that the inventory lacks may exist, and whether there is
// such a reason.
func (u Unknown) Trait(t Trait) (inventory.Missing, bool) {
	return u.find(func(m inventory.Missing) bool { return covers(m, t.At, t) })
}

// Field returns why a field of a trait may be empty in the inventory only, and
// whether there is such a reason.
func (u Unknown) Field(t Trait, field string) (inventory.Missing, bool) {
	return u.find(func(m inventory.Missing) bool { return covers(m, t.At, t) || covers(m, t.At+"."+field, t) })
}

func (u Unknown) find(matches func(inventory.Missing) bool) (inventory.Missing, bool) {
	if i := slices.IndexFunc(u.Missing, matches); i >= 0 {
		return u.Missing[i], true
	}
	return inventory.Missing{}, false
}

// quotedPath matches the file in a tool's error: find: ‘/etc/x’: Permission denied.
var quotedPath = regexp.MustCompile(`^[\w-]+: .*?['"‘]?(/[^'"’]*?)['"’]?: `)

func covers(m inventory.Missing, at string, t Trait) bool {
	if strings.HasPrefix(m.What, "/") {
		return below(t.Name, m.What)
	}
	if m.What == "tree" || m.What == "tree-sums" || m.What == "conffile-sums" || m.What == "files" || m.What == "sums" {
		if path := quotedPath.FindStringSubmatch(m.Detail); path != nil {
			return below(t.Name, path[1])
		}
	}
	if address, ok := strings.CutPrefix(m.What, "redis "); ok {
		return strings.HasPrefix(at, "redis") && strings.HasPrefix(t.Name, address)
	}
	if strings.HasPrefix(m.What, "postgresql ") {
		return strings.HasPrefix(at, "postgresql")
	}
	return slices.Contains(sectionFields[m.What], at)
}

// below reports whether the name of a trait has a path, or one below it.
func below(name, path string) bool {
	return name == path || strings.HasPrefix(name, strings.TrimSuffix(path, "/")+"/") || strings.HasPrefix(name, path+" ") ||
		strings.Contains(name, " "+path+" ") || strings.HasSuffix(name, " "+path)
}
