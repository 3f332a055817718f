package inventory

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// ShowHost writes all of one host but the packages that are mere dependencies
// and the accounts of packages.
func ShowHost(w io.Writer, h *Host) error {
	t := newTable(w, "HOST", h.Name)
	t.row("roles", strings.Join(h.Roles, ", "))
	t.row("captured", h.CapturedAt.Format("2006-01-02 15:04:05 MST")+" as "+h.As)
	t.row("os", h.OS.Name)
	t.row("kernel", h.OS.Kernel+" "+h.OS.Architecture)
	t.row("hardware", strings.TrimSpace(strings.Join([]string{h.Hardware.Vendor, h.Hardware.Product, h.Hardware.Virtualization}, " ")))
	t.row("cpu", fmt.Sprintf("%d %s", h.CPU.Count, h.CPU.Model))
	t.row("memory", Bytes(h.Memory.Total)+", swap "+Bytes(h.Memory.Swap))
	t.row("time zone", h.Time.Zone)
	t.row("explained", h.Coverage.String())
	t.rows(len(h.Disks), func(i int) []string {
		d := h.Disks[i]
		return []string{d.Mount, d.Device, d.FS, Bytes(d.Used), Bytes(d.Size)}
	}, "MOUNT", "DEVICE", "TYPE", "USED", "SIZE")
	showSoftware(t, h)
	showRunning(t, h)
	showSystem(t, h)
	showData(t, h)
	showFiles(t, h)
	t.rows(len(h.Coverage.Unexplained), func(i int) []string { return []string{h.Coverage.Unexplained[i]} }, "UNEXPLAINED")
	t.rows(len(h.Secrets), func(i int) []string {
		s := h.Secrets[i]
		return []string{string(s.Path), line(s.Line), s.Kind, s.Key, s.Token}
	}, "SECRET TO SUPPLY", "LINE", "KIND", "SETTING", "TOKEN")
	t.rows(len(h.Missing), func(i int) []string {
		m := h.Missing[i]
		return []string{m.What, m.Reason, m.Detail}
	}, "MISSING", "REASON", "DETAIL")
	if err := t.end(); err != nil {
		return err
	}
	return showUnknown(w, []*Host{h})
}

