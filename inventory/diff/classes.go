package diff

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory/traits"
)

// rule is a class and why.
type rule struct {
	class Class
	why   string
}

var (
	moment  = rule{Expected, "it comes and goes by itself"}
	machine = rule{Expected, "it is the machine's own"}
	site    = rule{Expected, "it is the site's own"}
	own     = rule{Expected, "it is the host's own"}
	cause   = rule{Harmless, "what it is and does is the same"}
	place   = rule{Harmless, "it stands in another place"}
	remark  = rule{Harmless, "it is a remark for people"}
	renewal = rule{Harmless, "until when it is valid says whether it was renewed"}
)

// always are places whose differences are of one class: whole kinds of traits,
// or single fields. What is not here is judged by a rule of its own, or is drift.
var always = map[string]rule{
	"connections": moment, "programs": moment,
	"block_devices": machine, "logical_volumes": machine, "raid_arrays": machine, "kernel.modules": machine, "hardware": machine,
	"network.routes": site, "mysql.replicas": site, "postgresql.replicas": site,

	"name": own, "captured_at": moment, "captured_as": {Harmless, "what this user may not see is named as not compared"},
	"roles":   {Harmless, "it is what the config calls the host"},
	"os.name": {Harmless, "the release says it"}, "os.like": {Harmless, "the release says it"},
	"cpu.model": machine, "disks.device": machine, "disks.used_bytes": moment, "swaps.size_bytes": machine,
	"raid_arrays.degraded": {Drift, "an array runs without one of its disks"},

	"packages.manual": {Harmless, "the package is installed either way"}, "packages.origin": {Harmless, "the version says what it is"},
	"services.package": cause, "timers.cause": cause, "listeners.cause": cause, "listeners.package": cause, "cron_jobs.cause": cause,
	"cron_jobs.line": place, "sudo_rules.line": place, "authorized_keys.line": place, "virtual_hosts.line": place, "network.hosts.line": place, "secrets.line": place,
	"kernel.sysctl.file": place, "mysql.settings.source": place, "postgresql.settings.source": place, "redis.settings.source": place,
	"users.gecos": remark, "authorized_keys.comment": remark,

	"network.hostname": own, "network.fqdn": own, "network.interfaces": site, "network.interfaces.kind": machine, "network.interfaces.mac": machine,
	"network.interfaces.addresses": own, "network.resolver.servers": site, "time.ntp_servers": site,

	"certificates.not_before": renewal, "certificates.sha256": renewal,
	"releases.previous": {Harmless, "how many old releases are kept"}, "configuration.package": cause, "files.package": cause,
	"mysql.free_space_bytes": moment, "redis.memory_bytes": moment, "redis.replicas": moment,
}

// wholeKind are places of always that stand for a trait with all its fields.
var wholeKind = []string{"connections", "programs", "block_devices", "logical_volumes", "raid_arrays", "hardware", "network.routes", "mysql.replicas", "postgresql.replicas"}

