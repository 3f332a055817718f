package traits

import (
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// fromContents is what is read out of the contents of files.
var fromContents = []string{
	"repositories", "cron_jobs", "sudo_rules", "authorized_keys", "kernel.sysctl", "kernel.modules_load", "kernel.limits", "network.hosts",
	"virtual_hosts", "compose", "fstab", "time.ntp_servers", "configuration.contents", "configuration.content", "secrets",
}

// within says what of the inventory each section of the capture fills in: kinds
// of traits, or single fields of them.
var within = map[string][]string{
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

// onlyRoot is what a login that is not root sees a part of, without a word from
// the tools that there is more: other users' processes and what is known by
// them, and what lies in folders that only their owners may enter.
var onlyRoot = []string{
	"listeners.process", "listeners.unit", "listeners.package", "listeners.cause", "programs", "programs.cause", "connections",
	"certificates", "releases", "compose", "containers", "images", "firewall", "logical_volumes", "users.password",
	"authorized_keys", "sudo_rules", "cron_jobs", "kernel.sysctl", "secrets", "redis", "redis.settings",
	"configuration.contents", "files.contents",
}

// Unknown finds what a host's capture could not see: what of it is not in the
// inventory may be on the host all the same.
type Unknown struct{ Missing []inventory.Missing }

// UnknownOf is what is missing of hosts, each once. A file that was looked for
// and is absent is no unknown.
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

// Trait returns why nothing is known of a trait that is not in the inventory.
func (u Unknown) Trait(t Trait) (inventory.Missing, bool) {
	return u.find(func(m inventory.Missing) bool { return covers(m, t.At, t) })
}

// Field returns why nothing is known of a field of a trait.
func (u Unknown) Field(t Trait, field string) (inventory.Missing, bool) {
	return u.find(func(m inventory.Missing) bool { return covers(m, t.At, t) || covers(m, t.At+"."+field, t) })
}

func (u Unknown) find(is func(inventory.Missing) bool) (inventory.Missing, bool) {
	if i := slices.IndexFunc(u.Missing, is); i >= 0 {
		return u.Missing[i], true
	}
	return inventory.Missing{}, false
}

// quotedPath is the file that a tool complains of: find: ‘/etc/x’: Permission denied.
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
	return slices.Contains(within[m.What], at)
}

// below reports whether a trait is named by a path or by what is below it.
func below(name, path string) bool {
	return name == path || strings.HasPrefix(name, strings.TrimSuffix(path, "/")+"/") || strings.HasPrefix(name, path+" ") ||
		strings.Contains(name, " "+path+" ") || strings.HasSuffix(name, " "+path)
}
