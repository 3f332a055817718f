package capture

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// tunables are the kernel settings that matter to every server, even if no file
// sets them.
var tunables = strings.Fields(`fs.file-max kernel.pid_max kernel.shmmax net.core.somaxconn net.core.rmem_max net.core.wmem_max
	net.ipv4.ip_forward net.ipv4.ip_local_port_range net.ipv4.tcp_max_syn_backlog net.ipv4.tcp_tw_reuse net.ipv4.tcp_congestion_control
	net.ipv4.tcp_fin_timeout net.ipv6.conf.all.disable_ipv6 net.ipv6.conf.all.forwarding vm.max_map_count vm.nr_hugepages
	vm.overcommit_memory vm.swappiness net.netfilter.nf_conntrack_max`)

// kernel reads the loaded modules. The settings are read later, by sysctl, when the
// files that set them are known.
func (p *parser) kernel() {
	p.parse("modules", func(text string) error {
		for _, line := range lines(text) {
			p.host.Kernel.Modules = append(p.host.Kernel.Modules, strings.Fields(line)[0])
		}
		slices.Sort(p.host.Kernel.Modules)
		return nil
	})
}

// sysctl joins the kernel's present settings with the files that set them.
func (p *parser) sysctl() {
	set := map[string]inventory.Sysctl{}
	for _, key := range tunables {
		set[key] = inventory.Sysctl{Key: key}
	}
	for _, file := range slices.Sorted(maps.Keys(p.contents)) {
		if file != "/etc/sysctl.conf" && !strings.HasPrefix(file, "/etc/sysctl.d/") {
			continue
		}
		for _, line := range lines(p.contents[file]) {
			key, value, ok := strings.Cut(line, "=")
			key = strings.ReplaceAll(strings.TrimPrefix(strings.TrimSpace(key), "-"), "/", ".")
			if ok && key != "" && !strings.ContainsAny(key[:1], "#;") {
				set[key] = inventory.Sysctl{Key: key, Set: strings.Join(strings.Fields(value), " "), File: file}
			}
		}
	}
	p.parse("sysctl", func(text string) error {
		for _, line := range lines(text) {
			key, value, _ := strings.Cut(line, " = ")
			if s, ok := set[key]; ok {
				s.Value = strings.Join(strings.Fields(value), " ")
				set[key] = s
			}
		}
		return nil
	})
	for _, key := range slices.Sorted(maps.Keys(set)) {
		if s := set[key]; s.Value != "" || s.File != "" {
			p.host.Kernel.Settings = append(p.host.Kernel.Settings, s)
		}
	}
}

// limits reads limits.conf(5).
func (p *parser) limits(file, text string) {
	for _, line := range lines(text) {
		f := strings.Fields(line)
		if len(f) >= 4 && !strings.HasPrefix(f[0], "#") {
			p.host.Kernel.Limits = append(p.host.Kernel.Limits, inventory.Limit{File: file, Domain: f[0], Type: f[1], Item: f[2], Value: f[3]})
		}
	}
}

// time reads the zone and the clock.
func (p *parser) time() {
	p.parse("time", func(text string) error {
		t := &p.host.Time
		for _, line := range lines(text) {
			key, value, _ := strings.Cut(strings.Replace(line, "=", " ", 1), " ")
			switch key {
			case "now":
				now, err := strconv.ParseInt(value, 10, 64)
				if err != nil {
					return fmt.Errorf("read clock: %w", err)
				}
				if off := now - p.answeredAt.Unix(); off >= inventory.ClockSlack || off <= -p.maxBehind() {
					t.Off = off
				}
			case "link":
				if _, zone, ok := strings.Cut(value, "zoneinfo/"); ok {
					t.Zone = zone
				}
			case "zone":
				t.Zone = cmp.Or(t.Zone, value)
			case "NTPSynchronized":
				yes := value == "yes"
				t.Synchronized = &yes
			}
		}
		return nil
	})
}

var ntpServer = regexp.MustCompile(`^\s*(?:server|pool|peer)\s+(\S+)`)

// ntp reads the time servers from a file of chrony, ntpd or systemd-timesyncd.
func (p *parser) ntp(file, text string) {
	for _, line := range lines(text) {
		if m := ntpServer.FindStringSubmatch(line); m != nil {
			p.host.Time.Servers = append(p.host.Time.Servers, m[1])
		} else if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && strings.HasSuffix(file, "timesyncd.conf") && key == "NTP" {
			p.host.Time.Servers = append(p.host.Time.Servers, strings.Fields(value)...)
		}
	}
	slices.Sort(p.host.Time.Servers)
	p.host.Time.Servers = slices.Compact(p.host.Time.Servers)
}

// maxBehind returns how many seconds a correct clock may seem to be behind: the host
// read it some time between the start of the script and the answer.
func (p *parser) maxBehind() int64 { return inventory.ClockSlack + int64(p.duration.Seconds()) }

// osRelease reads os-release(5).
func (p *parser) osRelease(text string) error {
	values := map[string]string{}
	for _, line := range lines(text) {
		if key, value, ok := strings.Cut(line, "="); ok {
			values[key] = unquote(value)
		}
	}
	o := &p.host.OS
	o.ID, o.Release = values["ID"], values["VERSION_ID"]
	o.Codename, o.Name, o.Like = values["VERSION_CODENAME"], values["PRETTY_NAME"], values["ID_LIKE"]
	if o.ID == "" {
		return errors.New("os-release has no ID")
	}
	return nil
}

var shellEscape = regexp.MustCompile(`\\(.)`)

// unquote removes the quotes and escapes of a shell word.
func unquote(word string) string {
	word = strings.TrimSpace(word)
	if n := len(word); n >= 2 && (word[0] == '"' || word[0] == '\'') && word[n-1] == word[0] {
		word = word[1 : n-1]
	}
	return shellEscape.ReplaceAllString(word, "$1")
}

// machine reads lines of a key and a value.
func (p *parser) machine(text string) error {
	h := p.host
	for _, line := range lines(text) {
		key, value, _ := strings.Cut(line, " ")
		value = strings.Join(strings.Fields(value), " ")
		var err error
		switch key {
		case "kernel":
			h.OS.Kernel = value
		case "architecture":
			h.OS.Architecture = value
		case "user":
			h.As = value
		case "init":
			h.OS.Init = value
		case "locale":
			h.OS.Locale = unquote(value)
		case "virtualization":
			h.Hardware.Virtualization = value
		case "vendor":
			h.Hardware.Vendor = value
		case "product":
			h.Hardware.Product = value
		case "security":
			h.Kernel.Security = append(h.Kernel.Security, value)
		case "cpus":
			h.CPU.Count, err = strconv.Atoi(value)
		case "cpu":
			h.CPU.Model = value
		case "MemTotal":
			h.Memory.Total, err = kibibytes(value)
		case "SwapTotal":
			h.Memory.Swap, err = kibibytes(value)
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
	}
	if h.OS.Kernel == "" || h.CPU.Count < 1 || h.Memory.Total == 0 {
		return errors.New("no kernel, count of processors or memory")
	}
	return nil
}

func kibibytes(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 52)
	return n << 10, err
}
