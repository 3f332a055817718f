package diff

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory/traits"
)

// rule is a class and the reason for it.
type rule struct {
	class Class
	why   string
}

var (
	transientRule = rule{Expected, "it comes and goes by itself"}
	hardwareRule  = rule{Expected, "it is the machine's own"}
	siteRule      = rule{Expected, "it is the site's own"}
	hostRule      = rule{Expected, "it is the host's own"}
	causeRule     = rule{Harmless, "what it is and does is the same"}
	placeRule     = rule{Harmless, "it stands in another place"}
	remarkRule    = rule{Harmless, "it is a remark for people"}
	renewalRule   = rule{Harmless, "until when it is valid says whether it was renewed"}
)

// fixedRules are the places whose differences are always of one class: whole kinds
// of traits, or single fields. Any other difference has a rule of its own in
// judgeSpecially or judgeOneSided, or is drift.
var fixedRules = map[string]rule{
	"connections": transientRule, "programs": transientRule,
	"block_devices": hardwareRule, "logical_volumes": hardwareRule, "raid_arrays": hardwareRule, "kernel.modules": hardwareRule, "hardware": hardwareRule,
	"network.routes": siteRule, "mysql.replicas": siteRule, "postgresql.replicas": siteRule,

	"name": hostRule, "captured_at": transientRule, "captured_as": {Harmless, "what this user may not see is named as not compared"},
	"roles":   {Harmless, "it is what the config calls the host"},
	"os.name": {Harmless, "the release says it"}, "os.like": {Harmless, "the release says it"},
	"cpu.model": hardwareRule, "disks.device": hardwareRule, "disks.used_bytes": transientRule, "swaps.size_bytes": hardwareRule,
	"raid_arrays.degraded": {Drift, "an array runs without one of its disks"},

	"packages.manual": {Harmless, "the package is installed either way"}, "packages.origin": {Harmless, "the version says what it is"},
	"services.package": causeRule, "timers.cause": causeRule, "listeners.cause": causeRule, "listeners.package": causeRule, "cron_jobs.cause": causeRule,
	"cron_jobs.line": placeRule, "sudo_rules.line": placeRule, "authorized_keys.line": placeRule, "virtual_hosts.line": placeRule, "network.hosts.line": placeRule, "secrets.line": placeRule,
	"kernel.sysctl.file": placeRule, "mysql.settings.source": placeRule, "postgresql.settings.source": placeRule, "redis.settings.source": placeRule,
	"users.gecos": remarkRule, "authorized_keys.comment": remarkRule,

	"network.hostname": hostRule, "network.fqdn": hostRule, "network.interfaces": siteRule, "network.interfaces.kind": hardwareRule, "network.interfaces.mac": hardwareRule,
	"network.interfaces.addresses": hostRule, "network.resolver.servers": siteRule, "time.ntp_servers": siteRule,

	"certificates.not_before": renewalRule, "certificates.sha256": renewalRule,
	"releases.previous": {Harmless, "how many old releases are kept"}, "configuration.package": causeRule, "files.package": causeRule,
	"mysql.free_space_bytes": transientRule, "redis.memory_bytes": transientRule, "redis.replicas": transientRule,
}

// wholeKinds are the places in fixedRules that stand for a trait with all its
// fields.
var wholeKinds = []string{"connections", "programs", "block_devices", "logical_volumes", "raid_arrays", "hardware", "network.routes", "mysql.replicas", "postgresql.replicas"}

