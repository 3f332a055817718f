package diff

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dcmigrate/migrate/inventory"
)

func capturedHost(t require.TestingT) *inventory.Host {
	text, err := os.ReadFile("../../testdata/hosts/db1.json")
	require.NoError(t, err)
	h := &inventory.Host{}
	require.NoError(t, json.Unmarshal(text, h))
	h.Missing = nil // as if all had been seen
	return h
}

func sideOf(h *inventory.Host) Side {
	return Side{Label: h.Name, Hosts: []*inventory.Host{h}}
}

// A host does not differ from itself, even if parts are missing and several traits
// have the same name.
func TestHostEqualsItself(t *testing.T) {
	h := capturedHost(t)
	h.Missing = append(h.Missing, inventory.Missing{What: "listeners", Reason: inventory.Denied})
	h.CronJobs = append(h.CronJobs, h.CronJobs...)
	r := Compare(sideOf(h), sideOf(h))
	require.Empty(t, r.Differences)
	require.Contains(t, r.NotCompared, NotCompared{Host: h.Name, What: "listeners", Side: Both, Reason: inventory.Denied})
	r = Compare(Side{Label: "a", Kind: Role, Hosts: []*inventory.Host{h, h}}, sideOf(h))
	require.Empty(t, r.Differences)
}

