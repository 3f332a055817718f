package roles

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// Weights of the features that show the purpose of a host. A running server tells
// most, a manually installed package a little.
const (
	serverWeight    = 4.0
	serviceWeight   = 4.0
	containerWeight = 4.0
	listenerWeight  = 2.0
	releaseWeight   = 2.0
	packageWeight   = 1.0
	cronJobWeight   = 0.5
	systemWeight    = 0.5
	// baseFactor multiplies the weight of a program that every kind of host runs.
	baseFactor = 0.05
)

// features are the weights of what shows the purpose of a host, by name. They hold
// no host names, addresses, versions or sizes, as two web servers differ in those.
type features map[string]float64

// isRunning reports whether a feature is something that runs, not something that
// is merely installed.
func isRunning(feature string) bool {
	kind, _, _ := strings.Cut(feature, " ")
	return kind == "service" || kind == "listener" || kind == "container" || kind == "server"
}

var (
	versionPart  = regexp.MustCompile(`[-_]?v?\d+(\.\d+)*`)
	instancePart = regexp.MustCompile(`@.*$`)
)

// plainName returns a name without versions and instances: php8.2-fpm.service and
// php8.4-fpm.service have the same, and so have the clusters of PostgreSQL.
func plainName(name string) string {
	name = instancePart.ReplaceAllString(unitSuffix.ReplaceAllString(name, ""), "")
	return cmp.Or(versionPart.ReplaceAllString(name, ""), name)
}

var unitSuffix = regexp.MustCompile(`\.(service|socket)$`)

// baseProgram matches services and programs that any host may run, whatever its
// purpose.
var baseProgram = regexp.MustCompile(`^(` + strings.Join([]string{
	`systemd.*`, `init`, `dbus.*`, `getty`, `serial-getty`, `console-getty`, `ssh`, `sshd`, `cron`, `crond`, `anacron`, `atd`, `rsyslogd?`, `syslog-ng`, `auditd`, `journald`,
	`chrony`, `chronyd`, `ntp`, `ntpd`, `ntpsec`, `openntpd`, `unattended-upgrades`, `apt-.*`, `dnf-.*`, `packagekit`, `networking`, `network`, `ifup`, `NetworkManager.*`, `dhclient`, `dhcpcd`, `connmand`,
	`resolvconf`, `unbound-resolvconf`, `polkit`, `polkitd`, `udev`, `kmod.*`, `procps`, `keyboard-setup`, `console-setup`, `apparmor`, `selinux.*`, `e2scrub.*`, `fstrim`, `logrotate`, `man-db`, `motd.*`, `blk-availability`, `lvm.*`,
	`mdadm.*`, `mdmonitor`, `multipathd?`, `smartd`, `smartmontools`, `irqbalance`, `acpid`, `haveged`, `rngd?`, `rng-tools.*`, `cpufrequtils`, `tuned`, `qemu-guest-agent`, `open-vm-tools`, `vmtoolsd`, `vgauth`, `cloud-.*`, `do-agent`, `droplet-agent`, `snapd.*`, `ufw`, `nftables`, `iptables`,
	`ip6tables`, `netfilter-persistent`, `firewalld`, `fail2ban.*`, `sudo`, `postfix`, `exim`, `sendmail`, `master`, `nullmailer`, `rpcbind`, `rpc.*`, `nfs-(client|common|blkmap)`, `avahi.*`,
	`.*exporter`, `prometheus-node.*`, `zabbix-agentd?`, `snmpd`, `telegraf`, `collectd`, `munin-node`, `nrpe`, `nagios-nrpe-server`, `icinga`, `filebeat`, `metricbeat`, `fluent-?(bit|d)`, `promtail`, `vector`, `td-agent`, `datadog-agent`, `newrelic-infra`, `salt-minion`, `puppet`, `chef-client`, `consul`, `wazuh-agent`, `ossec.*`, `sysstat`, `acct`, `psacct`,
}, "|") + `)$`)

// featuresOf returns the features of a host.
func featuresOf(h *inventory.Host) features {
	f := features{}
	for _, s := range h.Services {
		f.addService(s)
	}
	for _, l := range h.Listeners {
		f.addListener(l)
	}
	for _, c := range h.Containers {
		image, _, _ := strings.Cut(c.Image, "@")
		if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
			image = image[:i]
		}
		f["container "+image] = containerWeight
	}
	if h.MySQL != nil {
		f["server mysql"] = serverWeight
	}
	if len(h.PostgreSQL) > 0 {
		f["server postgresql"] = serverWeight
	}
	if len(h.Redis) > 0 {
		f["server redis"] = serverWeight
	}
	for _, v := range h.VirtualHosts {
		f["server "+v.Server] = serverWeight
	}
	for _, r := range h.Releases {
		f["release "+string(r.Path)] = releaseWeight
	}
	for _, p := range h.Packages {
		if p.Manual && !strings.HasPrefix(p.Name, "linux-") {
			f["package "+plainName(p.Name)] = packageWeight
		}
	}
	for _, j := range h.CronJobs {
		if j.Cause.Kind != inventory.ByPackage {
			f["cron "+j.User+" "+j.Command] = cronJobWeight
		}
	}
	if h.OS.ID != "" {
		f["system "+h.OS.ID+" "+h.OS.Release] = systemWeight
	}
	return f
}

func (f features) addService(s inventory.Service) {
	if !strings.HasSuffix(s.Unit, ".service") || s.Enabled != "enabled" && s.Active != "active" {
		return
	}
	name := plainName(s.Unit)
	f["service "+name] = weightOf(name, serviceWeight)
}

// addListener adds a listener by protocol, port and program, whether other hosts
// can reach it or not.
func (f features) addListener(l inventory.Listener) {
	name := plainName(l.Process)
	where := fmt.Sprint(l.Port)
	if l.Port >= firstEphemeral {
		where = "any"
	}
	f[strings.TrimSpace("listener "+l.Protocol+" "+where+" "+name)] = weightOf(cmp.Or(name, "init"), listenerWeight)
}

// firstEphemeral is the first port that the kernel assigns to programs that do not
// ask for a certain one.
const firstEphemeral = 32768

func weightOf(name string, weight float64) float64 {
	if baseProgram.MatchString(name) {
		return weight * baseFactor
	}
	return weight
}

// Most hosts of a site run its agents. What nearly every host runs does not tell
// roles apart, unless the hosts run nothing else.
const (
	commonShare    = 0.8
	ownServerShare = 0.75
)

// discountCommon lowers the weight of what nearly every host runs, if most hosts
// also run another server.
func discountCommon(all []features) {
	count := map[string]int{}
	for _, f := range all {
		for name := range f {
			count[name]++
		}
	}
	common := func(name string) bool { return float64(count[name]) >= commonShare*float64(len(all)) }
	withOwnServer := 0
	for _, f := range all {
		for name, weight := range f {
			if isRunning(name) && weight >= listenerWeight && !common(name) {
				withOwnServer++
				break
			}
		}
	}
	if float64(withOwnServer) < ownServerShare*float64(len(all)) {
		return
	}
	for _, f := range all {
		for name := range f {
			if isRunning(name) && common(name) && f[name] >= listenerWeight {
				f[name] *= baseFactor
			}
		}
	}
}

func (f features) names() []string { return slices.Sorted(maps.Keys(f)) }