var (
	kernelPackage = regexp.MustCompile(`^(linux-(image|headers|modules|modules-extra|tools|objects|kbuild|compiler|cloud-tools)-|kernel(-core|-modules|-modules-core|-modules-extra|-devel)? )`)
	// machinePackage is what a machine of another kind is driven and managed by.
	machinePackage = regexp.MustCompile(`^(qemu-guest-agent|open-vm-tools|do-agent|droplet-agent|cloud-(init|guest-utils|utils|image-utils|initramfs-growroot)|grub-\S+|grub2-\S+|shim-\S+|firmware-\S+|(intel|amd64)-microcode|microcode_ctl) `)
	machineUnit    = regexp.MustCompile(`^(systemd-fsck@|serial-getty@|getty@|lvm2-|ifup@|systemd-backlight@|mdadm|mdmonitor|cloud-|qemu-guest-agent|vmtoolsd|open-vm-tools|vgauth|do-agent|droplet-agent|smartd|smartmontools)`)
	bootMount      = regexp.MustCompile(`^/(boot|snap|run|var/lib/docker|var/lib/containers)(/|$)`)
	leftOver       = regexp.MustCompile(`(\.(dpkg-(old|dist|new|bak)|ucf-(old|dist)|rpm(save|new|orig))|~)$`)
	// siteFiles hold the host's own names, addresses, keys and ids: they are made
	// anew on a new host.
	siteFiles = regexp.MustCompile(`^/etc/(hostname|mailname|machine-id|hostid|network/interfaces(\.d/.*)?|netplan/.*|systemd/network/.*|sysconfig/network.*|NetworkManager/system-connections/.*|resolv\.conf|cloud/.*|udev/rules\.d/70-persistent-.*|iscsi/initiatorname\.iscsi|nvme/host(id|nqn)|ssh/ssh_host_.*|fstab|crypttab|mdadm/mdadm\.conf)$`)
	// listedFiles say what traits of their own say: there the order may differ.
	listedFiles = regexp.MustCompile(`^/etc/(passwd|group)$`)
	hostKey     = regexp.MustCompile(`^/etc/ssh/ssh_host_`)
	// bySize are settings that the kernel works out from the memory.
	bySize = regexp.MustCompile(`^(fs\.(file-max|inotify\..*|epoll\..*)|kernel\.(threads-max|pid_max|shm.*|sem)|user\..*|vm\.(min_free_kbytes|.*_reserve_kbytes)|net\.ipv4\.(tcp_mem|udp_mem|tcp_max_.*|tcp_rmem|tcp_wmem)|net\.netfilter\..*)$`)
	// ofPair are settings in which two MySQL servers that replicate from each
	// other cannot agree.
	ofPair = regexp.MustCompile(`^(server_id|server_uuid|gtid_domain_id|auto_increment_(offset|increment)|read_only|super_read_only|hostname|report_host)$`)
)

// judgeOnly is the class of a trait that only one side has.
func (p *pair) judgeOnly(side string, i traits.Item) (Class, string) {
	if r, ok := always[i.At]; ok {
		return r.class, r.why
	}
	switch i.At {
	case "packages":
		if kernelPackage.MatchString(i.Name) && p.old.system == p.new.system {
			return Expected, "the kernel's packages are named by its version"
		}
		if machinePackage.MatchString(i.Name) {
			return machine.class, machine.why
		}
	case "services", "timers":
		if machineUnit.MatchString(i.Name) {
			return machine.class, machine.why
		}
	case "disks":
		if bootMount.MatchString(i.Name) {
			return machine.class, machine.why
		}
	case "listeners":
		if f := strings.Fields(i.Name); len(f) == 3 {
			if p.drawn(side, i) {
				return moment.class, "the port is drawn by lot"
			}
			if f[0] == "udp" && (f[2] == "68" || f[2] == "546") {
				return site.class, "the address is asked for by DHCP"
			}
		}
	case "configuration", "files":
		switch {
		case leftOver.MatchString(i.Name):
			return Harmless, "an upgrade of packages left it behind"
		case siteFiles.MatchString(i.Name):
			return Expected, "the file's job is to hold what is the host's own"
		}
	case "secrets":
		if hostKey.MatchString(i.Name) {
			return own.class, own.why
		}
	case "mysql.variables", "mysql.settings":
		if p.old.name != p.new.name && ofPair.MatchString(i.Name) {
			return Expected, "two servers of a pair differ in it"
		}
	}
	return Drift, "the " + otherSide[side] + " " + lacking(i)
}

var otherSide = map[string]string{OnlyOld: "new side", OnlyNew: "old side"}

