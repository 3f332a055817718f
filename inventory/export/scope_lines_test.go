package export_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
)

// scopeLines returns what an export should restore of a host, in lines, so that a test's
// output shows the differences. What belongs to the hardware or one host is left out.
func scopeLines(t *testing.T, h *inventory.Host, objects *inventory.Objects) []string {
	t.Helper()
	var all []string
	add := func(kind string, values ...any) {
		all = append(all, strings.TrimSpace(kind+" "+fmt.Sprintln(values...)))
	}
	for _, p := range h.Packages {
		add("package", p)
	}
	for _, r := range h.Repositories {
		add("repository", r)
	}
	for _, s := range h.Services {
		if s.Package == "cloud-init" { // it runs on the droplet only
			continue
		}
		add("service", s)
	}
	for _, x := range h.Timers {
		if x.Enabled == "masked" { // a timer that ran when it was masked counts as failed
			x.Active = ""
		}
		add("timer", x)
	}
	for _, c := range h.CronJobs {
		add("cron", c)
	}
	for _, u := range h.Users {
		add("user", u)
	}
	for _, g := range h.Groups {
		add("group", g)
	}
	for _, k := range h.AuthorizedKeys { // the line numbers differ, as each key is in a block
		add("key", k.User, k.File, k.Public, k.Options, k.Comment)
	}
	for _, l := range h.Sudo {
		add("sudo", l)
	}
	for _, l := range h.Listeners {
		add("listener", l)
	}
	for _, p := range h.Programs {
		add("program", p)
	}
	for _, s := range h.Kernel.Settings {
		if s.Set != "" {
			add("sysctl", s)
		}
	}
	add("kernel", h.Kernel.Limits, h.Kernel.Persistent)
	add("firewall", h.Firewall)
	add("zone", h.Time.Zone)
	for _, l := range h.Network.Hosts {
		if !strings.HasPrefix(l.Address, "127.") {
			add("hosts", l)
		}
	}
	for _, v := range h.VirtualHosts {
		add("site", v)
	}
	for _, f := range h.Configuration {
		switch f.Path {
		case "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/hosts": // compared in parts above
			continue
		}
		if strings.HasPrefix(string(f.Path), "/etc/ssh/ssh_host_") || strings.HasPrefix(string(f.Path), "/etc/cloud/") || f.Path == "/etc/ssh/sshd_config.d/50-cloud-init.conf" {
			continue
		}
		text := ""
		if f.Content != "" {
			contents, err := objects.Get(f.Content)
			require.NoError(t, err)
			text = string(contents)
		}
		if len(text) > 2000 { // the hash is compared
			text = ""
		}
		add("file", fmt.Sprintf("%q", f.Path), f.Kind, f.Mode, f.Owner, f.Group, f.Target, f.Package, f.SHA256, f.HMAC, fmt.Sprintf("%q", text))
	}
	for _, s := range h.Secrets {
		if strings.HasSuffix(string(s.Path), "/.ssh/authorized_keys") {
			s.Line = 0
		}
		add("secret", s)
	}
	require.Greater(t, len(all), 200)
	return all
}
