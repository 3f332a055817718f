package capture

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
)

// Whole systems of two Debian releases are captured after every kind of change that
// a capture must find.
func TestCaptureDebian(t *testing.T) {
	for release, name := range map[string]string{"bookworm": "12", "trixie": "13"} {
		t.Run(release, func(t *testing.T) {
			host := newDebianHost(t, release)
			changeAsOperators(t, host)
			o := testOptions()
			o.Objects = inventory.NewObjects(filepath.Join(t.TempDir(), "objects"))
			results := Hosts(t.Context(), []Target{{Host: host, Files: []string{"/srv/app"}}}, o)
			require.NoError(t, results[0].Err)
			h := results[0].Host

			require.Equal(t, "debian", h.OS.ID)
			require.Equal(t, name, h.OS.Release)
			require.Equal(t, "root", h.As)
			out, err := exec.Command("chroot", host.root, "dpkg-query", "-W", "-f", "${db:Status-Abbrev}\n").Output()
			require.NoError(t, err)
			require.Len(t, h.Packages, strings.Count(string(out), "ii "))
			checkConfiguration(t, h, o.Objects)
			checkAccess(t, h)
			if release == "bookworm" {
				checkUnits(t, h)
			} else {
				require.Contains(t, h.Missing, inventory.Missing{What: "unit-files", Reason: inventory.Absent, Detail: "systemctl is not installed"})
			}
			checkJobs(t, h)
			require.Contains(t, h.Languages, inventory.LanguagePackage{Manager: "pip", Name: "requests", Version: "2.31.0", Folder: "/usr/local/lib/python3.99/dist-packages"})
			require.Contains(t, h.Releases, inventory.Release{Path: "/srv/app", Kind: "git", Version: strings.Repeat("ab", 20), Remote: "https://" + o.Redactor.Token("tok3n-of-git") + "@git.example.com/app.git"})
			require.Contains(t, h.Repositories, inventory.Repository{File: "/etc/apt/sources.list.d/extra.sources", Kind: "deb", URL: "https://apt.example.com/x", Suites: []string{"stable"}, Components: []string{"main"}, SignedBy: []string{"/etc/apt/keyrings/x.gpg"}})
			require.Len(t, h.Certificates, 1)
			require.Equal(t, []string{"blog.example.com"}, h.Certificates[0].Names)
			require.Contains(t, h.Kernel.Settings, inventory.Sysctl{Key: "vm.swappiness", Value: sysctlValue(h, "vm.swappiness"), Set: "10", File: "/etc/sysctl.d/99-ours.conf"})
			require.Contains(t, h.Kernel.Limits, inventory.Limit{File: "/etc/security/limits.d/app.conf", Domain: "app", Type: "soft", Item: "nofile", Value: "65535"})
			require.Equal(t, []inventory.Compose{{File: "/srv/app/compose.yaml", Services: []string{"cache"}, Images: []string{"redis:7"}}}, h.Compose)
			require.Equal(t, "Europe/Berlin", h.Time.Zone)

			again := Hosts(t.Context(), []Target{{Host: host, Files: []string{"/srv/app"}}}, o)
			require.NoError(t, again[0].Err)
			for _, h := range []*inventory.Host{h, again[0].Host} {
				h.CapturedAt, h.Disks, h.Connections = h.CapturedAt.Truncate(1<<62), nil, nil
			}
			require.Equal(t, h, again[0].Host, "a second capture differs in its time only")
		})
	}
}

func sysctlValue(h *inventory.Host, key string) string {
	i := slices.IndexFunc(h.Kernel.Settings, func(s inventory.Sysctl) bool { return s.Key == key })
	if i < 0 {
		return ""
	}
	return h.Kernel.Settings[i].Value
}