// changes are single changes of a captured host, with the class of the difference.
var changes = []struct {
	name   string
	change func(h *inventory.Host)
	at     string
	class  Class
	why    string
}{
	{"nothing is left out: a package", func(h *inventory.Host) { h.Packages = h.Packages[1:] }, "packages", Drift, "lacks it"},
	{"another version", func(h *inventory.Host) { h.Packages[0].Version = "9:99.1-1" }, "packages.version", Drift, "upstream"},
	{"a new packaging", func(h *inventory.Host) { h.Packages[0].Version += "+deb12u9" }, "packages.version", Harmless, "packaged anew"},
	{"a kernel's package", func(h *inventory.Host) {
		h.Packages = append(h.Packages, inventory.Package{Name: "linux-image-6.1.0-99-amd64", Architecture: "amd64"})
	}, "packages", Expected, "kernel"},
	{"an agent of the vendor", func(h *inventory.Host) {
		h.Packages = append(h.Packages, inventory.Package{Name: "droplet-agent", Architecture: "amd64"})
	}, "packages", Expected, "machine"},
	{"a file that the config names", func(h *inventory.Host) {
		h.Files = append(h.Files, inventory.File{Path: "/srv/new"})
	}, "files", Drift, "lacks it"},
	{"held", func(h *inventory.Host) { h.Packages[0].Held = true }, "packages.held", Drift, ""},
	{"a dependency", func(h *inventory.Host) { h.Packages[0].Manual = !h.Packages[0].Manual }, "packages.manual", Harmless, ""},
	{"another origin", func(h *inventory.Host) { h.Packages[0].Origin = "elsewhere" }, "packages.origin", Harmless, ""},
	{"not enabled", func(h *inventory.Host) { h.Services[0].Enabled = "disabled" }, "services.enabled", Drift, "boot"},
	{"not running", func(h *inventory.Host) { h.Services[0].Active = "inactive" }, "services.active", Drift, "run"},
	{"no listener", func(h *inventory.Host) { h.Listeners = h.Listeners[1:] }, "listeners", Drift, ""},
	{"mode of a file", func(h *inventory.Host) { h.Configuration[0].Mode = "0777" }, "configuration.mode", Drift, ""},
	{"owner of a file", func(h *inventory.Host) { h.Configuration[0].Owner = "nobody" }, "configuration.owner", Drift, ""},
	{"hash of a file", func(h *inventory.Host) { h.Configuration[0].HMAC, h.Configuration[0].Content = "0", "" }, "configuration", Drift, "hashes"},
	{"a user", func(h *inventory.Host) { h.Users[0].Shell = "/bin/zsh" }, "users.shell", Drift, ""},
	{"a user's remark", func(h *inventory.Host) { h.Users[0].Gecos = "x" }, "users.gecos", Harmless, ""},
	{"a group's number", func(h *inventory.Host) { h.Groups[0].GID = 77 }, "groups.gid", Drift, "by number"},
	{"sudo", func(h *inventory.Host) {
		h.Sudo = append(h.Sudo, inventory.Line{File: "/etc/sudoers", Text: "x ALL=ALL"})
	}, "sudo_rules", Drift, ""},
	{"a key", func(h *inventory.Host) {
		h.AuthorizedKeys = append(h.AuthorizedKeys, inventory.AuthorizedKey{User: "root"})
	}, "authorized_keys", Drift, ""},
	{"cron", func(h *inventory.Host) { h.CronJobs[0].Schedule = "@daily" }, "cron_jobs", Drift, ""},
	{"a line of cron", func(h *inventory.Host) { h.CronJobs[0].Line += 7 }, "cron_jobs.line", Harmless, "place"},
	{"sysctl", func(h *inventory.Host) { h.Kernel.Settings[0].Value = "x" }, "kernel.sysctl.value", Drift, ""},
	{"firewall", func(h *inventory.Host) { h.Firewall = append(h.Firewall, inventory.RuleSet{Tool: "nft"}) }, "firewall", Drift, ""},
	{"mysql", func(h *inventory.Host) { h.MySQL.Variables["sql_mode"] = "x" }, "mysql.variables.value", Drift, ""},
	{"read only since", func(h *inventory.Host) { h.MySQL.Variables["read_only"] = "since" }, "mysql.variables.value", Drift, ""},
	{"a schema", func(h *inventory.Host) { h.MySQL.Schemas = append(h.MySQL.Schemas, inventory.Schema{Name: "new"}) }, "mysql.schemas", Drift, ""},
	{"a kernel", func(h *inventory.Host) { h.OS.Kernel = "7.0" }, "os.kernel", Expected, "same release"},
	{"the time", func(h *inventory.Host) { h.CapturedAt = time.Unix(1, 0) }, "captured_at", Expected, ""},
	{"a connection", func(h *inventory.Host) {
		h.Connections = append(h.Connections, inventory.Connection{Peer: "192.0.2.1"})
	}, "connections", Expected, ""},
	{"a process", func(h *inventory.Host) { h.Programs = append(h.Programs, inventory.Program{Path: "/bin/x"}) }, "programs", Expected, ""},
	{"used space", func(h *inventory.Host) { h.Disks[0].Used += 1 << 30 }, "disks.used_bytes", Expected, ""},
	{"a smaller disk", func(h *inventory.Host) { h.Disks[0].Size /= 2 }, "disks.size_bytes", Drift, "less"},
	{"more memory", func(h *inventory.Host) { h.Memory.Total *= 2 }, "memory.total_bytes", Expected, "more"},
	{"a network card", func(h *inventory.Host) { h.Network.Interfaces[0].MAC = "x" }, "network.interfaces.mac", Expected, ""},
	{"the time zone", func(h *inventory.Host) { h.Time.Zone = "Asia/Tokyo" }, "time.zone", Drift, ""},
	{"a high port", func(h *inventory.Host) {
		h.Listeners = append(h.Listeners, inventory.Listener{Protocol: "tcp", Address: "*", Port: 50051, Process: "grpc"})
	}, "listeners", Drift, ""},
	{"an administrator's script of the network", func(h *inventory.Host) {
		h.Configuration = append(h.Configuration, inventory.File{Path: "/etc/network/if-pre-up.d/iptables"})
	}, "configuration", Drift, ""},
	{"an interface", func(h *inventory.Host) {
		h.Configuration = append(h.Configuration, inventory.File{Path: "/etc/network/interfaces.d/eth1"})
	}, "configuration", Expected, "own"},
	{"left behind", func(h *inventory.Host) {
		h.Configuration = append(h.Configuration, inventory.File{Path: "/etc/x.dpkg-old"})
	}, "configuration", Harmless, "upgrade"},
	{"a secret", func(h *inventory.Host) {
		h.Secrets = append(h.Secrets, inventory.Secret{Path: "/etc/x", Kind: "password", Token: "migrate-secret-1"})
	}, "secrets", Drift, ""},
}

// Each change is a difference of its class with a reason, and the same in the other
// direction.
func TestClasses(t *testing.T) {
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			before, after := capturedHost(t), capturedHost(t)
			require.NotEmpty(t, before.Listeners, "the captured host has it all")
			c.change(after)
			r := Compare(sideOf(before), sideOf(after))
			require.NotEmpty(t, r.Differences)
			d := r.Differences[0]
			require.Equal(t, c.at, d.At)
			require.Equal(t, c.class, d.Class, d.Why)
			require.Contains(t, d.Why, c.why)
			require.NotEmpty(t, d.Why)
			require.NotEqual(t, d.Old+d.Only, d.New)
			requireMirrored(t, r, Compare(sideOf(after), sideOf(before)))
		})
	}
}