// lacking says what it means that a trait is not in an inventory that holds only
// what is worth it.
func lacking(i traits.Item) string {
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

// judge is the class of a field that both sides have.
func (p *pair) judge(was, is traits.Item, old, now traits.Value) (Class, string) {
	at := strings.TrimPrefix(was.At+"."+old.Field, ".")
	if was.Normal(old) == is.Normal(now) {
		return Expected, "only the hosts' names and addresses differ"
	}
	if r, ok := always[at]; ok {
		return r.class, r.why
	}
	if slices.Contains(wholeKind, was.At) {
		return always[was.At].class, always[was.At].why
	}
	if class, why, ok := p.special(at, was, old, now); ok {
		return class, why
	}
	if reordered(at, old, now) {
		return Harmless, "only the order differs"
	}
	return Drift, drifts[old.Field].or("the two sides should agree")
}

// special judges what no table can.
func (p *pair) special(at string, was traits.Item, old, now traits.Value) (Class, string, bool) {
	switch at {
	case "os.kernel":
		if p.old.system == p.new.system {
			return Expected, "another kernel of the same release", true
		}
	case "cpu.count", "memory.total_bytes", "disks.size_bytes":
		return size(old.Text, now.Text)
	case "packages.version", "mysql.version", "redis.version", "postgresql.version":
		return p.version(at, was, old.Text, now.Text)
	case "kernel.sysctl.value":
		if was.Get("set") == "" && bySize.MatchString(was.Name) {
			return machine.class, "the kernel works it out from the memory", true
		}
	case "mysql.variables.value", "mysql.settings.value":
		if p.old.name != p.new.name && ofPair.MatchString(was.Name) {
			return Expected, "two servers of a pair differ in it", true
		}
		if was.Name == "version" {
			return p.version(at, was, old.Text, now.Text)
		}
	case "certificates.not_after":
		if now.Text < old.Text { // both are RFC 3339, in UTC
			return Drift, "it ends earlier", true
		}
		return Harmless, "it was renewed", true
	case "fstab.device":
		if local(old.Text) && local(now.Text) {
			return machine.class, machine.why, true
		}
	case "secrets.token":
		if hostKey.MatchString(was.Name) {
			return own.class, own.why, true
		}
	}
	return "", "", false
}

// local is a device of the machine, not a file system of the network.
func local(device string) bool {
	return strings.HasPrefix(device, "UUID=") || strings.HasPrefix(device, "PARTUUID=") || strings.HasPrefix(device, "LABEL=") || strings.HasPrefix(device, "/dev/")
}

// slack is how much smaller, in percent, a size may be: firmware and kernel keep
// a part of a machine's memory for themselves.
const slack = 5

// size: the new side may have more.
func size(old, now string) (Class, string, bool) {
	before, err1 := strconv.ParseInt(old, 10, 64)
	after, err2 := strconv.ParseInt(now, 10, 64)
	switch {
	case err1 != nil || err2 != nil:
		return "", "", false
	case after >= before:
		return Expected, "the new machine has more", true
	case after > before/100*(100-slack):
		return Expected, "nearly the same size", true
	}
	return Drift, "the new machine has less", true
}

// inOrder are lists whose order counts.
var inOrder = []string{"firewall.rules", "network.resolver.search", "timers.schedule"}

func reordered(at string, old, now traits.Value) bool {
	return len(old.Lines) > 1 && !slices.Contains(inOrder, at) && slices.Equal(slices.Sorted(slices.Values(old.Lines)), slices.Sorted(slices.Values(now.Lines)))
}

type reason string

func (r reason) or(otherwise string) string {
	if r == "" {
		return otherwise
	}
	return string(r)
}

// drifts says what a difference of a field means, where its name does not.
var drifts = map[string]reason{
	"enabled": "it does not start at boot alike", "active": "it does not run alike", "held": "one side would be upgraded, the other not",
	"mode": "others may read, write or run it", "owner": "another user's file", "group": "another group's file",
	"token": "the secrets are not the same", "uid": "files that are copied by number change hands", "gid": "files that are copied by number change hands",
	"process": "another program listens there", "rules": "other packets pass",
}
