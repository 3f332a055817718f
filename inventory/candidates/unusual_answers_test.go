package candidates

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
)

// unusualAnswers are answers of one of the host's repositories, and the finding for
// each. The target's own archives answer normally, so everything else is compared.
var unusualAnswers = []struct {
	name       string
	make       func(a *archive, folder, index string)
	want       string
	incomplete bool // a later run may get an answer
}{
	{
		"no such suite", func(a *archive, folder, _ string) { delete(a.files, folder+"/InRelease") },
		"URL/odd has nothing for bookworm: there is no bookworm; from there come thing", false,
	},
	{"a login is wanted", withStatus(http.StatusUnauthorized, "/InRelease"), "URL/odd bookworm was not compared: it wants a login; from there come thing", false},
	{"not for everybody", withStatus(http.StatusForbidden, "/InRelease"), "it wants a login", false},
	{"a login for indices only", withStatus(http.StatusUnauthorized, "/main/binary-amd64/Packages.gz"), "it wants a login", false},
	{"an error", withStatus(http.StatusBadGateway, "/InRelease"), "answer 502 Bad Gateway", true},
	{"nothing of use", withStatus(http.StatusNoContent, "/InRelease"), "answer 204 No Content", true},
	{"the page of a hotel", func(a *archive, folder, _ string) {
		a.files[folder+"/InRelease"] = []byte("<html>\n<body>Welcome! SHA256: please log in\n</html>")
	}, "its Release file names no index with its SHA-256", true},
	{"old sums only", func(a *archive, folder, _ string) {
		a.files[folder+"/InRelease"] = []byte("MD5Sum:\n d41d8cd98f00b204e9800998ecf8427e 0 main/binary-amd64/Packages\n")
	}, "its Release file names no index with its SHA-256", true},
	{"a Release file without an end", func(a *archive, folder, _ string) {
		a.handlers[folder+"/InRelease"] = func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte(" 0123456789 12 main/source/Sources and so on\n"))
			}
		}
	}, "it is too large", true},
	{"an index cut off", func(a *archive, _, index string) { a.files[index] = a.files[index][:40] }, "its indices do not agree with its Release file: unexpected EOF", true},
	{
		"an index of another day", func(a *archive, _, index string) { a.files[index] = pack(a.t, ".gz", stanzas("thing 2")) },
		"its indices do not agree with its Release file", true,
	},
	{"a connection that breaks", func(a *archive, _, index string) {
		a.handlers[index] = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(a.files[index][:40])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	}, "its indices do not agree with its Release file: unexpected EOF", true},
	{"an index that is gone", func(a *archive, _, index string) { delete(a.files, index) }, "an index that is listed is not there", true},
	{"an index that is no gzip", withIndex(".gz", []byte("<html>404</html>")), "gzip: invalid header", true},
	{"an index that is no xz", withIndex(".xz", []byte("<html>404, in some more words</html>")), "xz", true},
	{"xz that wants 3 GiB", withIndex(".xz", memoryHungryXZ()), "it asks for too much memory", true},
	{"a line without an end", withIndex("", []byte(stanzas("thing 1")+"Package: "+strings.Repeat("x", maxLine+1))), "a line of it is longer than 1 MiB", true},
	{"an index of a terabyte", func(a *archive, folder, index string) {
		a.files[folder+"/InRelease"] = []byte(fmt.Sprintf("SHA256:\n %064x %d main/binary-amd64/Packages.gz\n", 1, int64(1)<<40))
	}, "its index is of 1.00 TiB", true},
	{"sums that are none", func(a *archive, folder, _ string) {
		a.files[folder+"/InRelease"] = []byte("SHA256:\n zz 12 main/binary-amd64/Packages.gz\n 00 -1 main/binary-amd64/Packages\n")
	}, "its Release file names no index", true},
}

