package candidates

import (
	"cmp"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// suite is what one Release file describes.
type suite struct {
	url  string // of the repository, without a login and without a slash at the end
	name string // trixie-updates; a flat repository's is a folder: "./", "binary/"
}

func (s suite) flat() bool { return strings.HasSuffix(s.name, "/") }

// folder is where the Release file is.
func (s suite) folder() string {
	if s.flat() {
		return strings.TrimRight(s.url+path.Clean("/"+s.name), "/")
	}
	return s.url + "/dists/" + s.name
}

func (s suite) String() string { return s.url + " " + s.name }

// source is a suite that a new host would take packages from.
type source struct {
	suite
	components []string
	// own reports that it is the target distribution's. Other sources come from the
	// host: file is where it configures them, and was is the URL there.
	own       bool
	file, was string
	// optional reports that the suite may be missing.
	optional bool
}

// Addresses of the distributions' own archives. Ubuntu's do not offer TLS.
const (
	debianArchive  = "https://deb.debian.org/debian"
	debianSecurity = "https://deb.debian.org/debian-security"
	ubuntuArchive  = "http://archive.ubuntu.com/ubuntu"
	ubuntuSecurity = "http://security.ubuntu.com/ubuntu"
)

// ownSources returns the target distribution's sources for a host.
func (t distribution) ownSources(h *inventory.Host, o Options) []source {
	archive, security := debianArchive, debianSecurity
	if t.ID == "ubuntu" {
		archive, security = ubuntuArchive, ubuntuSecurity
	}
	archive = strings.TrimRight(cmp.Or(o.Mirror, archive), "/")
	security = strings.TrimRight(cmp.Or(o.SecurityMirror, security), "/")
	components := t.components(h)
	return []source{
		{suite: suite{archive, t.Codename}, components: components, own: true},
		{suite: suite{archive, t.Codename + "-updates"}, components: components, own: true, optional: true},
		{suite: suite{security, t.Codename + "-security"}, components: components, own: true},
	}
}

// firmwareComponentSince is the first release of Debian with a component for firmware.
const firmwareComponentSince = 12

// components returns the target's components that correspond to the host's. A host
// of another distribution gets those with free software.
func (t distribution) components(h *inventory.Host) []string {
	var all []string
	for _, r := range h.Repositories {
		if enabled(r) && isStock(h, r) {
			all = append(all, r.Components...)
		}
	}
	switch {
	case h.OS.ID == t.ID && len(all) > 0:
	case t.ID == "ubuntu":
		all = []string{"main", "universe"}
	default:
		all = []string{"main", "contrib"}
	}
	if t.ID == "debian" {
		was, is := majorRelease(h.OS.Release), majorRelease(t.Release)
		switch {
		case is >= firmwareComponentSince && was < firmwareComponentSince && slices.Contains(all, "non-free"):
			all = append(all, "non-free-firmware")
		case is < firmwareComponentSince && slices.Contains(all, "non-free-firmware"):
			all = append(slices.DeleteFunc(all, func(c string) bool { return c == "non-free-firmware" }), "non-free")
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func majorRelease(release string) int {
	first, _, _ := strings.Cut(release, ".")
	n, err := strconv.Atoi(first)
	if err != nil {
		return 0 // a release that is not published has no number
	}
	return n
}

func enabled(r inventory.Repository) bool { return r.Kind == "deb" && !r.Disabled }

var (
	debianArchiveURL = regexp.MustCompile(`^[a-z+]+://(([a-z0-9-]+\.)*debian\.org|httpredir\.debian\.net|http\.debian\.net)/(archive/)?(debian|debian-security)(/|$)|^[a-z]+://security\.debian\.org/?$`)
	ubuntuArchiveURL = regexp.MustCompile(`^[a-z+]+://(([a-z0-9-]+\.)*archive|security|ports|old-releases)\.ubuntu\.com/ubuntu(-ports)?/?$`)
	ubuntuCloudURL   = regexp.MustCompile(`^[a-z]+://ubuntu-cloud\.archive\.`) // OpenStack's, which a host opts into
	archiveKey       = regexp.MustCompile(`(^|/)(debian|ubuntu)-archive-[^/]*$`)
)

// isStock reports whether a repository is the distribution's own archive or a mirror
// of it. It decides by the address, by the required key, and by the suites of
// updates, which only such archives have.
func isStock(h *inventory.Host, r inventory.Repository) bool {
	u := strings.ToLower(withoutLogin(r.URL))
	if (debianArchiveURL.MatchString(u) || ubuntuArchiveURL.MatchString(u)) && !ubuntuCloudURL.MatchString(u) {
		return true
	}
	if len(r.SignedBy) > 0 && !slices.ContainsFunc(r.SignedBy, func(file string) bool { return !archiveKey.MatchString(file) }) {
		return true
	}
	if h.OS.Codename == "" {
		return false
	}
	return slices.ContainsFunc(h.Repositories, func(other inventory.Repository) bool {
		return enabled(other) && withoutLogin(other.URL) == withoutLogin(r.URL) && slices.ContainsFunc(other.Suites, func(s string) bool {
			return s == h.OS.Codename+"-updates" || s == h.OS.Codename+"-security"
		})
	})
}

// withoutLogin returns a URL without a login, even a redacted one.
func withoutLogin(address string) string {
	if scheme, rest, ok := strings.Cut(address, "://"); ok {
		authority, tail, slash := strings.Cut(rest, "/")
		if i := strings.LastIndexByte(authority, '@'); i >= 0 {
			authority = authority[i+1:]
		}
		address = scheme + "://" + authority
		if slash {
			address += "/" + tail
		}
	}
	return strings.TrimRight(address, "/")
}

// otherSources returns the host's sources besides those of its distribution, adapted
// to the target.
func (t distribution) otherSources(h *inventory.Host) []source {
	var all []source
	for _, r := range h.Repositories {
		if !enabled(r) || isStock(h, r) {
			continue
		}
		for _, name := range r.Suites {
			s := suite{t.movedURL(withoutLogin(r.URL), h.OS), t.movedSuite(name, h.OS)}
			i := slices.IndexFunc(all, func(other source) bool { return other.suite == s })
			if i < 0 {
				all, i = append(all, source{suite: s, file: r.File, was: withoutLogin(r.URL)}), len(all)
			}
			for _, c := range r.Components {
				if !slices.Contains(all[i].components, c) {
					all[i].components = append(all[i].components, c)
				}
			}
		}
	}
	return all
}

// movedSuite replaces the host's codename in a suite by the target's: bookworm-pgdg,
// cloud-sdk-bookworm, bookworm/stable.
func (t distribution) movedSuite(name string, os inventory.OS) string {
	if os.Codename == "" {
		return name
	}
	return regexp.MustCompile(`\b`+regexp.QuoteMeta(os.Codename)+`\b`).ReplaceAllLiteralString(name, t.Codename)
}

// movedURL replaces the folders in a URL that name the host's distribution and
// release by the target's: linux/ubuntu, debian/12/prod, Debian_12.
func (t distribution) movedURL(address string, os inventory.OS) string {
	u, err := url.Parse(address)
	if err != nil || os.ID == "" {
		return address
	}
	parts := strings.Split(u.Path, "/")
	for i, p := range parts {
		name, release, underscore := strings.Cut(p, "_")
		switch {
		case p == os.ID:
			parts[i] = t.ID
		case p == os.Release && i > 0 && parts[i-1] == t.ID: // replaced in the step before
			parts[i] = t.Release
		case p == os.Codename && p != "":
			parts[i] = t.Codename
		case underscore && release == os.Release && strings.TrimPrefix(strings.ToLower(name), "x") == os.ID:
			parts[i] = map[string]string{"debian": "Debian_", "ubuntu": "xUbuntu_"}[t.ID] + t.Release
		}
	}
	u.Path, u.RawPath = strings.Join(parts, "/"), ""
	return u.String()
}