// changeAsOperators changes a system as operators do.
func changeAsOperators(t *testing.T, host *debianHost) {
	t.Helper()
	sh := func(script string) {
		out, err := exec.Command("chroot", host.root, "sh", "-c", script).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	sh("useradd -m -s /bin/bash -G www-data dev && useradd -r -M app && ln -sf /usr/share/zoneinfo/Europe/Berlin /etc/localtime")
	sh("echo '# ours' >>/etc/default/useradd")
	sh(`printf 'x' >"/etc/odd$(printf '\nname\377')"`)
	host.write(t, "/etc/app/app.conf", "listen = 8080\npassword = hunter2-and-more\n", 0o644)
	host.write(t, "/etc/systemd/system/worker.service", "[Service]\nExecStart=/srv/app/worker\n[Install]\nWantedBy=multi-user.target\n", 0o644)
	host.write(t, "/etc/systemd/system/rotate.timer", "[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n", 0o644)
	host.write(t, "/etc/systemd/system/ssh.service.d/limits.conf", "[Service]\nLimitNOFILE=4096\n", 0o644)
	sh("! command -v systemctl >/dev/null || systemctl --root=/ enable worker.service rotate.timer 2>&1")
	host.write(t, "/etc/cron.d/app", "*/5 * * * * app /srv/app/job --quiet\n@daily root /opt/gone/job\n", 0o644)
	host.write(t, "/var/spool/cron/crontabs/dev", "1 2 * * * mysqldump -phunter2-and-more shop\n", 0o600)
	host.write(t, "/etc/cron.daily/backup", "#!/bin/sh\ntrue\n", 0o755)
	host.write(t, "/etc/sudoers.d/dev", "dev ALL=(root) NOPASSWD: /usr/bin/systemctl restart app\n", 0o440)
	host.write(t, "/home/dev/.ssh/authorized_keys", "# of dev\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAeMSYlj6u2JTJqCSBvQXGIRcpNY0cEuQYlqZ0qxYb+e dev@laptop\nnonsense\n", 0o600)
	host.write(t, "/etc/ssh/sshd_config.d/keys.conf", "Match User dev\n\tAuthorizedKeysFile .ssh/authorized_keys /srv/keys/%u\n", 0o644)
	host.write(t, "/srv/keys/dev", "restrict,from=\"10.0.0.5\",environment=\"API_TOKEN=hunter2-and-more\" "+publicKeyLine+"\n", 0o644)
	host.write(t, "/etc/apt/sources.list.d/extra.sources", "Types: deb\nURIs: https://apt.example.com/x\nSuites: stable\nComponents: main\nSigned-By: /etc/apt/keyrings/x.gpg\n", 0o644)
	host.write(t, "/etc/sysctl.d/99-ours.conf", "vm.swappiness = 10\n", 0o644)
	host.write(t, "/etc/security/limits.d/app.conf", "app soft nofile 65535\n", 0o644)
	host.write(t, "/etc/nginx/sites-available/blog", "server {\n\tlisten 443 ssl;\n\tserver_name blog.example.com;\n\tlocation / { proxy_pass http://10.0.0.7:8080; }\n}\n", 0o644)
	host.write(t, "/etc/nginx/sites-available/unused", "server { server_name unused.example.com; }\n", 0o644)
	require.NoError(t, os.MkdirAll(host.root+"/etc/nginx/sites-enabled", 0o755))
	require.NoError(t, os.Symlink("/etc/nginx/sites-available/blog", host.root+"/etc/nginx/sites-enabled/blog"))
	host.write(t, "/usr/local/lib/python3.99/dist-packages/requests-2.31.0.dist-info/METADATA", "x", 0o644)
	host.write(t, "/srv/app/.git/HEAD", "ref: refs/heads/main\n", 0o644)
	host.write(t, "/srv/app/.git/refs/heads/main", strings.Repeat("ab", 20)+"\n", 0o644)
	host.write(t, "/srv/app/.git/config", "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = https://tok3n-of-git@git.example.com/app.git\n", 0o644)
	host.write(t, "/srv/app/worker", "#!/bin/sh\n", 0o755)
	host.write(t, "/srv/app/job", "#!/bin/sh\n", 0o755)
	host.write(t, "/srv/app/compose.yaml", "services:\n  cache:\n    image: redis:7\n", 0o644)
	writeCertificate(t, host, "/etc/ssl/blog.pem", "blog.example.com")
}

func checkConfiguration(t *testing.T, h *inventory.Host, objects *inventory.Objects) {
	t.Helper()
	file := func(path string) *inventory.File {
		return find(h.Configuration, func(f inventory.File) bool { return string(f.Path) == path })
	}
	require.Equal(t, "passwd", file("/etc/default/useradd").Package, "its package's file was changed")
	require.NotNil(t, file("/etc/odd\nname\xff"))
	require.Nil(t, file("/etc/security/limits.conf"), "it is as its package brought it")
	for _, f := range h.Configuration {
		require.NotEqual(t, "", string(f.Path))
		require.False(t, strings.HasPrefix(string(f.Path), "/etc/alternatives/"), f.Path)
	}
	app := file("/etc/app/app.conf")
	require.NotNil(t, app)
	require.Empty(t, app.SHA256, "it holds a secret")
	require.True(t, strings.HasPrefix(app.HMAC, "hmac-"))
	text, err := objects.Get(app.Content)
	require.NoError(t, err)
	require.Contains(t, string(text), "listen = 8080\npassword = migrate-secret-")
	worker := file("/etc/systemd/system/worker.service")
	require.Len(t, worker.SHA256, 64)
	require.Less(t, len(h.Configuration), 80, "%v", h.Configuration)

	site := find(h.VirtualHosts, func(v inventory.VirtualHost) bool { return slices.Contains(v.Names, "blog.example.com") })
	require.Equal(t, &inventory.VirtualHost{Server: "nginx", File: "/etc/nginx/sites-available/blog", Line: 1, Names: []string{"blog.example.com"}, Listen: []string{"443"}, Proxies: []string{"http://10.0.0.7:8080"}, TLS: true}, site)
	require.Nil(t, find(h.VirtualHosts, func(v inventory.VirtualHost) bool { return slices.Contains(v.Names, "unused.example.com") }))
}

// checkUnits checks the units of a release whose tree has systemd.
func checkUnits(t *testing.T, h *inventory.Host) {
	t.Helper()
	service := find(h.Services, func(s inventory.Service) bool { return s.Unit == "worker.service" })
	require.Equal(t, &inventory.Service{Unit: "worker.service", Enabled: "enabled", File: "/etc/systemd/system/worker.service"}, service)
	ssh := find(h.Services, func(s inventory.Service) bool { return s.Unit == "ssh.service" })
	require.Equal(t, []string{"/etc/systemd/system/ssh.service.d/limits.conf"}, ssh.Overrides)
	require.Equal(t, "openssh-server", ssh.Package)
	timer := find(h.Timers, func(x inventory.Timer) bool { return x.Unit == "rotate.timer" })
	require.Equal(t, inventory.Cause{Kind: inventory.ByFile, Name: "/etc/systemd/system/rotate.timer"}, timer.Cause)
}

func checkAccess(t *testing.T, h *inventory.Host) {
	t.Helper()
	dev := find(h.Users, func(u inventory.Account) bool { return u.Name == "dev" })
	require.Equal(t, []string{"www-data"}, dev.Groups)
	require.Equal(t, "locked", dev.Password)
	require.Len(t, h.AuthorizedKeys, 2)
	require.Equal(t, "dev@laptop", h.AuthorizedKeys[0].Comment)
	require.True(t, strings.HasPrefix(h.AuthorizedKeys[0].Fingerprint, "SHA256:"))
	require.Equal(t, publicKeyLine, h.AuthorizedKeys[0].Public)
	token := testOptions().Redactor.Token("hunter2-and-more")
	require.Equal(t, inventory.Text("/srv/keys/dev"), h.AuthorizedKeys[1].File)
	require.Equal(t, `restrict,from="10.0.0.5",environment="API_TOKEN=`+token+`"`, h.AuthorizedKeys[1].Options)
	require.Contains(t, h.Secrets, inventory.Secret{Path: "/srv/keys/dev", Line: 1, Kind: "token", Key: "API_TOKEN", Token: token})
	require.Contains(t, h.Missing, inventory.Missing{What: "/home/dev/.ssh/authorized_keys", Reason: inventory.Failed, Detail: "line 3 is no key"})
	require.Contains(t, h.Sudo, inventory.Line{File: "/etc/sudoers.d/dev", Line: 1, Text: "dev ALL=(root) NOPASSWD: /usr/bin/systemctl restart app"})
}

func checkJobs(t *testing.T, h *inventory.Host) {
	t.Helper()
	job := func(file inventory.Text, line int) *inventory.CronJob {
		return find(h.CronJobs, func(j inventory.CronJob) bool { return j.File == file && j.Line == line })
	}
	require.Equal(t, &inventory.CronJob{File: "/etc/cron.d/app", Line: 1, User: "app", Schedule: "*/5 * * * *", Command: "/srv/app/job --quiet", Cause: inventory.Cause{Kind: inventory.ByFile, Name: "/etc/cron.d/app"}}, job("/etc/cron.d/app", 1))
	require.False(t, job("/etc/cron.d/app", 2).Cause.Explained(), "its program is nowhere")
	require.NotContains(t, job("/var/spool/cron/crontabs/dev", 1).Command, "hunter2")
	require.Equal(t, "daily", job("/etc/cron.daily/backup", 0).Schedule)
	require.Contains(t, h.Coverage.Unexplained, "cron job /etc/cron.d/app:2")
	require.Equal(t, h.Coverage.Total, h.Coverage.Explained+len(h.Coverage.Unexplained), fmt.Sprint(h.Coverage))
}

// writeCertificate writes a certificate and its key to one file, as HAProxy needs
// them.
func writeCertificate(t *testing.T, host *debianHost, file, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(10 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	host.write(t, file, text, 0o600)
}
