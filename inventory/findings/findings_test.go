package findings_test

import (
	"bytes"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/findings"
	"github.com/dcmigrate/migrate/inventory/show"
)

func TestFind(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	no := false
	objects := inventory.NewObjects(filepath.Join(t.TempDir(), "objects"))
	keep := func(path, text string) inventory.File {
		name, err := objects.Put([]byte(text))
		require.NoError(t, err)
		return inventory.File{Path: inventory.Text(path), Kind: "file", Content: name}
	}
	web := &inventory.Host{
		Name: "web1", Roles: []string{"web"},
		Network: inventory.Network{Hostname: "web1", Interfaces: []inventory.Interface{{Name: "eth0", Addresses: []string{"192.0.2.10/24", "fe80::1/64"}}}},
		Repositories: []inventory.Repository{
			{File: "/etc/apt/sources.list", Kind: "deb", URL: "http://deb.debian.org/debian"},
			{File: "/etc/apt/x.list", Kind: "deb", URL: "https://apt.example.com/x"},
			{File: "/etc/apt/y.list", Kind: "deb", URL: "https://apt.example.com/y", Unsigned: true},
			{File: "/etc/apt/z.list", Kind: "deb", URL: "https://apt.example.com/z", SignedBy: []string{"/etc/apt/keyrings/z.gpg"}},
		},
		Packages: []inventory.Package{{Name: "old", Version: "1", Origin: inventory.Local}, {Name: "held", Version: "2", Held: true}, {Name: "fine", Origin: "http://deb.debian.org/debian bookworm/main"}},
		Certificates: []inventory.Certificate{
			{File: "/etc/ssl/soon.pem", Names: []string{"a.example.com"}, Until: now.Add(5 * 24 * time.Hour).Format(time.RFC3339)},
			{File: "/etc/ssl/over.pem", Until: now.Add(-time.Hour).Format(time.RFC3339)},
			{File: "/etc/ssl/fine.pem", Until: now.Add(90 * 24 * time.Hour).Format(time.RFC3339)},
		},
		Services:  []inventory.Service{{Unit: "broken.service", Active: "failed"}, {Unit: "fine.service", Active: "active"}},
		Disks:     []inventory.Disk{{Mount: "/", Size: 100, Used: 95}, {Mount: "/srv", Size: 100, Used: 50}, {Mount: "/nfs"}},
		Arrays:    []inventory.Array{{Name: "md0", Degraded: true, Members: []string{"sda1", "sdb1"}}, {Name: "md1"}},
		Time:      inventory.TimeSettings{Off: -30, Synchronized: &no},
		Listeners: []inventory.Listener{{Protocol: "tcp", Address: "0.0.0.0", Port: 6379, Process: "redis-server"}, {Protocol: "tcp", Address: "*", Port: 443}, {Protocol: "tcp", Address: "127.0.0.1", Port: 9000}},
		Users:     []inventory.Account{{Name: "open", UID: 1001, Shell: "/bin/sh", Password: "none"}, {Name: "toor", UID: 0}, {Name: "root", UID: 0}},
		Coverage:  inventory.Coverage{Total: 2, Explained: 1, Unexplained: []string{"program /home/dev/worker"}},
		Configuration: []inventory.File{
			keep("/etc/app.conf", "# was 10.0.0.5\nname = x\ndb = 10.0.0.5:3306\nother = 10.0.0.55\n"),
			keep("/etc/cron.d/sync", "0 * * * * root rsync /srv db1:/backup\n"),
			keep("/etc/hostname", "web1\n"),
			{Path: "/etc/binary", Kind: "file"},
		},
		Files: []inventory.File{keep("/srv/app/wp-config.php", "<?php\ndefine('DB_HOST', 'db1.example.com');\n")},
	}
	db := &inventory.Host{
		Name: "db1", Roles: []string{"db"}, Network: inventory.Network{Hostname: "db1", FQDN: "db1.example.com"},
		MySQL: &inventory.MySQL{
			Users:    []inventory.User{{User: "app", Host: "10.0.0.%"}, {User: "", Host: "localhost"}, {User: "root", Host: "%"}},
			Grants:   []inventory.Grant{{Account: "'app'@'192.0.2.10'", Statement: "GRANT ALL ON x.* TO 'app'@'192.0.2.10'"}},
			Settings: []inventory.Setting{{Name: "bind_address", Value: "10.0.0.5"}},
			Replicas: []inventory.Upstream{{Host: "db0"}},
		},
	}
	twin := &inventory.Host{Name: "web2", Roles: []string{"web"}}
	site := findings.Site{Old: map[string][]netip.Addr{"web1": {netip.MustParseAddr("192.0.2.10")}, "db1": {netip.MustParseAddr("10.0.0.5")}, "web2": nil}, Objects: objects, Now: now}
	found, err := findings.Find([]*inventory.Host{web, db, twin}, site)
	require.NoError(t, err)
	var got []string
	for _, f := range found {
		got = append(got, f.Host+" "+f.Kind+" "+f.Where)
	}
	want := []string{
		"db1 account mysql ''@'localhost'",
		"db1 old address grants of 'app'@'192.0.2.10'",
		"db1 old address mysql 'app'@'10.0.0.%'",
		"db1 old address mysql setting bind_address",
		"db1 replication db0",
		"db1 single role db",
		"web1 account open",
		"web1 account toor",
		"web1 certificate /etc/ssl/over.pem",
		"web1 certificate /etc/ssl/soon.pem",
		"web1 clock web1",
		"web1 clock web1",
		"web1 disk /",
		"web1 held package held 2",
		"web1 listener tcp 0.0.0.0:6379",
		"web1 old address /etc/app.conf:3",
		"web1 old address /etc/cron.d/sync:1",
		"web1 old address /srv/app/wp-config.php:2",
		"web1 raid md0",
		"web1 repository /etc/apt/x.list",
		"web1 repository /etc/apt/y.list",
		"web1 repository old 1",
		"web1 service broken.service",
		"web1 unexplained program /home/dev/worker",
	}
	slices.Sort(got)
	require.Equal(t, want, got)
	var shown bytes.Buffer
	require.NoError(t, show.Findings(&shown, found))
	require.Contains(t, shown.String(), "10.0.0.5 of db1: db = 10.0.0.5:3306")

	web.Configuration[0].Content = "0000000000000000000000000000000000000000000000000000000000000000"
	_, err = findings.Find([]*inventory.Host{web}, site)
	require.ErrorContains(t, err, "look through web1: read contents")
}
