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

// Weights of what a host shows of its purpose. A server that it runs tells most;
// a package that somebody asked for tells a little.
const (
	ofServer    = 4.0
	ofService   = 4.0
	ofContainer = 4.0
	ofListener  = 2.0
	ofRelease   = 2.0
	ofPackage   = 1.0
	ofCronJob   = 0.5
	ofSystem    = 0.5
	// ofBase is the part of its weight that is left of what every kind of host runs.
	ofBase = 0.05
)

// features are what a host is for, with weights. They know no names, addresses,
// versions and sizes: two web servers differ in those.
type features map[string]float64

// is reports whether a feature is of what runs, not merely of what lies there.
func isServer(feature string) bool {
	kind, _, _ := strings.Cut(feature, " ")
	return kind == "service" || kind == "listener" || kind == "container" || kind == "server"
}

var (
	version  = regexp.MustCompile(`[-_]?v?\d+(\.\d+)*`)
	instance = regexp.MustCompile(`@.*$`)
)

// plainName is a name without versions and instances: php8.2-fpm.service and
// php8.4-fpm.service are one, and so are the clusters of PostgreSQL.
func plainName(name string) string {
	name = instance.ReplaceAllString(unitEnd.ReplaceAllString(name, ""), "")
	return cmp.Or(version.ReplaceAllString(name, ""), name)
}

var unitEnd = regexp.MustCompile(`\.(service|socket)$`)

// base are services and programs that any host may run, whatever it is for.
var base = regexp.MustCompile(`^(` + strings.Join([]string{
	`systemd.*`, `init`, `dbus.*`, `getty`, `serial-getty`, `console-getty`, `ssh`, `sshd`, `cron`, `crond`, `anacron`, `atd`, `rsyslogd?`, `syslog-ng`, `auditd`, `journald`,
	`chrony`, `chronyd`, `ntp`, `ntpd`, `ntpsec`, `openntpd`, `unattended-upgrades`, `apt-.*`, `dnf-.*`, `packagekit`, `networking`, `network`, `ifup`, `NetworkManager.*`, `dhclient`, `dhcpcd`, `connmand`,
	`resolvconf`, `unbound-resolvconf`, `polkit`, `polkitd`, `udev`, `kmod.*`, `procps`, `keyboard-setup`, `console-setup`, `apparmor`, `selinux.*`, `e2scrub.*`, `fstrim`, `logrotate`, `man-db`, `motd.*`, `blk-availability`, `lvm.*`,
	`mdadm.*`, `mdmonitor`, `multipathd?`, `smartd`, `smartmontools`, `irqbalance`, `acpid`, `haveged`, `rngd?`, `rng-tools.*`, `cpufrequtils`, `tuned`, `qemu-guest-agent`, `open-vm-tools`, `vmtoolsd`, `vgauth`, `cloud-.*`, `do-agent`, `droplet-agent`, `snapd.*`, `ufw`, `nftables`, `iptables`,
	`ip6tables`, `netfilter-persistent`, `firewalld`, `fail2ban.*`, `sudo`, `postfix`, `exim`, `sendmail`, `master`, `nullmailer`, `rpcbind`, `rpc.*`, `nfs-(client|common|blkmap)`, `avahi.*`,
	`.*exporter`, `prometheus-node.*`, `zabbix-agentd?`, `snmpd`, `telegraf`, `collectd`, `munin-node`, `nrpe`, `nagios-nrpe-server`, `icinga`, `filebeat`, `metricbeat`, `fluent-?(bit|d)`, `promtail`, `vector`, `td-agent`, `datadog-agent`, `newrelic-infra`, `salt-minion`, `puppet`, `chef-client`, `consul`, `wazuh-agent`, `ossec.*`, `sysstat`, `acct`, `psacct`,
}, "|") + `)$`)

// featuresOf lists what a host is for.
func featuresOf(h *inventory.Host) features {
	f := features{}
	for _, s := range h.Services {
		f.service(s)
	}
	for _, l := range h.Listeners {
		f.listener(l)
	}
	for _, c := range h.Containers {
		image, _, _ := strings.Cut(c.Image, "@")
		if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
			image = image[:i]
		}
		f["container "+image] = ofContainer
	}
	if h.MySQL != nil {
		f["server mysql"] = ofServer
	}
	if len(h.PostgreSQL) > 0 {
		f["server postgresql"] = ofServer
	}
	if len(h.Redis) > 0 {
		f["server redis"] = ofServer
	}
	for _, v := range h.VirtualHosts {
		f["server "+v.Server] = ofServer
	}
	for _, r := range h.Releases {
		f["release "+string(r.Path)] = ofRelease
	}
	for _, p := range h.Packages {
		if p.Manual && !strings.HasPrefix(p.Name, "linux-") {
			f["package "+plainName(p.Name)] = ofPackage
		}
	}
	for _, j := range h.CronJobs {
		if j.Cause.Kind != inventory.ByPackage {
			f["cron "+j.User+" "+j.Command] = ofCronJob
		}
	}
	if h.OS.ID != "" {
		f["system "+h.OS.ID+" "+h.OS.Release] = ofSystem
	}
	return f
}

func (f features) service(s inventory.Service) {
	if !strings.HasSuffix(s.Unit, ".service") || s.Enabled != "enabled" && s.Active != "active" {
		return
	}
	name := plainName(s.Unit)
	f["service "+name] = weigh(name, ofService)
}

// listener: what is open to other hosts, and what waits for programs of its own.
func (f features) listener(l inventory.Listener) {
	name := plainName(l.Process)
	where := fmt.Sprint(l.Port)
	if l.Port >= firstEphemeral {
		where = "any"
	}
	f[strings.TrimSpace("listener "+l.Protocol+" "+where+" "+name)] = weigh(cmp.Or(name, "init"), ofListener)
}

// firstEphemeral is the first port that programs get who ask for any.
const firstEphemeral = 32768

func weigh(name string, weight float64) float64 {
	if base.MatchString(name) {
		return weight * ofBase
	}
	return weight
}

// Most hosts of a site run its agents: what nearly every host runs tells
// nothing, unless the hosts run nothing else.
const (
	nearlyAll = 0.8
	mostHave  = 0.75
)

// discount takes weight from what nearly every host runs, where most hosts still
// run a server besides.
func discount(all []features) {
	count := map[string]int{}
	for _, f := range all {
		for name := range f {
			count[name]++
		}
	}
	common := func(name string) bool { return float64(count[name]) >= nearlyAll*float64(len(all)) }
	have := 0
	for _, f := range all {
		for name, weight := range f {
			if isServer(name) && weight >= ofListener && !common(name) {
				have++
				break
			}
		}
	}
	if float64(have) < mostHave*float64(len(all)) {
		return
	}
	for _, f := range all {
		for name := range f {
			if isServer(name) && common(name) && f[name] >= ofListener {
				f[name] *= ofBase
			}
		}
	}
}

func (f features) names() []string { return slices.Sorted(maps.Keys(f)) }
