package export_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/export"
	"github.com/dcmigrate/migrate/inventory/roles"
)

// siteBuilder builds a small site of three hosts: two of one role, which differ in
// little, and one of another.
type siteBuilder struct {
	t       *testing.T
	objects *inventory.Objects
}

// file returns a file of a host's configuration.
func (m siteBuilder) file(path, text string) inventory.File {
	m.t.Helper()
	content, err := m.objects.Put([]byte(text))
	require.NoError(m.t, err)
	return inventory.File{Path: inventory.Text(path), Kind: "file", Mode: "0644", Owner: "root", Group: "root", Size: int64(len(text)), Content: content}
}

func (m siteBuilder) owned(f inventory.File, mode, owner, group, pkg string) inventory.File {
	f.Mode, f.Owner, f.Group, f.Package = mode, owner, group, pkg
	return f
}

// public is a valid public key.
const public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAeMSYlj6u2JTJqCSBvQXGIRcpNY0cEuQYlqZ0qxYb+e"

// authorizedKey lets the key public log in as a user.
func authorizedKey(user, file string, line int, options, comment string) inventory.AuthorizedKey {
	const fingerprint = "SHA256:nc3uuhVYUajaUeizLHCa/1tlj9VEm0wd7X7G6fouAuY"
	return inventory.AuthorizedKey{User: user, File: inventory.Text(file), Line: line, Kind: "ssh-ed25519", Fingerprint: fingerprint, Public: public, Options: options, Comment: comment}
}

const (
	dbToken    = "migrate-secret-00000000000000aa"
	redisToken = "migrate-secret-00000000000000bb"
)

// host returns a host with what all hosts of the site have.
func (m siteBuilder) host(name, role string) *inventory.Host {
	return &inventory.Host{
		Version: inventory.Version, Name: name, Roles: []string{role},
		OS: inventory.OS{ID: "debian", Release: "12", Name: "Debian GNU/Linux 12"},
		Packages: []inventory.Package{
			{Name: "cron", Version: "3.0", Architecture: "amd64", Manual: true},
			{Name: "dpkg", Version: "1.21", Architecture: "amd64", Manual: true},
			{Name: "linux-image-amd64", Version: "6.1", Architecture: "amd64", Manual: true},
			{Name: "openssh-server", Version: "9.2", Architecture: "amd64", Manual: true},
		},
		Services: []inventory.Service{
			{Unit: "cron.service", Enabled: "enabled", Active: "active", Package: "cron"},
			{Unit: "ssh.service", Enabled: "enabled", Active: "active", Package: "openssh-server"},
			{Unit: "systemd-timesyncd.service", Enabled: "masked"},
		},
		Users: []inventory.Account{
			{Name: "root", Home: "/root", Shell: "/bin/bash"},
			{Name: "redis", UID: 105, GID: 105, Home: "/var/lib/redis", Shell: "/usr/sbin/nologin"},
			{Name: "deploy", UID: 1500, GID: 1500, Home: "/home/deploy", Shell: "/bin/bash", Gecos: "Deploys, mostly", Groups: []string{"adm"}, Password: "set"},
		},
		Groups: []inventory.Group{{Name: "root"}, {Name: "adm", GID: 4, Members: []string{"deploy"}}, {Name: "redis", GID: 105}, {Name: "deploy", GID: 1500}},
		AuthorizedKeys: []inventory.AuthorizedKey{
			authorizedKey("root", "/root/.ssh/authorized_keys", 1, "", "admin@office"),
			{User: "deploy", File: "/home/deploy/.ssh/authorized_keys", Line: 1, Kind: "ssh-ed25519", Fingerprint: "SHA256:abc"},
			authorizedKey("deploy", "/home/deploy/.ssh/authorized_keys", 2, `restrict,command="/usr/bin/deploy"`, ""),
		},
		Time: inventory.TimeSettings{Zone: "Europe/Berlin"},
		Network: inventory.Network{Hostname: name, Hosts: []inventory.HostsLine{
			{Line: 1, Address: "127.0.0.1", Names: []string{"localhost"}}, {Line: 2, Address: "192.0.2.10", Names: []string{name + ".example", name}}, {Line: 3, Address: "192.0.2.30", Names: []string{"db1"}},
		}},
		Configuration: []inventory.File{
			m.file("/etc/apt/sources.list", "deb http://deb.example/debian bookworm main\n"), m.file("/etc/fstab", "/dev/vda1 / ext4\n"),
			m.owned(m.file("/etc/sudoers.d/deploy", "deploy ALL=(ALL) ALL\n"), "0440", "root", "root", ""),
			m.file("/etc/sysctl.d/60-site.conf", "vm.swappiness = 1\n"),
			{Path: "/etc/systemd/system/systemd-timesyncd.service", Kind: "link", Target: "/dev/null", Owner: "root", Group: "root"},
		},
	}
}

