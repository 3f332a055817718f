package candidates

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/report"
)

// Each package of a host has the finding that it should have.
func TestFind(t *testing.T) {
	a := newArchive(t)
	a.debian("bookworm", stanzas(
		"nginx 1.22.1-9", "curl 7.88.1-10", "php8.2-fpm 8.2.29-1", "libapache2-mod-php8.2 8.2.29-1",
		"exim4-daemon-light 4.96-15 amd64 default-mta (= 4.96), mail-transport-agent",
		"postfix 3.7.11-0 amd64 mail-transport-agent, postfix-cdb:any (= 3.7.11)",
		"epoch 1:1.0-1", "below 2:1.0-1", "tilde 1.0~rc1-1", "tildes 1.0-1", "scripts 3 all", "foreign 1.0 i386",
		"Bad_Name 1", "noversion ",
	))
	a.suite("/debian-security/dists/bookworm-security", map[string]string{"main/binary-amd64": stanzas("curl 7.88.1-10+deb12u14", "nginx 1.22.1-2")}, ".xz")
	h := oldHost("web1",
		"nginx 1.22.1-9", "curl 7.88.1-10+deb12u14", "php7.4-fpm 7.4.33-1", "libapache2-mod-php7.4 7.4.33-1", "gone 1.0",
		"mail-transport-agent 1 all", "postfix-cdb 3.7", "epoch 9.9-1", "below 3:0.1-1", "tilde 1.0-1", "tildes 1.0~rc1-1",
		"scripts 2 all", "libc6 2.31 i386", "foreign 0.9 i386", "curl 7.74 i386",
		"linux-image-amd64 5.10", "bash 5.1", "grub-pc 2.06",
	)
	h.Packages = append(h.Packages,
		inventory.Package{Name: "dependency", Version: "1", Architecture: "amd64"},
		inventory.Package{Name: "held-dependency", Version: "1", Architecture: "amd64", Held: true})

	found, err := Find(t.Context(), []*inventory.Host{h}, a.options("debian-12-x64"))
	require.NoError(t, err)
	require.Equal(t, `web1 | candidate | php7.4-fpm 7.4.33-1 | debian 12 does not offer it; there is php8.2-fpm
web1 | candidate | libapache2-mod-php7.4 7.4.33-1 | debian 12 does not offer it; there is libapache2-mod-php8.2
web1 | candidate | gone 1.0 | debian 12 does not offer it
web1 | candidate | mail-transport-agent 1 | debian 12 has no package of this name, only others that provide it: exim4-daemon-light, postfix
web1 | candidate | postfix-cdb 3.7 | debian 12 has no package of this name, only others that provide it: postfix
web1 | candidate | below 3:0.1-1 | debian 12 offers 2:1.0-1, which is older
web1 | candidate | tilde 1.0-1 | debian 12 offers 1.0~rc1-1, which is older
web1 | candidate | curl:i386 7.74 | debian 12 does not offer it
web1 | candidate | held-dependency 1 | debian 12 does not offer it
`, findingLines(found))
}

// Other repositories are read with the target's codename, a flat one as it is, a
// disabled one and one of sources not at all.
func TestFindReadsOtherRepositories(t *testing.T) {
	a := newArchive(t)
	a.debian("bookworm", stanzas("nginx 1.22"))
	a.suite("/php/dists/bookworm", map[string]string{"main/binary-amd64": stanzas("php7.4-fpm 7.4.33-9"), "main/binary-all": stanzas("php-all 1 all")}, "Architectures: amd64 all")
	a.suite("/pg/dists/bookworm-pgdg", map[string]string{"main/binary-amd64": stanzas("postgresql-13 13.20-1", "nginx 1.20")})
	a.suite("/flat/deep", map[string]string{"": stanzas("flatly 2.0", "flatly 9.0 arm64")}, "plain")
	h := oldHost("web1", "nginx 1.18", "php7.4-fpm 7.4.33-1", "php-all 1 all", "postgresql-13 13.21-1", "flatly 3.0", "secret-tool 1")
	repository(h, a.url+"/php/", "bullseye", "main")
	repository(h, strings.Replace(a.url, "://", "://user:migrate-secret-0123456789abcdef@", 1)+"/pg", "bullseye-pgdg", "main", "13")
	repository(h, a.url+"/flat", "deep/")
	repository(h, a.url+"/off", "bullseye", "main")
	h.Repositories[len(h.Repositories)-1].Disabled = true
	repository(h, a.url+"/src", "bullseye", "main")
	h.Repositories[len(h.Repositories)-1].Kind = "deb-src"
	a.handlers["/pg/dists/bookworm-pgdg/InRelease"] = func(w http.ResponseWriter, r *http.Request) {
		if _, _, login := r.BasicAuth(); login {
			http.Error(w, "the token of a login is no login", http.StatusTeapot)
		}
		_, _ = w.Write(a.files[r.URL.Path])
	}
	found, err := Find(t.Context(), []*inventory.Host{h}, a.options("debian-12-x64"))
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(`web1 | repository | /etc/apt/sources.list.d/other.list | URL/pg has nothing for bookworm-pgdg in 13
web1 | candidate | postgresql-13 13.21-1 | URL/pg bookworm-pgdg main offers 13.20-1, which is older
web1 | candidate | flatly 3.0 | URL/flat deep/ offers 2.0, which is older
web1 | candidate | secret-tool 1 | debian 12 does not offer it, nor do the host's other repositories
`, "URL", a.url), findingLines(found))
	for path := range a.asked {
		require.NotContains(t, path, "/off")
		require.NotContains(t, path, "/src")
	}
}

