package provision_test

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

var update = flag.Bool("update", false, "write the golden files")

func TestUserDataGolden(t *testing.T) {
	for name, u := range map[string]provision.UserData{
		"plain": {
			AuthorizedKeys: []string{"ssh-ed25519 AAAA operator"},
			HostPrivate:    secret.New("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"), HostPublic: "ssh-ed25519 BBBB",
		},
		"full": {
			Packages: []string{"nginx-light", "mariadb-server", "cron", "cron"}, Services: []string{"nginx.service", "cron.service"},
			AuthorizedKeys: []string{"ssh-ed25519 AAAA operator"}, User: "deploy",
			HostPrivate: secret.New("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"), HostPublic: "ssh-ed25519 BBBB",
			Files: []provision.UserFile{{Path: "/etc/ssh/sshd_config.d/10-migrate.conf", Mode: "0644", Content: "Port 2222\n"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := u.Render()
			require.NoError(t, err)
			golden := filepath.Join("testdata", "userdata-"+name+".yaml")
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(golden, []byte(text), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), text)
			require.True(t, strings.HasPrefix(text, "#cloud-config\n"))
			require.NoError(t, yaml.Unmarshal([]byte(text), &map[string]any{}))
		})
	}
}

func TestUserDataHasALimit(t *testing.T) {
	u := provision.UserData{}
	for i := range 8000 {
		u.Packages = append(u.Packages, strings.Repeat("a", i%9+3)+strings.Repeat("b", i/9%997+1)[:min(9, i/9%997+1)]+string(rune('a'+i%26)))
	}
	u.Files = []provision.UserFile{{Path: "/x", Content: strings.Repeat("x", provision.MaxUserData)}}
	_, err := u.Render()
	require.ErrorContains(t, err, "the vendor takes 65536")
	require.NotEmpty(t, report.Hint(err))
}

func TestChooseSize(t *testing.T) {
	sizes := []provision.Size{
		{Slug: "s-1vcpu-1gb", CPUs: 1, MemoryMiB: 1024, DiskGiB: 25, MonthlyPrice: 6, Regions: []string{"ams3", "nyc1"}, Available: true},
		{Slug: "s-2vcpu-2gb", CPUs: 2, MemoryMiB: 2048, DiskGiB: 60, MonthlyPrice: 18, Regions: []string{"ams3"}, Available: true},
		{Slug: "c-2", CPUs: 2, MemoryMiB: 4096, DiskGiB: 25, MonthlyPrice: 42, Regions: []string{"nyc1"}, Available: true},
		{Slug: "g-gone", CPUs: 64, MemoryMiB: 1 << 20, DiskGiB: 1 << 12, MonthlyPrice: 1, Regions: []string{"ams3"}},
	}
	for _, tt := range []struct {
		name, region string
		host         provision.HostSpec
		want, fail   string
		smaller      string
	}{
		{"the cheapest that fits", "ams3", host("", 1, 900, 20), "s-1vcpu-1gb", "", ""},
		{"exactly as large", "ams3", host("", 1, 1024, 25), "s-1vcpu-1gb", "", ""},
		{"disk decides", "ams3", host("", 1, 900, 26), "s-2vcpu-2gb", "", ""},
		{"CPUs decide", "ams3", host("", 2, 900, 20), "s-2vcpu-2gb", "", ""},
		{"memory decides, in a region that has it", "nyc1", host("", 1, 1025, 20), "c-2", "", ""},
		{"none is large enough", "ams3", host("", 4, 900, 20), "", "no size in region ams3", ""},
		{"not in the region", "nyc1", host("", 1, 900, 60), "", "no size in region nyc1", ""},
		{"unavailable sizes do not count", "ams3", host("", 32, 900, 20), "", "no size", ""},
		{"an explicit size is honoured", "ams3", host("s-2vcpu-2gb", 1, 900, 20), "s-2vcpu-2gb", "", ""},
		{"also when it is smaller, with the hazard", "ams3", host("s-1vcpu-1gb", 1, 900, 26), "s-1vcpu-1gb", "", "25 GiB disk instead of 26 GiB"},
		{"an explicit size of another region", "nyc1", host("s-2vcpu-2gb", 1, 900, 20), "", "not available in region nyc1", ""},
		{"an unknown one", "ams3", host("s-9", 1, 900, 20), "", "no size s-9", ""},
		{"without facts", "ams3", host("", 0, 0, 0), "", "the inventory knows", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			choice, err := provision.ChooseSize(sizes, tt.region, tt.host)
			if tt.fail != "" {
				require.ErrorContains(t, err, tt.fail)
				require.NotEmpty(t, report.Hint(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, choice.Size.Slug)
			require.NotEmpty(t, choice.Reason)
			require.Equal(t, tt.smaller, choice.Smaller)
		})
	}
}

func host(size string, cpus, memory, disk int) provision.HostSpec {
	return provision.HostSpec{Name: "app1", Size: size, Facts: provision.Facts{CPUs: cpus, MemoryMiB: memory, DiskGiB: disk}}
}

func TestParseStatus(t *testing.T) {
	s := provision.ParseStatus("......\nstatus: error\nboot_status_code: enabled-by-generator\nlast_update: Thu, 01 Jan 1970\ndetail:\n('scripts-user', RuntimeError('x'))\nE: Unable to locate package nope\nexit 1\n")
	require.Equal(t, "error", s.Word)
	require.Equal(t, "1", s.Exit)
	require.Contains(t, s.Detail, "Unable to locate package nope")
	require.Equal(t, "done", provision.ParseStatus("status: done\nexit 0\n").Word)
}

func TestDirectory(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state")
	d, err := provision.OpenDirectory(folder, 22)
	require.NoError(t, err)
	_, err = d.Lookup("app1")
	require.ErrorIs(t, err, provision.ErrNotProvisioned)
	_, err = d.Address("app1")(t.Context())
	require.ErrorIs(t, err, provision.ErrNotProvisioned)
	_, public := newKey(t)
	_, next := newKey(t)
	m := provision.Machine{
		Name: "app1", Droplet: 7, Public: netip.MustParseAddr("203.0.113.7"), Private: netip.MustParseAddr("10.0.0.7"),
		HostKey: public, NextKey: next, Bootstrap: true,
	}
	require.NoError(t, d.Put(m))
	for _, file := range []string{"hosts.json", "known_hosts"} {
		info, err := os.Stat(filepath.Join(folder, file))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	again, err := provision.OpenDirectory(folder, 22)
	require.NoError(t, err)
	got, err := again.Lookup("app1")
	require.NoError(t, err)
	require.Equal(t, m, got)
	known, err := os.ReadFile(d.KnownHosts())
	require.NoError(t, err)
	require.Equal(t, 4, strings.Count(string(known), "ssh-ed25519"), "both keys for both addresses while the key is replaced")

	require.NoError(t, os.WriteFile(filepath.Join(folder, "hosts.json"), []byte("{"), 0o600))
	_, err = provision.OpenDirectory(folder, 22)
	require.ErrorContains(t, err, "hosts.json")
	require.NotEmpty(t, report.Hint(err))
}