func (m siteBuilder) web(name string) *inventory.Host {
	h := m.host(name, "web")
	h.Packages = append(h.Packages, inventory.Package{Name: "nginx-light", Version: "1.22", Architecture: "all", Manual: true},
		inventory.Package{Name: "nginx-common", Version: "1.22", Architecture: "all"}, inventory.Package{Name: "redis-server", Version: "5:7.0-1", Architecture: "amd64", Manual: true, Held: true})
	h.Services = append(h.Services, inventory.Service{Unit: "nginx.service", Enabled: "enabled", Active: "active", Package: "nginx-common"},
		inventory.Service{Unit: "redis-server.service", Enabled: "enabled", Active: "active", Package: "redis-server"})
	h.Users = append(h.Users, inventory.Account{Name: "blog", UID: 650, GID: 650, Home: "/srv/blog", Shell: "/usr/sbin/nologin", Groups: []string{"redis"}})
	h.AuthorizedKeys = append(h.AuthorizedKeys, authorizedKey("deploy", "/home/deploy/.ssh/authorized_keys", 3, "", "{{ web }}"), authorizedKey("blog", "/srv/blog/.ssh/authorized_keys", 1, "", "uploads"))
	h.Groups = append(h.Groups, inventory.Group{Name: "blog", GID: 650, Members: []string{"www-data"}}, inventory.Group{Name: "redis", GID: 105, Members: []string{"blog"}})
	h.Configuration = append(h.Configuration,
		inventory.File{Path: "/etc/blog", Kind: "folder", Mode: "0750", Owner: "root", Group: "blog"},
		m.owned(m.file("/etc/blog/app.env", "DB_HOST=192.0.2.30\nDB_PASSWORD="+dbToken+"\nGREETING={{ name }}\n"), "0640", "root", "blog", ""),
		m.owned(m.file("/etc/nginx/nginx.conf", "worker_processes 4;\n"), "0644", "root", "root", "nginx-common"),
		m.file("/etc/nginx/sites-available/blog", "# {{ not a variable }}\nupstream app { server 192.0.2.30:80; server 192.0.2.77; server 192.0.2.100; }\n"),
		inventory.File{Path: "/etc/nginx/sites-enabled/blog", Kind: "link", Target: "../sites-available/blog", Mode: "0777", Owner: "root", Group: "root"},
		m.owned(m.file("/etc/redis/redis.conf", "requirepass "+redisToken+"\n"), "0640", "redis", "redis", "redis-server"),
		m.file("/etc/systemd/system/blog.service", "[Service]\nUser=blog\nEnvironmentFile=-/etc/blog/app.env\nExecStart=/usr/bin/blog\n"),
	)
	h.Services = append(h.Services, inventory.Service{Unit: "blog.service", Enabled: "enabled", Active: "active", File: "/etc/systemd/system/blog.service"})
	h.Secrets = []inventory.Secret{
		{Path: "/etc/blog/app.env", Line: 2, Kind: "password", Key: "DB_PASSWORD", Token: dbToken},
		{Path: "/etc/redis/redis.conf", Line: 1, Kind: "password", Key: "requirepass", Token: redisToken},
		{Path: "/etc/ssl/private/blog.key", Kind: "file"},
		{Path: "/etc/shadow", Kind: "password", Key: "deploy"},
	}
	h.Configuration = append(h.Configuration, inventory.File{Path: "/etc/ssl/private/blog.key", Kind: "file", Mode: "0600", Owner: "root", Group: "root", Size: 1704})
	return h
}

// hosts returns web1, web2, which has another file and service, and db1.
func (m siteBuilder) hosts() []*inventory.Host {
	web1, web2, db := m.web("web1"), m.web("web2"), m.host("db1", "db")
	web2.Configuration = append(web2.Configuration, m.file("/etc/cron.d/tidy", "5 4 * * * root /usr/bin/tidy\n"))
	web2.Services = append(web2.Services, inventory.Service{Unit: "tidy.service", Enabled: "disabled", File: "/etc/systemd/system/tidy.service"})
	web2.Packages = append(web2.Packages, inventory.Package{Name: "tidy", Version: "1", Architecture: "amd64", Manual: true})
	db.MySQL = &inventory.MySQL{}
	db.Packages = append(db.Packages, inventory.Package{Name: "mariadb-server", Version: "1:10.11", Architecture: "all", Manual: true})
	db.Configuration = append(db.Configuration, m.file("/etc/mysql/mariadb.conf.d/90-site.cnf", "[mariadbd]\nbind-address = 192.0.2.30\n"))
	db.Services = append(db.Services, inventory.Service{Unit: "mariadb.service", Enabled: "enabled", Active: "active", Package: "mariadb-server"})
	return []*inventory.Host{web1, web2, db}
}

// export exports hosts with new addresses for those of the site.
func (m siteBuilder) export(format export.Format, hosts ...*inventory.Host) *export.Result {
	m.t.Helper()
	r, err := export.Export(byRole(hosts), export.Options{
		Format: format, Objects: m.objects,
		New: func(string) map[string]string {
			return map[string]string{"192.0.2.10": "10.0.0.1", "192.0.2.30": "10.0.0.3"}
		},
		Unknown: []string{"192.0.2.77"}, Connect: map[string]string{"web1": "198.51.100.1", "web2": "198.51.100.2"},
	})
	require.NoError(m.t, err)
	return r
}

// byRole groups hosts by the roles that they have in the config. roles.Of has its own
// tests.
func byRole(hosts []*inventory.Host) []roles.Role {
	var all []roles.Role
	for _, name := range []string{"db", "web"} {
		r := roles.Role{Name: name}
		for _, h := range hosts {
			if h.Roles[0] == name {
				r.Hosts = append(r.Hosts, h)
			}
		}
		if len(r.Hosts) > 0 {
			all = append(all, r)
		}
	}
	return all
}

func newSite(t *testing.T) siteBuilder {
	t.Helper()
	return siteBuilder{t, inventory.NewObjects(t.TempDir())}
}