func line(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func showSoftware(t *table, h *Host) {
	t.section("PACKAGE", "VERSION", "ARCHITECTURE", "ORIGIN")
	for _, p := range h.Packages {
		if p.Manual {
			version := p.Version
			if p.Held {
				version += " (held)"
			}
			t.row(p.Name, version, p.Architecture, p.Origin)
		}
	}
	t.rows(len(h.Repositories), func(i int) []string {
		r := h.Repositories[i]
		return []string{r.URL, strings.Join(r.Suites, " "), strings.Join(r.Components, " "), strings.Join(r.SignedBy, " "), r.File}
	}, "REPOSITORY", "SUITES", "COMPONENTS", "SIGNED BY", "FILE")
	t.rows(len(h.Languages), func(i int) []string {
		l := h.Languages[i]
		return []string{l.Name, l.Version, l.Manager, l.Folder}
	}, "LANGUAGE PACKAGE", "VERSION", "MANAGER", "FOLDER")
	t.rows(len(h.Releases), func(i int) []string {
		r := h.Releases[i]
		return []string{string(r.Path), r.Kind, r.Version, r.Remote}
	}, "RELEASE", "KIND", "VERSION", "REMOTE")
	t.rows(len(h.Containers), func(i int) []string {
		c := h.Containers[i]
		return []string{c.Name, c.Engine, c.Image, strconv.FormatBool(c.Running), strings.Join(c.Ports, " ")}
	}, "CONTAINER", "ENGINE", "IMAGE", "RUNNING", "PORTS")
}

func showRunning(t *table, h *Host) {
	t.section("UNIT", "ENABLED", "ACTIVE", "PACKAGE", "OVERRIDES")
	for _, s := range h.Services {
		pkg := s.Package
		if pkg == "" {
			pkg = s.File
		}
		t.row(s.Unit, s.Enabled, s.Active, pkg, strings.Join(s.Overrides, " "))
	}
	t.rows(len(h.Timers), func(i int) []string {
		x := h.Timers[i]
		return []string{x.Unit, x.Starts, strings.Join(x.Schedule, "; "), x.Enabled, x.Cause.String()}
	}, "TIMER", "STARTS", "SCHEDULE", "ENABLED", "FROM")
	t.rows(len(h.CronJobs), func(i int) []string {
		j := h.CronJobs[i]
		return []string{string(j.File), line(j.Line), j.User, j.Schedule, j.Command, j.Cause.String()}
	}, "CRON JOB", "LINE", "USER", "SCHEDULE", "COMMAND", "FROM")
	t.section("PROTOCOL", "ADDRESS", "PORT", "PROCESS", "PACKAGE", "UNIT", "FROM")
	for _, l := range h.Listeners {
		t.row(l.Protocol, l.Address, strconv.Itoa(l.Port), l.Process, l.Package, l.Unit, l.Cause.String())
	}
	t.rows(len(h.Programs), func(i int) []string {
		p := h.Programs[i]
		return []string{string(p.Path), string(p.Script), p.User, p.Unit, p.Cause.String()}
	}, "PROGRAM", "SCRIPT", "USER", "UNIT", "FROM")
	t.rows(len(h.Connections), func(i int) []string {
		c := h.Connections[i]
		return []string{c.Direction, c.Protocol, c.Peer, strconv.Itoa(c.Port), c.Process}
	}, "CONNECTION", "PROTOCOL", "PEER", "PORT", "PROCESS")
}

// String is "package nginx", or "unexplained".
func (c Cause) String() string {
	if !c.Explained() {
		return "unexplained"
	}
	return strings.TrimSpace(c.Kind + " " + c.Name)
}

func showSystem(t *table, h *Host) {
	t.rows(len(h.Network.Interfaces), func(i int) []string {
		n := h.Network.Interfaces[i]
		return []string{n.Name, n.Kind, strings.Join(n.Addresses, " ")}
	}, "INTERFACE", "KIND", "ADDRESSES")
	for _, f := range h.Firewall {
		t.section("FIREWALL " + f.Tool)
		for _, r := range f.Rules {
			t.row(strings.ReplaceAll(r, "\t", "  "))
		}
	}
	var people []Account
	for _, u := range h.Users {
		if u.loginShell() && (u.UID >= 1000 || u.UID == 0) {
			people = append(people, u)
		}
	}
	t.rows(len(people), func(i int) []string {
		u := people[i]
		return []string{u.Name, strconv.Itoa(u.UID), u.Home, u.Shell, strings.Join(u.Groups, " "), u.Password}
	}, "ACCOUNT", "UID", "HOME", "SHELL", "GROUPS", "PASSWORD")
	t.rows(len(h.AuthorizedKeys), func(i int) []string {
		k := h.AuthorizedKeys[i]
		return []string{k.User, k.Kind, k.Fingerprint, k.Comment}
	}, "MAY LOG IN AS", "KIND", "FINGERPRINT", "COMMENT")
	t.rows(len(h.Sudo), func(i int) []string {
		s := h.Sudo[i]
		return []string{string(s.File), line(s.Line), s.Text}
	}, "SUDO RULE", "LINE", "TEXT")
	t.rows(len(h.VirtualHosts), func(i int) []string {
		v := h.VirtualHosts[i]
		return []string{strings.Join(v.Names, " "), v.Server, strings.Join(v.Listen, " "), v.Root, strings.Join(v.Proxies, " "), string(v.File)}
	}, "SITE", "SERVER", "LISTENS", "ROOT", "PASSES ON TO", "FILE")
	t.rows(len(h.Certificates), func(i int) []string {
		c := h.Certificates[i]
		return []string{string(c.File), strings.Join(c.Names, " "), c.Until, c.Issuer}
	}, "CERTIFICATE", "NAMES", "UNTIL", "ISSUER")
}

func showData(t *table, h *Host) {
	showMySQL(t, h.MySQL)
	t.rows(len(h.Redis), func(i int) []string {
		r := h.Redis[i]
		return []string{r.Address, r.Version, r.Role, r.Upstream, Bytes(r.Memory)}
	}, "REDIS", "VERSION", "ROLE", "FROM", "MEMORY")
	for _, pg := range h.PostgreSQL {
		t.section("POSTGRESQL", strconv.Itoa(pg.Port), pg.Version)
		for _, d := range pg.Databases {
			t.row(d.Name, d.Owner, Bytes(d.Size))
		}
	}
}

func showMySQL(t *table, m *MySQL) {
	if m == nil {
		return
	}
	t.section("MYSQL", m.Version)
	t.row("socket", m.Socket)
	t.row("free space", Bytes(m.FreeSpace))
	for _, name := range sortedKeys(m.Variables) {
		t.row(name, m.Variables[name])
	}
	t.rows(len(m.Settings), func(i int) []string {
		return []string{m.Settings[i].Name, m.Settings[i].Value, m.Settings[i].Source}
	}, "NOT DEFAULT", "VALUE", "SET BY")
	t.section("SCHEMA", "TABLES", "SIZE", "ENGINES")
	for _, s := range m.Schemas {
		t.row(s.Name, strconv.Itoa(s.Tables), Bytes(s.Size), strings.Join(s.Engines, " "))
	}
	t.section("USER", "HOST")
	for _, u := range m.Users {
		t.row(u.User, u.Host)
	}
	t.rows(len(m.Grants), func(i int) []string { return []string{m.Grants[i].Account, m.Grants[i].Statement} }, "ACCOUNT", "GRANT")
	t.rows(len(m.Replicas), func(i int) []string {
		u := m.Replicas[i]
		return []string{u.Host, strconv.Itoa(u.Port), strconv.FormatBool(u.Running), strconv.FormatBool(u.GTID)}
	}, "REPLICATES FROM", "PORT", "RUNNING", "GTID")
}

func showFiles(t *table, h *Host) {
	for _, list := range []struct {
		title string
		files []File
	}{{"CONFIGURATION", h.Configuration}, {"FILE", h.Files}} {
		t.rows(len(list.files), func(i int) []string {
			f := list.files[i]
			sum := f.SHA256
			if sum == "" {
				sum = f.HMAC
			}
			return []string{string(f.Path), f.Kind, f.Mode, f.Owner + ":" + f.Group, Bytes(f.Size), fmt.Sprintf("%.12s", sum), f.Package}
		}, list.title, "KIND", "MODE", "OWNER", "SIZE", "HASH", "OF PACKAGE")
	}
}