func withStatus(status int, path string) func(*archive, string, string) {
	return func(a *archive, folder, _ string) {
		a.handlers[folder+path] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
}

// withIndex serves an index with this body and the right sum.
func withIndex(form string, body []byte) func(*archive, string, string) {
	return func(a *archive, folder, _ string) {
		name := "main/binary-amd64/Packages" + form
		a.files[folder+"/"+name] = body
		a.files[folder+"/InRelease"] = []byte(fmt.Sprintf("SHA256:\n %x %d %s\n", sha256.Sum256(body), len(body), name))
	}
}

// An unusual answer of a repository affects only the comparison with that repository.
func TestUnusualAnswers(t *testing.T) {
	for _, test := range unusualAnswers {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := newArchive(t)
			a.debian("bookworm", stanzas("nginx 1"))
			folder := "/odd/dists/bookworm"
			a.suite(folder, map[string]string{"main/binary-amd64": stanzas("thing 1")})
			test.make(a, folder, folder+"/main/binary-amd64/Packages.gz")
			h := oldHost("web1", "nginx 2", "thing 1 amd64 "+a.url+"/odd bullseye/main")
			repository(h, a.url+"/odd", "bullseye", "main")

			found, err := Find(t.Context(), []*inventory.Host{h}, a.options("debian-12-x64"))
			if test.incomplete {
				require.ErrorIs(t, err, ErrIncomplete)
				require.ErrorContains(t, err, a.url+"/odd bookworm: ")
				require.NotContains(t, err.Error(), "\n")
			} else {
				require.NoError(t, err)
			}
			text := findingLines(found)
			require.Contains(t, text, "web1 | repository | /etc/apt/sources.list.d/other.list | "+a.url+"/odd")
			require.Contains(t, text, strings.ReplaceAll(test.want, "URL", a.url))
			require.Contains(t, text, "web1 | candidate | nginx 2 | debian 12 offers 1, which is older")
			if !strings.Contains(text, "has nothing for") {
				require.NotContains(t, text, "thing 1 |", "what is not compared is not said to be missing")
			}
		})
	}
}

// Repositories that cannot be read from here are reported as not compared.
func TestUnusualAddresses(t *testing.T) {
	a := newArchive(t)
	a.debian("bookworm", stanzas("nginx 1"))
	for address, want := range map[string]string{
		"cdrom:[Debian]":         "it is only for the host itself",
		"file:/srv/apt":          "it is only for the host itself",
		"http://127.0.0.1:1/apt": "connection refused",
		"http://[::1":            "missing ']' in host",
		a.url + "/delete?id=1&x": "its address has a query",
	} {
		h := oldHost("web1", "nginx 1", "own 1")
		repository(h, address, "bullseye", "main")
		found, err := Find(t.Context(), []*inventory.Host{h}, a.options("debian-12-x64"))
		require.Len(t, found, 2, address)
		require.Contains(t, found[0].Text, "was not compared: ")
		require.Contains(t, found[0].Text, want)
		require.Contains(t, found[1].Text, "debian 12 does not offer it; not compared: ")
		require.Equal(t, strings.HasPrefix(address, "http") && !strings.Contains(address, "?"), err != nil)
	}
}

// Some archives refuse a missing InRelease instead of answering "not found"; Release
// is read then.
func TestReleaseAfterRefusedInRelease(t *testing.T) {
	a := newArchive(t)
	a.debian("bookworm", stanzas("nginx 1"))
	const folder = "/odd/dists/bookworm"
	a.suite(folder, map[string]string{"main/binary-amd64": stanzas("thing 1")})
	a.files[folder+"/Release"] = a.files[folder+"/InRelease"]
	withStatus(http.StatusForbidden, "/InRelease")(a, folder, "")
	h := oldHost("web1", "nginx 1", "thing 1")
	repository(h, a.url+"/odd", "bullseye", "main")
	found, err := Find(t.Context(), []*inventory.Host{h}, a.options("debian-12-x64"))
	require.NoError(t, err)
	require.Empty(t, found)
}

