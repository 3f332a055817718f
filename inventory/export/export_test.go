package export_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/address"
	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/export"
	"github.com/dcmigrate/migrate/inventory/roles"
	"github.com/dcmigrate/migrate/report"
)

var update = flag.Bool("update", false, "write the golden files")

// Each format of the small site is as in its golden file.
func TestExportGolden(t *testing.T) {
	for _, format := range export.Formats {
		t.Run(string(format), func(t *testing.T) {
			m := newSite(t)
			r := m.export(format, m.hosts()...)
			var b strings.Builder
			for _, name := range r.Names {
				fmt.Fprintf(&b, "-- %s --\n%s", name, r.Files[name])
			}
			golden := filepath.Join("testdata", "golden", string(format)+".txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), b.String())
			require.Equal(t, r, m.export(format, m.hosts()...), "the same input, the same export")
		})
	}
}

// No export has tokens, except for cloud-init, whose script replaces them. The secrets to
// supply are listed.
func TestExportListsItsSecrets(t *testing.T) {
	m := newSite(t)
	for _, format := range export.Formats {
		r := m.export(format, m.hosts()...)
		require.Len(t, r.Secrets, 2)
		require.Equal(t, "blog_db_password", r.Secrets[0].Name)
		require.Equal(t, []string{"/etc/blog/app.env:2 (DB_PASSWORD) on web1, web2"}, r.Secrets[0].Where)
		require.Equal(t, "redis_requirepass", r.Secrets[1].Name)
		for name, text := range r.Files {
			if format != export.CloudInit {
				require.NotContains(t, text, "migrate-secret-0", name)
			}
		}
	}
}

// Two secrets with equal names get the names of their hosts.
func TestExportGivesSecretsDistinctNames(t *testing.T) {
	m := newSite(t)
	hosts := m.hosts()
	other := strings.Replace(dbToken, "aa", "cc", 1)
	i := slices.IndexFunc(hosts[1].Configuration, func(f inventory.File) bool { return f.Path == "/etc/blog/app.env" })
	hosts[1].Configuration[i] = m.file("/etc/blog/app.env", "DB_PASSWORD="+other+"\n")
	hosts[1].Secrets[0].Token, hosts[1].Secrets[0].Line = other, 1
	r := m.export(export.Ansible, hosts...)
	var names []string
	for _, s := range r.Secrets {
		names = append(names, s.Name)
	}
	require.Equal(t, []string{"blog_db_password", "blog_db_password_web1", "redis_requirepass"}, names)
	require.Contains(t, r.Files["roles/host/templates/web1/etc/blog/app.env.j2"], "{{ vault_blog_db_password_web1 }}")
	require.Contains(t, r.Files["roles/host/templates/web2/etc/blog/app.env.j2"], "{{ vault_blog_db_password }}")
	require.NotContains(t, r.Files["roles/web/defaults/main.yml"], "blog.service\", enabled", "it waits for its file, which is each host's own")
	require.Contains(t, r.Files["host_vars/web1.yml"], "{name: blog.service, enabled: true, state: started}")
}

// Old addresses go through the map where they stand alone, and each is listed.
func TestExportRewritesAddresses(t *testing.T) {
	m := newSite(t)
	r := m.export(export.Ansible, m.hosts()...)
	require.Equal(t, "# {{ not a variable }}\nupstream app { server 10.0.0.3:80; server 192.0.2.77; server 192.0.2.100; }\n",
		r.Files["roles/web/files/etc/nginx/sites-available/blog"])
	require.Equal(t, []export.Rewrite{
		{File: "/etc/blog/app.env", Line: 1, Old: "192.0.2.30", New: "10.0.0.3", Hosts: "web1, web2"},
		{File: "/etc/hosts", Line: 3, Old: "192.0.2.30", New: "10.0.0.3", Hosts: "web1, web2"},
		{File: "/etc/mysql/mariadb.conf.d/90-site.cnf", Line: 2, Old: "192.0.2.30", New: "10.0.0.3", Hosts: "db1"},
		{File: "/etc/nginx/sites-available/blog", Line: 2, Old: "192.0.2.30", New: "10.0.0.3", Hosts: "web1, web2"},
		{File: "/etc/nginx/sites-available/blog", Line: 2, Old: "192.0.2.77", Why: address.NoNew, Hosts: "web1, web2"},
	}, r.Rewritten)
}

// An address that stands for a network or is an end of a range stays, and is listed.
func TestExportKeepsNetworksAndRanges(t *testing.T) {
	m := newSite(t)
	h := m.host("db1", "db")
	for text, want := range map[string]string{
		"allow 192.0.2.30/24;":               "allow 192.0.2.30/24;",
		"allow 192.0.2.30/255.255.255.0":     "allow 192.0.2.30/255.255.255.0",
		"allow 192.0.2.30/32;":               "allow 10.0.0.3/32;",
		"http://192.0.2.30/8080":             "http://10.0.0.3/8080",
		"http://192.0.2.30/24h":              "http://10.0.0.3/24h",
		"192.0.2.30-192.0.2.99":              "192.0.2.30-192.0.2.99",
		"192.0.2.1-192.0.2.30":               "192.0.2.1-192.0.2.30",
		"192.0.2.1 - 192.0.2.30":             "192.0.2.1 - 192.0.2.30",
		"192.0.2.30-40":                      "192.0.2.30-40",
		"listen 192.0.2.30 -p 80 192.0.2.30": "listen 10.0.0.3 -p 80 10.0.0.3",
	} {
		h.Configuration = []inventory.File{m.file("/etc/net", text)}
		r := m.export(export.Ansible, h)
		require.Equal(t, want, r.Files["roles/db/files/etc/net"])
		require.Contains(t, r.Files["REWRITTEN.md"], "`/etc/net:1`: `192.0.2.30`", text)
	}
}

// An old address in a form that a new one would break stays, and is listed with the reason.
func TestExportListsWhatOnlyNamesAnAddress(t *testing.T) {
	m := newSite(t)
	h := m.host("db1", "db")
	for text, why := range map[string]address.Reason{
		`if ($remote_addr ~ "^192\.0\.2\.30$")`: address.Pattern,
		"zone \"30.2.0.192.in-addr.arpa\"":      address.Reverse,
		"https://192.0.2.30.nip.io/":            address.Part,
		"version: 192.0.2.30":                   address.Version,
	} {
		t.Run(text, func(t *testing.T) {
			h.Configuration = []inventory.File{m.file("/etc/net", text)}
			r := m.export(export.Ansible, h)
			require.Equal(t, text, r.Files["roles/db/files/etc/net"])
			require.Contains(t, r.Rewritten, export.Rewrite{File: "/etc/net", Line: 1, Old: "192.0.2.30", Why: why, Hosts: "db1"})
			require.Contains(t, r.Files["REWRITTEN.md"], "## Not replaced: a new one in its place could mean something else\n\n- `/etc/net:1`: `192.0.2.30` ("+string(why)+") on db1\n")
		})
	}
}

// What is not exported is listed with the reason.
func TestExportListsWhatIsNotExported(t *testing.T) {
	m := newSite(t)
	hosts := m.hosts()
	hosts[0].Configuration = append(hosts[0].Configuration,
		inventory.File{Path: "/etc/bad\xff", Kind: "file", Content: "x"},
		inventory.File{Path: "/etc/../etc/sneaky", Kind: "file", Content: "x"},
		inventory.File{Path: "/etc/apt/keyrings/vendor.gpg", Kind: "file", Size: 2000, Mode: "0644", Owner: "root", Group: "root"},
		inventory.File{Path: "/etc/large", Kind: "file", Size: 1 << 20, Mode: "0644", Owner: "root", Group: "root"},
		inventory.File{Path: "/etc/alternatives/pager", Kind: "link", Target: "/bin/more"}, m.file("/etc/locale.gen", "de_DE.UTF-8 UTF-8\n"), m.file("/var/spool/cron/atjobs/a0001201d4f5c3", "#!/bin/sh\n"), inventory.File{Path: "/var/spool/cron/atjobs/link", Kind: "link", Target: "x"},
		inventory.File{Path: "/etc/denied", Kind: "file", Mode: "0600", Owner: "root", Group: "root"})
	hosts[0].Missing = []inventory.Missing{{What: "/etc/denied", Reason: inventory.Denied, Detail: "no permission"}}
	hosts[0].Packages = append(hosts[0].Packages, inventory.Package{Name: "ours", Version: "1", Manual: true, Origin: inventory.Local})
	hosts[0].Repositories = []inventory.Repository{
		{SignedBy: []string{"/usr/share/keyrings/vendor.gpg"}}, {SignedBy: []string{"/usr/share/keyrings/debian-archive-keyring.gpg"}},
	}
	why := map[string]string{}
	for _, format := range export.Formats {
		r := m.export(format, hosts...)
		for _, l := range r.NotExported {
			why[l.What] = l.Why
		}
		require.Contains(t, r.Files["README.md"], "while the old one still serves")
	}
	for what, reason := range map[string]string{
		`"/etc/bad\xff"`:                                    "not UTF-8",
		"/etc/../etc/sneaky":                                "not a clean absolute one",
		"/etc/apt/keyrings/vendor.gpg":                      "it is not text",
		"/usr/share/keyrings/vendor.gpg":                    "signs a repository",
		"/etc/large":                                        "larger than 256 KiB",
		"/etc/denied":                                       "denied",
		"/etc/ssl/private/blog.key":                         "never read",
		"/etc/fstab":                                        "machine's own",
		"/var/spool/cron/atjobs/a0001201d4f5c3":             "at runs once",
		"locales of /etc/locale.gen":                        "run locale-gen",
		"/etc/alternatives/pager":                           "update-alternatives --set",
		"/var/spool/cron/atjobs/link":                       "at runs once",
		"package linux-image-amd64":                         "belongs to the machine",
		"package ours":                                      "no repository offers it",
		"password of deploy":                                "no password is captured",
		"authorized key SHA256:abc of deploy (ssh-ed25519)": "fingerprints",
		"databases and accounts of MySQL or MariaDB":        "seeds them",
	} {
		require.Contains(t, why[what], reason, what)
	}
	require.NotContains(t, why, "/usr/share/keyrings/debian-archive-keyring.gpg")
}

// ansible-playbook accepts the export and lists its tasks.
func TestExportedPlaybookIsValid(t *testing.T) {
	m := newSite(t)
	dir := write(t, m.export(export.Ansible, m.hosts()...))
	playbook(t, dir, "", "--syntax-check")
	out := playbook(t, dir, "", "--list-tasks", "--limit", "web2")
	require.Contains(t, out, "host : Install packages")
	require.Contains(t, out, "common : Configure apt")
}

// An export is not written into a folder that has files.
func TestWriteRefusesNonEmptyFolder(t *testing.T) {
	m := newSite(t)
	r := m.export(export.Salt, m.hosts()...)
	dir := t.TempDir()
	require.NoError(t, r.Write(dir), "an empty folder will do")
	err := r.Write(dir)
	require.ErrorContains(t, err, "is not empty")
	require.Equal(t, "name a new folder, or remove that one", report.Hint(err))
	info, err := os.Stat(filepath.Join(dir, "salt", "top.sls"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

// Names of the maximal length, which are too long once they are escaped, stay distinct.
func TestExportOfLongNames(t *testing.T) {
	m := newSite(t)
	long := "/etc/" + strings.Repeat("é", 100) + "/" + strings.Repeat("é", 126)
	for _, format := range export.Formats {
		hosts := m.hosts()
		hosts[0].Configuration = append(hosts[0].Configuration, m.file(long+"a", "password "+dbToken+"\n"), m.file(long+"b", "password "+dbToken+"\n"), m.file(long+"c", "x\n"))
		r := m.export(format, hosts...)
		dir := write(t, r)
		for _, name := range r.Names {
			require.FileExists(t, filepath.Join(dir, name))
		}
	}
}

// User-data that the vendor would refuse is an error.
func TestCloudInitHasALimit(t *testing.T) {
	m := newSite(t)
	hosts := m.hosts()[:1]
	var noise strings.Builder
	for i := range 30_000 {
		fmt.Fprintf(&noise, "%x\n", i*i*7919)
	}
	hosts[0].Configuration = append(hosts[0].Configuration, m.file("/etc/noise", noise.String()))
	_, err := export.Export(byRole(hosts), export.Options{Format: export.CloudInit, Objects: m.objects})
	require.ErrorContains(t, err, "DigitalOcean takes 65536")
	require.NotEmpty(t, report.Hint(err))
}

func TestExportRefusesAnUnknownFormat(t *testing.T) {
	_, err := export.Export(nil, export.Options{Format: "chef"})
	require.EqualError(t, err, `"chef" is not an export format`)
	require.Equal(t, "use one of: ansible, salt, cloud-init", report.Hint(err))
}

// Tokens outside of files' contents are not exported as if they were real values.
func TestExportLeavesTokensOutsideOfFiles(t *testing.T) {
	m := newSite(t)
	hosts := m.hosts()
	hosts[0].Users = append(hosts[0].Users, inventory.Account{Name: "odd", UID: 1600, GID: 1500, Home: "/home/odd", Shell: "/bin/sh", Gecos: "password " + dbToken})
	hosts[0].Configuration = append(hosts[0].Configuration, inventory.File{Path: "/etc/odd", Kind: "link", Target: "/srv/" + dbToken})
	r := m.export(export.Ansible, hosts...)
	var left []string
	for _, l := range r.NotExported {
		left = append(left, l.What)
	}
	require.Contains(t, left, "user odd")
	require.Contains(t, left, "/etc/odd")
	for name, text := range r.Files {
		require.NotContains(t, text, dbToken, name)
	}
}

// A site of many hosts takes seconds, as the addresses to look for are prepared once.
func BenchmarkExport(b *testing.B) {
	objects := inventory.NewObjects(b.TempDir())
	text := strings.Repeat("server 192.0.2.30 weight=5 max_fails=3 fail_timeout=30s; # 2026-01-02\n", 300)
	content, err := objects.Put([]byte(text))
	require.NoError(b, err)
	r := roles.Role{Name: "web"}
	var unknown []string
	for i := range 200 {
		h := &inventory.Host{Version: inventory.Version, Name: fmt.Sprintf("web%d", i), OS: inventory.OS{ID: "debian"}}
		for n := range 50 {
			h.Configuration = append(h.Configuration, inventory.File{Path: inventory.Text(fmt.Sprintf("/etc/nginx/%d.conf", n)), Kind: "file", Mode: "0644", Content: content})
		}
		r.Hosts = append(r.Hosts, h)
		unknown = append(unknown, fmt.Sprintf("192.0.3.%d", i))
	}
	for b.Loop() {
		_, err := export.Export([]roles.Role{r}, export.Options{Format: export.Ansible, Objects: objects, Unknown: unknown})
		require.NoError(b, err)
	}
}