// An index is read once for all hosts.
func TestFindReadsOnce(t *testing.T) {
	a := newArchive(t)
	a.debian("trixie", stanzas("nginx 1.26"))
	a.suite("/php/dists/trixie", map[string]string{"main/binary-amd64": ""})
	var hosts []*inventory.Host
	for i := range 20 {
		h := oldHost(fmt.Sprintf("web%02d", i), "nginx 1.18", "gone 1")
		repository(h, a.url+"/php", "bullseye", "main")
		hosts = append(hosts, h)
	}
	var notes []string
	found, err := Find(report.WithNotes(t.Context(), func(text string) { notes = append(notes, text) }), hosts, a.options("debian-13-x64"))
	require.NoError(t, err)
	require.Len(t, found, 20)
	require.Equal(t, []string{"reading the indices of 4 suites for debian 13"}, notes)
	require.Len(t, a.asked, 8)
	for path, times := range a.asked {
		require.Equal(t, 1, times, path)
	}
}

// Findings say what was not compared: for unknown images, hosts of other systems and
// incomplete captures.
func TestFindSaysWhatIsNotCompared(t *testing.T) {
	for image, want := range map[string]string{
		"rockylinux-9-x64": "image rockylinux-9-x64 is neither Debian nor Ubuntu: its package archives are unknown",
		"153742912":        "image 153742912 is neither Debian nor Ubuntu: its package archives are unknown",
		"debian-99-x64":    "image debian-99-x64 has a release that this program does not know",
	} {
		found, err := Find(t.Context(), []*inventory.Host{oldHost("web1", "nginx 1"), oldHost("web2", "nginx 1")}, Options{Image: image})
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.Equal(t, image, found[0].Where)
		require.Contains(t, found[0].Text, "no package was compared: "+want)
	}

	a := newArchive(t)
	rpm, half := oldHost("rpm1", "nginx 1", "httpd 1"), oldHost("half1", "nginx 1")
	rpm.OS = inventory.OS{ID: "rocky", Name: "Rocky Linux 9", Like: "rhel centos fedora"}
	half.Missing = []inventory.Missing{{What: "manual", Reason: inventory.TimedOut}}
	found, err := Find(t.Context(), []*inventory.Host{rpm, half}, a.options("debian-12-x64"))
	require.NoError(t, err)
	require.Equal(t, `rpm1 | candidate | packages | not compared with debian 12: the packages of Rocky Linux 9 have other names
half1 | candidate | packages | not compared with debian 12: the capture could not take them (timed out)
`, findingLines(found))
	require.Empty(t, a.asked)
}