// A mirror may redirect to another, but not forever, and not from HTTPS to HTTP.
func TestRedirectsAreBounded(t *testing.T) {
	request := func(address string) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		require.NoError(t, err)
		return r
	}
	secure, plain := request("https://a.test/"), request("http://b.test/")
	require.NoError(t, redirect(plain, []*http.Request{plain}))
	require.NoError(t, redirect(secure, []*http.Request{plain}))
	require.ErrorContains(t, redirect(plain, []*http.Request{secure}), "it sends on to http://b.test")
	require.Error(t, redirect(secure, slices.Repeat([]*http.Request{secure}, maxRedirects+1)))

	a := newArchive(t)
	a.handlers["/x"] = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) }
	r := newReader()
	defer r.close()
	_, err := r.get(t.Context(), a.url+"/x")
	require.ErrorContains(t, err, "it sends on to")
}

// An index cannot fill the memory with architectures.
func TestOneNameOfManyArchitectures(t *testing.T) {
	w, o := newWanted(), newOffers()
	w.add("nginx")
	var index strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&index, "Package: nginx\nVersion: 1\nArchitecture: a%d\n\n", i)
	}
	fmt.Fprintf(&index, "Package: nginx\nVersion: %s\nArchitecture: a0\n\n", strings.Repeat("9", maxFieldLength+1))
	require.NoError(t, parsePackages(strings.NewReader(index.String()), w, o))
	require.Len(t, o.best, maxArchitectures)
	require.Equal(t, "1", o.best[binary{"nginx", "a0"}])
}

// The suite of updates may be missing: unpublished releases and partial mirrors have none.
func TestUpdatesMayBeMissing(t *testing.T) {
	a := newArchive(t)
	a.debian("bookworm", stanzas("nginx 1"))
	delete(a.files, "/debian/dists/bookworm-updates/InRelease")
	found, err := Find(t.Context(), []*inventory.Host{oldHost("web1", "nginx 1")}, a.options("debian-12-x64"))
	require.NoError(t, err)
	require.Empty(t, found)
}

// An index of 16 MiB costs memory for what is wanted, not for its size.
func TestIndicesAreNotHeld(t *testing.T) {
	one := []byte(stanzas("some-package-or-other 1.2.3-4 all virtual-thing (= 1), other-thing"))
	w := newWanted()
	w.add("nginx")
	w.add("php7.4-fpm")
	const size = 16 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.NoError(t, parsePackages(io.LimitReader(&repeatingReader{one: one}, size), w, newOffers()))
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(size/2))
}

// repeatingReader repeats the same bytes forever.
type repeatingReader struct {
	one []byte
	at  int
}

func (r *repeatingReader) Read(p []byte) (int, error) {
	n := copy(p, r.one[r.at:])
	r.at = (r.at + n) % len(r.one)
	return n, nil
}

// No index makes the parser panic or return what apt would not accept.
func FuzzPackages(f *testing.F) {
	f.Add([]byte(stanzas("nginx 1:1.22-1", "php8.2-fpm 8.2 all php-fpm (= 8), nginx")))
	f.Add([]byte("Package: nginx\r\nVersion: 1\nProvides: a,\n nginx\n\n\n\nPackage:\nVersion: ~\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		w, o := newWanted(), newOffers()
		w.add("nginx")
		w.add("php7.4-fpm")
		_ = parsePackages(bytes.NewReader(text), w, o)
		for b, version := range o.best {
			require.True(t, w.names[b.name])
			require.Regexp(t, versionText, version)
		}
		for _, names := range []map[string][]string{o.providers, o.alike} {
			for _, list := range names {
				require.LessOrEqual(t, len(list), maxNames)
				for _, name := range list {
					require.Regexp(t, packageName, name)
				}
			}
		}
	})
}

// All that is kept of a Release file are indices with a sum and a size.
func FuzzRelease(f *testing.F) {
	f.Add([]byte("Architectures: all amd64\nSHA256:\n " + strings.Repeat("0a", 32) + " 12 main/binary-amd64/Packages.gz\n"))
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\n\nNo-Support-for-Architecture-all: Packages\nSHA256:\n 00 1 x/Packages\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		rel, err := parseRelease(bytes.NewReader(text))
		if err != nil {
			return
		}
		require.NotEmpty(t, rel.indices)
		for path, i := range rel.indices {
			require.Contains(t, path, "Packages")
			require.Len(t, i.sum, 64)
			require.GreaterOrEqual(t, i.size, int64(0))
		}
	})
}
