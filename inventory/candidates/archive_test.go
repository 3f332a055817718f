package candidates

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/findings"
)

// archive is a real HTTP server with repositories below its address.
type archive struct {
	t   *testing.T
	url string

	mu       sync.Mutex
	files    map[string][]byte
	handlers map[string]http.HandlerFunc // come before files
	asked    map[string]int
}

func newArchive(t *testing.T) *archive {
	a := &archive{t: t, files: map[string][]byte{}, handlers: map[string]http.HandlerFunc{}, asked: map[string]int{}}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

func (a *archive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.asked[r.URL.Path]++
	body, ok := a.files[r.URL.Path]
	odd := a.handlers[r.URL.Path]
	a.mu.Unlock()
	switch {
	case odd != nil:
		odd(w, r)
	case ok:
		_, _ = w.Write(body)
	default:
		http.NotFound(w, r)
	}
}

// options make the archive's debian and debian-security the target's own.
func (a *archive) options(image string) Options {
	return Options{Image: image, Mirror: a.url + "/debian", SecurityMirror: a.url + "/debian-security/"}
}

// debian serves the target's own suites; packages are those of main.
func (a *archive) debian(codename, packages string) {
	a.suite("/debian/dists/"+codename, map[string]string{"main/binary-amd64": packages})
	a.suite("/debian/dists/"+codename+"-updates", map[string]string{"main/binary-amd64": ""})
	a.suite("/debian-security/dists/"+codename+"-security", map[string]string{"main/binary-amd64": ""})
}

// suite puts up a Release file and the indices of folders below it, in forms
// (gzip, where none is named). The lines of head come first.
func (a *archive) suite(folder string, indices map[string]string, how ...string) {
	a.t.Helper()
	var release strings.Builder
	formsOf := []string{}
	for _, h := range how {
		if strings.Contains(h, ":") {
			fmt.Fprintln(&release, h)
		} else {
			formsOf = append(formsOf, strings.TrimSuffix(h, "plain"))
		}
	}
	if len(formsOf) == 0 {
		formsOf = []string{".gz"}
	}
	fmt.Fprintf(&release, "SHA256:\n")
	a.mu.Lock()
	defer a.mu.Unlock()
	for sub, packages := range indices {
		for _, form := range formsOf {
			name := strings.TrimPrefix(sub+"/Packages"+form, "/")
			body := pack(a.t, form, packages)
			a.files[folder+"/"+name] = body
			fmt.Fprintf(&release, " %x %d %s\n", sha256.Sum256(body), len(body), name)
		}
	}
	a.files[folder+"/InRelease"] = []byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Test\n" + release.String() +
		"-----BEGIN PGP SIGNATURE-----\n\niQIzBAEBCgAdFiEE\n-----END PGP SIGNATURE-----\n")
}

func pack(t *testing.T, form, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	switch form {
	case ".gz":
		w := gzip.NewWriter(&b)
		_, err := w.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, w.Close())
	case ".xz":
		w, err := xz.NewWriter(&b)
		require.NoError(t, err)
		_, err = w.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, w.Close())
	default:
		b.WriteString(text)
	}
	return b.Bytes()
}

// stanzas are an index of packages: "name version [architecture [provides]]".
func stanzas(packages ...string) string {
	var b strings.Builder
	for _, p := range packages {
		f := strings.SplitN(p+"   ", " ", 4)
		architecture := strings.TrimSpace(f[2])
		if architecture == "" {
			architecture = "amd64"
		}
		fmt.Fprintf(&b, "Package: %s\nDescription: one\n two\nVersion: %s\nArchitecture: %s\n", f[0], f[1], architecture)
		if provides := strings.TrimSpace(f[3]); provides != "" {
			fmt.Fprintf(&b, "Provides: %s\n", provides)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// oldHost runs Debian 11 with explicitly installed packages: "name version
// [architecture [origin]]".
func oldHost(name string, packages ...string) *inventory.Host {
	h := &inventory.Host{
		Name: name,
		OS:   inventory.OS{ID: "debian", Release: "11", Codename: "bullseye", Name: "Debian GNU/Linux 11"},
		Repositories: []inventory.Repository{
			{File: "/etc/apt/sources.list", Kind: "deb", URL: "http://deb.debian.org/debian", Suites: []string{"bullseye"}, Components: []string{"main"}},
		},
		Packages: []inventory.Package{{Name: "dpkg", Version: "1.20.13", Architecture: "amd64", Manual: true}},
	}
	for _, p := range packages {
		f := strings.SplitN(p+"   ", " ", 4)
		if f[2] == "" {
			f[2] = "amd64"
		}
		h.Packages = append(h.Packages, inventory.Package{Name: f[0], Version: f[1], Architecture: f[2], Origin: strings.TrimSpace(f[3]), Manual: true})
	}
	return h
}

func repository(h *inventory.Host, url, suite string, components ...string) {
	h.Repositories = append(h.Repositories, inventory.Repository{
		File: "/etc/apt/sources.list.d/other.list", Kind: "deb", URL: url, Suites: []string{suite}, Components: components,
	})
}

// findingLines returns a line for each finding.
func findingLines(found []findings.Finding) string {
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "%s | %s | %s | %s\n", f.Host, f.Kind, f.Where, f.Text)
	}
	return b.String()
}