// directedFields are places where more is fine and less is not.
var directedFields = []string{"cpu.count", "memory.total_bytes", "disks.size_bytes", "certificates.not_after", "packages.version"}

// requireMirrored requires that the report in the other direction has the same
// differences.
func requireMirrored(t require.TestingT, r, m *Report) {
	require.Len(t, m.Differences, len(r.Differences))
	type half struct {
		at, what, only, old, new string
		class                    Class
	}
	other := map[string]string{OnlyOld: OnlyNew, OnlyNew: OnlyOld}
	found := map[half]int{}
	class := func(d Difference) Class {
		for _, at := range directedFields {
			if d.At == at {
				return ""
			}
		}
		return d.Class
	}
	for _, d := range r.Differences {
		found[half{d.At, d.What, d.Only, d.Old, d.New, class(d)}]++
	}
	for _, d := range m.Differences {
		found[half{d.At, d.What, other[d.Only], d.New, d.Old, class(d)}]--
	}
	for h, n := range found {
		require.Zero(t, n, "%+v", h)
	}
}

// Any set of changes is the same in both directions, and a host equals itself.
func TestAnyTwoHostsMirror(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := []*inventory.Host{capturedHost(t), capturedHost(t)}
		for i, h := range hosts {
			for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(changes)-1), 0, 8, rapid.ID).Draw(t, []string{"old", "new"}[i]) {
				changes[n].change(h)
			}
			if rapid.Bool().Draw(t, "missing") {
				h.Missing = append(h.Missing, inventory.Missing{What: "packages", Reason: inventory.TimedOut})
			}
		}
		requireMirrored(t, Compare(sideOf(hosts[0]), sideOf(hosts[1])), Compare(sideOf(hosts[1]), sideOf(hosts[0])))
		require.Empty(t, Compare(sideOf(hosts[0]), sideOf(hosts[0])).Differences)
	})
}

// clonedHosts returns web1 and its clone on the new site, which has another name,
// other addresses, and files that follow from those.
func clonedHosts(t *testing.T) (old, now *inventory.Host, objects *inventory.Objects) {
	objects = inventory.NewObjects(t.TempDir())
	file := func(path, text, sha string) inventory.File {
		name, err := objects.Put([]byte(text))
		require.NoError(t, err)
		return inventory.File{Path: inventory.Text(path), Kind: "file", Mode: "0644", SHA256: sha, Content: name}
	}
	host := func(name, address, db, more string) *inventory.Host {
		return &inventory.Host{
			Name: name, OS: inventory.OS{ID: "debian", Release: "12"},
			Network: inventory.Network{
				Hostname: name, FQDN: name + ".example.com",
				Interfaces: []inventory.Interface{{Name: "eth0", Addresses: []string{address + "/24"}}},
				Hosts:      []inventory.HostsLine{{Address: address, Names: []string{name}}},
			},
			Listeners: []inventory.Listener{{Protocol: "tcp", Address: address, Port: 80, Process: "nginx"}},
			Configuration: []inventory.File{
				file("/etc/nginx/own.conf", "listen "+address+":80;\nserver_name "+name+";\n", address),
				file("/etc/app/db.conf", "host = "+db+"\n", db),
				file("/etc/app/more.conf", "# of "+more+"\nkey = migrate-secret-0000000000000001\n", more),
				file("/etc/app/real.conf", "a = 1\nb = "+more+"\n", "r"+more),
			},
		}
	}
	return host("web1", "10.0.0.1", "10.0.0.9", "one"), host("web1-clone", "192.0.2.1", "192.0.2.9", "two"), objects
}