// Without the target's own archives packages are not compared, and not reported as
// missing.
func TestFindWithoutTheArchive(t *testing.T) {
	a := newArchive(t)
	h := oldHost("web1", "nginx 1", "curl 1")
	found, err := Find(t.Context(), []*inventory.Host{h}, a.options("debian-12-x64"))
	require.ErrorIs(t, err, ErrIncomplete)
	require.ErrorContains(t, err, a.url+"/debian bookworm: there is no such suite")
	require.Equal(t, "web1 | candidate | packages | not compared with debian 12, as "+a.url+"/debian bookworm could not be read: there is no such suite\n", findingLines(found))

	a.debian("bookworm", stanzas("nginx 1"))
	a.handlers["/debian-security/dists/bookworm-security/InRelease"] = func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "maintenance", http.StatusServiceUnavailable)
	}
	found, err = Find(t.Context(), []*inventory.Host{h}, a.options("debian-12-x64"))
	require.ErrorIs(t, err, ErrIncomplete)
	require.ErrorContains(t, err, "debian-security bookworm-security: answer 503 Service Unavailable")
	require.Len(t, found, 1)
	require.Contains(t, found[0].Text, "not compared with debian 12")
}

// A mirror that lacks a component of the archive is reported.
func TestFindWithoutAComponent(t *testing.T) {
	a := newArchive(t)
	a.debian("bookworm", stanzas("nginx 1"))
	h := oldHost("web1", "nginx 1", "free-not 1")
	h.Repositories[0].Components = []string{"main", "contrib"}
	found, err := Find(t.Context(), []*inventory.Host{h}, a.options("debian-12-x64"))
	require.NoError(t, err)
	require.Equal(t, "web1 | repository | packages | "+a.url+"/debian has nothing for bookworm in contrib\nweb1 | candidate | free-not 1 | debian 12 does not offer it\n", findingLines(found))
}

// TestFindStops: a slow answer holds nothing up once the context has ended.
func TestFindStops(t *testing.T) {
	a := newArchive(t)
	a.debian("bookworm", stanzas("nginx 1"))
	ctx, cancel := context.WithCancel(t.Context())
	a.handlers["/debian/dists/bookworm/main/binary-amd64/Packages.gz"] = func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(a.files[r.URL.Path][:12])
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	}
	began := time.Now()
	found, err := Find(ctx, []*inventory.Host{oldHost("web1", "nginx 1")}, a.options("debian-12-x64"))
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, ErrIncomplete)
	require.Empty(t, found)
	require.Less(t, time.Since(began), 10*time.Second)
}

// An index that is not the one that the Release file lists is read again, once, with
// its Release file.
func TestFindWhileTheArchiveChanges(t *testing.T) {
	a := newArchive(t)
	a.debian("bookworm", stanzas("nginx 1"))
	var times atomic.Int32
	path := "/debian/dists/bookworm/main/binary-amd64/Packages.gz"
	a.handlers[path] = func(w http.ResponseWriter, r *http.Request) {
		if times.Add(1) == 1 {
			_, _ = w.Write(pack(t, ".gz", stanzas("curl 1")))
			return
		}
		_, _ = w.Write(a.files[r.URL.Path])
	}
	var notes []string
	found, err := Find(report.WithNotes(t.Context(), func(text string) { notes = append(notes, text) }),
		[]*inventory.Host{oldHost("web1", "nginx 1", "curl 1")}, a.options("debian-12-x64"))
	require.NoError(t, err)
	require.Equal(t, "web1 | candidate | curl 1 | debian 12 does not offer it\n", findingLines(found), "nothing is kept of the index that was wrong")
	require.Len(t, notes, 2)
	require.Contains(t, notes[1], "its indices do not agree with its Release file; reading it again")
	require.Equal(t, 2, a.asked["/debian/dists/bookworm/InRelease"])
}

// Indices are requested by their sums if the archive offers that.
func TestFindByHash(t *testing.T) {
	a := newArchive(t)
	a.debian("bookworm", "")
	a.suite("/debian/dists/bookworm", map[string]string{"main/binary-amd64": stanzas("nginx 1")}, "Acquire-By-Hash: yes")
	path := "/debian/dists/bookworm/main/binary-amd64/Packages.gz"
	rel, err := parseRelease(strings.NewReader(string(a.files["/debian/dists/bookworm/InRelease"])))
	require.NoError(t, err)
	byHash := "/debian/dists/bookworm/main/binary-amd64/by-hash/SHA256/" + rel.indices["main/binary-amd64/Packages.gz"].sum
	a.files[byHash] = a.files[path]
	delete(a.files, path)
	found, err := Find(t.Context(), []*inventory.Host{oldHost("web1", "nginx 1")}, a.options("debian-12-x64"))
	require.NoError(t, err)
	require.Empty(t, found)
	require.Equal(t, 1, a.asked[byHash])
	require.Zero(t, a.asked[path])
}