var (
	kernelPackage = regexp.MustCompile(`^(linux-(image|headers|modules|modules-extra|tools|objects|kbuild|compiler|cloud-tools)-|kernel(-core|-modules|-modules-core|-modules-extra|-devel)? )`)
	// hardwarePackage matches packages that drive or manage one kind of machine.
	hardwarePackage = regexp.MustCompile(`^(qemu-guest-agent|open-vm-tools|do-agent|droplet-agent|cloud-(init|guest-utils|utils|image-utils|initramfs-growroot)|grub-\S+|grub2-\S+|shim-\S+|firmware-\S+|(intel|amd64)-microcode|microcode_ctl) `)
	hardwareUnit    = regexp.MustCompile(`^(systemd-fsck@|serial-getty@|getty@|lvm2-|ifup@|systemd-backlight@|mdadm|mdmonitor|cloud-|qemu-guest-agent|vmtoolsd|open-vm-tools|vgauth|do-agent|droplet-agent|smartd|smartmontools)`)
	bootMount       = regexp.MustCompile(`^/(boot|snap|run|var/lib/docker|var/lib/containers)(/|$)`)
	upgradeLeftover = regexp.MustCompile(`(\.(dpkg-(old|dist|new|bak)|ucf-(old|dist)|rpm(save|new|orig))|~)$`)
	// ownFiles hold the host's own names, addresses, keys and IDs: a new host gets
	// new ones.
	ownFiles = regexp.MustCompile(`^/etc/(hostname|mailname|machine-id|hostid|network/interfaces(\.d/.*)?|netplan/.*|systemd/network/.*|sysconfig/network.*|NetworkManager/system-connections/.*|resolv\.conf|cloud/.*|udev/rules\.d/70-persistent-.*|iscsi/initiatorname\.iscsi|nvme/host(id|nqn)|ssh/ssh_host_.*|fstab|crypttab|mdadm/mdadm\.conf)$`)
	// accountFiles hold users and groups, which are traits themselves and are
	// compared without regard to their order.
	accountFiles = regexp.MustCompile(`^/etc/(passwd|group)$`)
	hostKey      = regexp.MustCompile(`^/etc/ssh/ssh_host_`)
	// sizedByMemory matches settings that the kernel derives from the memory size.
	sizedByMemory = regexp.MustCompile(`^(fs\.(file-max|inotify\..*|epoll\..*)|kernel\.(threads-max|pid_max|shm.*|sem)|user\..*|vm\.(min_free_kbytes|.*_reserve_kbytes)|net\.ipv4\.(tcp_mem|udp_mem|tcp_max_.*|tcp_rmem|tcp_wmem)|net\.netfilter\..*)$`)
	// differsInPair matches variables that two MySQL servers that replicate from
	// each other cannot share.
	differsInPair = regexp.MustCompile(`^(server_id|server_uuid|gtid_domain_id|auto_increment_(offset|increment)|read_only|super_read_only|hostname|report_host)$`)
)

// judgeOneSided returns the class of a trait that only one side has, and the reason.
func (p *pair) judgeOneSided(side string, i traits.Item) (Class, string) {
	if r, ok := fixedRules[i.At]; ok {
		return r.class, r.why
	}
	switch i.At {
	case "packages":
		if kernelPackage.MatchString(i.Name) && p.old.system == p.new.system {
			return Expected, "the kernel's packages are named by its version"
		}
		if hardwarePackage.MatchString(i.Name) {
			return hardwareRule.class, hardwareRule.why
		}
	case "services", "timers":
		if hardwareUnit.MatchString(i.Name) {
			return hardwareRule.class, hardwareRule.why
		}
	case "disks":
		if bootMount.MatchString(i.Name) {
			return hardwareRule.class, hardwareRule.why
		}
	case "listeners":
		if f := strings.Fields(i.Name); len(f) == 3 {
			if p.gotOtherPort(side, i) {
				return transientRule.class, "the port is drawn by lot"
			}
			if f[0] == "udp" && (f[2] == "68" || f[2] == "546") {
				return siteRule.class, "the address is asked for by DHCP"
			}
		}
	case "configuration", "files":
		switch {
		case upgradeLeftover.MatchString(i.Name):
			return Harmless, "an upgrade of packages left it behind"
		case ownFiles.MatchString(i.Name):
			return Expected, "the file's job is to hold what is the host's own"
		}
	case "secrets":
		if hostKey.MatchString(i.Name) {
			return hostRule.class, hostRule.why
		}
	case "mysql.variables", "mysql.settings":
		if p.old.name != p.new.name && differsInPair.MatchString(i.Name) {
			return Expected, "two servers of a pair differ in it"
		}
	}
	return Drift, "the " + otherSide[side] + " " + absenceText(i)
}

var otherSide = map[string]string{OnlyOld: "new side", OnlyNew: "old side"}

// absenceText says what it means that an inventory lacks a trait: some kinds are
// recorded only if they differ from the default.
func absenceText(i traits.Item) string {
	switch {
	case i.At == "configuration" && i.Get("package") != "":
		return "has it as its package brings it, or not at all"
	case i.At == "services" || i.At == "timers":
		return "neither starts it at boot nor runs it"
	case i.At == "kernel.sysctl":
		return "does not set it"
	case strings.HasSuffix(i.At, ".settings"):
		return "has the server's default"
	}
	return "lacks it"
}