func TestCloneIsExpected(t *testing.T) {
	old, now, objects := clonedHosts(t)
	before, after := sideOf(old), sideOf(now)
	before.Objects, after.Objects = objects, objects
	before.Peers = map[string][]netip.Addr{"db1": {netip.MustParseAddr("10.0.0.9")}}
	after.Peers = map[string][]netip.Addr{"db1": {netip.MustParseAddr("192.0.2.9")}}
	r := Compare(before, after)
	classes := map[string]Class{}
	for _, d := range r.Differences {
		classes[d.What] = d.Class
		if strings.Contains(d.What, "real.conf") {
			require.Equal(t, "--- old\n+++ new\n@@ -1,2 +1,2 @@\n a = 1\n-b = one\n+b = two\n", d.Lines)
		}
	}
	require.Equal(t, Expected, classes["configuration /etc/nginx/own.conf: contents"])
	require.Equal(t, Expected, classes["configuration /etc/app/db.conf: contents"])
	require.Equal(t, Harmless, classes["configuration /etc/app/more.conf: contents"])
	require.Equal(t, Drift, classes["configuration /etc/app/real.conf: contents"])
	require.Equal(t, 1, r.Count(Drift), "%+v", r.Differences)
	before.Peers["web1"] = []netip.Addr{netip.MustParseAddr("203.0.113.1")} // its own address outside of a NAT
	old.Configuration[3].Content, _ = objects.Put([]byte("a = 1\nb = 203.0.113.1\n"))
	now.Configuration[3].Content, _ = objects.Put([]byte("a = 1\nb = 192.0.2.1\n"))
	require.Zero(t, Compare(before, after).Count(Drift))
	after.Peers = nil // now the two addresses are not known to be the same host's
	require.Equal(t, 1, Compare(before, after).Count(Drift))
}

func TestWhatIsMissingIsNotCompared(t *testing.T) {
	before, after := capturedHost(t), capturedHost(t)
	after.Packages, after.Listeners = nil, nil
	after.Missing = []inventory.Missing{{What: "packages", Reason: inventory.TimedOut, Detail: "it took too long"}}
	r := Compare(sideOf(before), sideOf(after))
	require.Equal(t, []NotCompared{{
		Host: before.Name, What: "packages", Side: OnlyNew, Reason: inventory.TimedOut, Detail: "it took too long", Hides: len(before.Packages),
	}}, r.NotCompared)
	require.Equal(t, len(before.Listeners), r.Count(Drift), "what was captured is compared")
	after.Users[0].Password = ""
	after.Missing = append(after.Missing, inventory.Missing{What: "passwords", Reason: inventory.Denied})
	require.Equal(t, len(before.Listeners), Compare(sideOf(before), sideOf(after)).Count(Drift))
	after.Configuration[0].SHA256, after.Configuration[0].HMAC, after.Configuration[0].Content = "x", "", ""
	r = Compare(sideOf(before), sideOf(after))
	require.Equal(t, len(before.Listeners), r.Count(Drift), "%+v", r.Differences)
	require.Contains(t, r.NotCompared[len(r.NotCompared)-1].Detail, "different kinds")
}

// The capture looked for the file, so it is known to be absent.
func TestAbsentFileIsDrift(t *testing.T) {
	before, after := capturedHost(t), capturedHost(t)
	require.NotEmpty(t, before.Files)
	gone := after.Files[0].Path
	after.Files = after.Files[1:]
	after.Missing = []inventory.Missing{{What: string(gone), Reason: inventory.Absent, Detail: "no such file"}}
	r := Compare(sideOf(before), sideOf(after))
	require.NotZero(t, r.Count(Drift))
	require.Empty(t, r.NotCompared)
	after.Missing[0].Reason = inventory.Denied
	r = Compare(sideOf(before), sideOf(after))
	require.Zero(t, r.Count(Drift))
	require.NotEmpty(t, r.NotCompared)
}

func TestCapturesAreComparedByName(t *testing.T) {
	old, now := capturedHost(t), capturedHost(t)
	onlyOld, onlyNew := &inventory.Host{Name: "gone", Version: inventory.Version + 1}, &inventory.Host{Name: "made", Unknown: []string{"colour"}}
	now.Services[0].Active = "inactive"
	before := Side{Label: "before", Kind: Capture, Hosts: []*inventory.Host{old, onlyOld}}
	after := Side{Label: "after", Kind: Capture, Hosts: []*inventory.Host{now, onlyNew}}
	r := Compare(before, after)
	var what []string
	for _, d := range r.Differences {
		what = append(what, d.What+" "+d.Only)
	}
	require.Equal(t, []string{"service " + now.Services[0].Unit + ": active ", "host gone old", "host made new"}, what)
	require.Equal(t, []string{"the inventory of gone is of a newer migrate", "the inventory of made is of a newer migrate; passed over: colour"}, r.Notes)
	require.Equal(t, 1, len(Compare(before, sideOf(now)).Differences), "a host is looked for in the capture")
}

func TestRolesAreComparedAsMostAre(t *testing.T) {
	a, b, c := capturedHost(t), capturedHost(t), capturedHost(t)
	a.Name, b.Name, c.Name = "a", "b", "c"
	c.Services[0].Active = "inactive"
	r := Compare(Side{Label: "role:db", Kind: Role, Hosts: []*inventory.Host{a, b, c}}, sideOf(c))
	require.Equal(t, 1, r.Count(Drift), "%+v", r.Differences)
	require.Equal(t, "role:db → c", r.Differences[0].Host)
}

// A file that is configuration and that the config names is reported once.
func TestFileIsReportedOnce(t *testing.T) {
	host := func(mode string, more ...inventory.File) *inventory.Host {
		files := append([]inventory.File{{Path: "/etc/x", Kind: "file", Mode: mode}}, more...)
		return &inventory.Host{Name: "a", Configuration: files, Files: files}
	}
	r := Compare(sideOf(host("0600")), sideOf(host("0644", inventory.File{Path: "/etc/y"})))
	require.Len(t, r.Differences, 2, "%+v", r.Differences)
	require.Equal(t, "configuration.mode", r.Differences[0].At)
}

// Tokens made with another project's key do not mean that the secrets differ.
func TestOtherKeys(t *testing.T) {
	host := func(tokens ...string) *inventory.Host {
		h := &inventory.Host{Name: "a"}
		for _, token := range tokens {
			h.Secrets = append(h.Secrets, inventory.Secret{Path: inventory.Text("/etc/" + token), Token: "migrate-secret-" + token})
		}
		return h
	}
	require.Len(t, Compare(sideOf(host("1", "2", "3")), sideOf(host("4", "5", "6"))).Notes, 1)
	require.Empty(t, Compare(sideOf(host("1", "2", "3")), sideOf(host("3", "5", "6"))).Notes)
	require.Empty(t, Compare(sideOf(host("1")), sideOf(host("2"))).Notes)
}

// Control characters in names do not reach the terminal, and the JSON keeps
// different names different.
func TestHostileNames(t *testing.T) {
	old, now, objects := clonedHosts(t)
	text, err := objects.Put([]byte("\x1b[2J\x00\xff\nline\r\n"))
	require.NoError(t, err)
	now.Configuration[3].Content = text
	now.Configuration = append(now.Configuration,
		inventory.File{Path: "/etc/\x1b[31m\nname", SHA256: "x"}, inventory.File{Path: "/etc/\xff"}, inventory.File{Path: "/etc/\xfe"})
	now.Packages = []inventory.Package{{Name: "\u202eevil\t", Version: "\x1b]0;x\a"}}
	before, after := sideOf(old), sideOf(now)
	before.Objects, after.Objects = objects, objects
	r := Compare(before, after)
	var out bytes.Buffer
	require.NoError(t, Show(&out, r, true))
	for _, c := range []string{"\x1b", "\x00", "\a", "\u202e", "\xff", "\r"} {
		require.NotContains(t, out.String(), c)
	}
	require.Contains(t, out.String(), `/etc/\x1b[31m\nname`)
	data, err := json.Marshal(r)
	require.NoError(t, err)
	require.Contains(t, string(data), `/etc/\\xff`)
	require.Contains(t, string(data), `/etc/\\xfe`)
}

func TestShow(t *testing.T) {
	before, after := capturedHost(t), capturedHost(t)
	after.Services[0].Active = "inactive"
	after.CapturedAt = time.Unix(1, 0)
	var out bytes.Buffer
	require.NoError(t, Show(&out, Compare(sideOf(before), sideOf(after)), false))
	require.Contains(t, out.String(), "does not run alike")
	require.NotContains(t, out.String(), "captured at")
	require.Contains(t, out.String(), "db1 → db1: 1 drift, 0 harmless, 1 expected")
	out.Reset()
	require.NoError(t, Show(&out, Compare(sideOf(before), sideOf(after)), true))
	require.Contains(t, out.String(), "captured at")
}

// TestShowTellsSizesApart: two sizes that read the same are shown to the byte.
func TestShowTellsSizesApart(t *testing.T) {
	for _, c := range []struct {
		name     string
		old, new int64
		want     []string
	}{
		{"far apart", 1 << 30, 3 << 29, []string{"1.00 GiB", "1.50 GiB"}},
		{"alike", 1 << 30, 1<<30 + 1, []string{"1073741824 B", "1073741825 B"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, after := capturedHost(t), capturedHost(t)
			before.Memory.Total, after.Memory.Total = c.old, c.new
			var out bytes.Buffer
			require.NoError(t, Show(&out, Compare(sideOf(before), sideOf(after)), true))
			for _, want := range c.want {
				require.Contains(t, out.String(), want)
			}
		})
	}
}