// judge returns the class of a field that differs on the two sides, and the reason.
func (p *pair) judge(oldItem, newItem traits.Item, oldValue, newValue traits.Value) (Class, string) {
	at := strings.TrimPrefix(oldItem.At+"."+oldValue.Field, ".")
	if oldItem.Normal(oldValue) == newItem.Normal(newValue) {
		return Expected, "only the hosts' names and addresses differ"
	}
	if r, ok := fixedRules[at]; ok {
		return r.class, r.why
	}
	if slices.Contains(wholeKinds, oldItem.At) {
		return fixedRules[oldItem.At].class, fixedRules[oldItem.At].why
	}
	if class, why, ok := p.judgeSpecially(at, oldItem, oldValue, newValue); ok {
		return class, why
	}
	if reordered(at, oldValue, newValue) {
		return Harmless, "only the order differs"
	}
	return Drift, cmp.Or(driftReasons[oldValue.Field], "the two sides should agree")
}

// judgeSpecially judges differences whose class depends on the values. It returns
// false if it has no rule.
func (p *pair) judgeSpecially(at string, item traits.Item, oldValue, newValue traits.Value) (Class, string, bool) {
	switch at {
	case "os.kernel":
		if p.old.system == p.new.system {
			return Expected, "another kernel of the same release", true
		}
	case "cpu.count", "memory.total_bytes", "disks.size_bytes":
		return judgeSize(oldValue.Text, newValue.Text)
	case "packages.version", "mysql.version", "redis.version", "postgresql.version":
		return p.judgeVersion(at, item, oldValue.Text, newValue.Text)
	case "kernel.sysctl.value":
		if item.Get("set") == "" && sizedByMemory.MatchString(item.Name) {
			return hardwareRule.class, "the kernel works it out from the memory", true
		}
	case "mysql.variables.value", "mysql.settings.value":
		if p.old.name != p.new.name && differsInPair.MatchString(item.Name) {
			return Expected, "two servers of a pair differ in it", true
		}
		if item.Name == "version" {
			return p.judgeVersion(at, item, oldValue.Text, newValue.Text)
		}
	case "certificates.not_after":
		if newValue.Text < oldValue.Text { // both are RFC 3339, in UTC
			return Drift, "it ends earlier", true
		}
		return Harmless, "it was renewed", true
	case "fstab.device":
		if isLocalDevice(oldValue.Text) && isLocalDevice(newValue.Text) {
			return hardwareRule.class, hardwareRule.why, true
		}
	case "secrets.token":
		if hostKey.MatchString(item.Name) {
			return hostRule.class, hostRule.why, true
		}
	}
	return "", "", false
}

// isLocalDevice reports whether an fstab device is of the host itself, not a
// network file system.
func isLocalDevice(device string) bool {
	return strings.HasPrefix(device, "UUID=") || strings.HasPrefix(device, "PARTUUID=") || strings.HasPrefix(device, "LABEL=") || strings.HasPrefix(device, "/dev/")
}

// sizeTolerance is by how many percent a size may be smaller: firmware and kernel
// reserve a part of a host's memory.
const sizeTolerance = 5

// judgeSize judges two sizes: the new side may have more.
func judgeSize(oldText, newText string) (Class, string, bool) {
	before, err1 := strconv.ParseInt(oldText, 10, 64)
	after, err2 := strconv.ParseInt(newText, 10, 64)
	switch {
	case err1 != nil || err2 != nil:
		return "", "", false
	case after >= before:
		return Expected, "the new machine has more", true
	case after > before/100*(100-sizeTolerance):
		return Expected, "nearly the same size", true
	}
	return Drift, "the new machine has less", true
}

// orderedLists are the fields whose order matters.
var orderedLists = []string{"firewall.rules", "network.resolver.search", "timers.schedule"}

func reordered(at string, oldValue, newValue traits.Value) bool {
	return len(oldValue.Lines) > 1 && !slices.Contains(orderedLists, at) && slices.Equal(slices.Sorted(slices.Values(oldValue.Lines)), slices.Sorted(slices.Values(newValue.Lines)))
}

// driftReasons says what a difference of a field means, where its name does not.
var driftReasons = map[string]string{
	"enabled": "it does not start at boot alike", "active": "it does not run alike", "held": "one side would be upgraded, the other not",
	"mode": "others may read, write or run it", "owner": "another user's file", "group": "another group's file",
	"token": "the secrets are not the same", "uid": "files that are copied by number change hands", "gid": "files that are copied by number change hands",
	"process": "another program listens there", "rules": "other packets pass",
}
