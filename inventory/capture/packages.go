package capture

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// packages reads the installed packages, which of them were requested, their
// origins and their files.
func (p *parser) packages() {
	p.parse("packages", func(text string) error {
		manager, rest, _ := strings.Cut(text, "\n")
		switch manager {
		case "dpkg":
			return p.dpkg(rest)
		case "rpm":
			return p.rpm(rest)
		}
		return fmt.Errorf("%.60q is no package manager", manager)
	})
	slices.SortFunc(p.host.Packages, func(a, b inventory.Package) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Architecture, b.Architecture), cmp.Compare(a.Version, b.Version))
	})
	p.parse("manual", p.manual)
	p.parse("origins", p.origins)
	if p.isRPM() {
		p.parse("rpm-owners", p.rpmOwners)
		return
	}
	p.parse("owners", func(text string) error {
		p.owners = parseOwners(text)
		return nil
	})
}

func (p *parser) isRPM() bool {
	s, _ := p.section("packages")
	return strings.HasPrefix(string(s.out), "rpm\n")
}

// dpkg reads lines of status, name, version and architecture. Behind each line
// follow the package's configuration files and their MD5, indented.
func (p *parser) dpkg(text string) error {
	installed := false
	for _, line := range lines(text) {
		if strings.HasPrefix(line, " ") {
			if f := strings.Fields(line); installed && len(f) >= 2 {
				p.conffiles[f[0]] = f[1]
			}
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 4 {
			return fmt.Errorf("%.60q is no package", line)
		}
		// installed, or installed and on hold
		if installed = strings.HasPrefix(f[0], "ii") || strings.HasPrefix(f[0], "hi"); !installed {
			continue
		}
		p.host.Packages = append(p.host.Packages, inventory.Package{Name: f[1], Version: f[2], Architecture: f[3], Held: f[0][0] == 'h'})
	}
	return nil
}

// rpm reads lines of name, version, architecture, vendor.
func (p *parser) rpm(text string) error {
	for _, line := range lines(text) {
		f := strings.Split(line, "\t")
		if len(f) != 4 {
			return fmt.Errorf("%.60q is no package", line)
		}
		if f[0] == "gpg-pubkey" { // a trusted key, which RPM lists as a package
			continue
		}
		if f[3] == "(none)" {
			f[3] = ""
		}
		p.host.Packages = append(p.host.Packages, inventory.Package{
			Name: f[0], Version: strings.TrimPrefix(f[1], "0:"), Architecture: strings.Replace(f[2], "(none)", "", 1), Origin: f[3],
		})
	}
	return nil
}

// manual marks the packages that were installed on request. On Debian these are
// all that apt did not install as dependencies.
func (p *parser) manual(text string) error {
	if p.isRPM() {
		asked := map[string]bool{}
		for _, name := range lines(text) {
			asked[strings.TrimSpace(name)] = true
		}
		for i := range p.host.Packages {
			p.host.Packages[i].Manual = asked[p.host.Packages[i].Name]
		}
		return nil
	}
	automatic := map[string]bool{}
	var name, arch string
	for _, line := range lines(text) {
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "Package":
			name, arch = value, ""
		case "Architecture":
			arch = value
		case "Auto-Installed":
			automatic[name+":"+arch] = value == "1"
		}
	}
	native := p.nativeArchitecture()
	for i := range p.host.Packages {
		pkg := &p.host.Packages[i]
		arch := pkg.Architecture
		if arch == "all" { // apt records it under the native architecture
			arch = native
		}
		pkg.Manual = !automatic[pkg.Name+":"+arch] && !automatic[pkg.Name+":"+pkg.Architecture]
	}
	return nil
}

// nativeArchitecture returns the architecture of the package dpkg.
func (p *parser) nativeArchitecture() string {
	i, found := slices.BinarySearchFunc(p.host.Packages, "dpkg", func(a inventory.Package, name string) int { return cmp.Compare(a.Name, name) })
	if !found {
		return ""
	}
	return p.host.Packages[i].Architecture
}

// origins reads the output of apt-cache policy: each package, its versions with
// the installed one marked, and the repositories that offer each version.
func (p *parser) origins(text string) error {
	origin := map[string]string{}
	var name string
	inInstalled := false
	for _, line := range lines(text) {
		t := strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, " "):
			name, inInstalled = strings.TrimSuffix(t, ":"), false
			origin[name] = ""
		case strings.HasPrefix(line, " *** "):
			inInstalled = true
		case strings.HasPrefix(line, "     ") && !strings.HasPrefix(line, "        "): // another version
			inInstalled = false
		case inInstalled && strings.HasPrefix(line, "        "):
			f := strings.Fields(t)
			if len(f) >= 3 && !strings.HasPrefix(f[1], "/") && origin[name] == "" {
				origin[name] = strings.Join(f[1:3], " ")
			}
		}
	}
	native := p.nativeArchitecture()
	for i := range p.host.Packages {
		pkg := &p.host.Packages[i]
		for _, key := range []string{pkg.Name + ":" + pkg.Architecture, pkg.Name, pkg.Name + ":" + native} {
			if o, ok := origin[key]; ok {
				if pkg.Origin = o; o == "" {
					pkg.Origin = inventory.Local
				}
				break
			}
		}
	}
	return nil
}

// parseOwners reads the output of dpkg-query -S into a map from path to package.
func parseOwners(text string) map[string]string {
	owners := map[string]string{}
	for _, line := range lines(text) {
		packages, path, ok := strings.Cut(line, ": ")
		if !ok || strings.HasPrefix(line, "diversion by ") || strings.HasPrefix(line, "local diversion") {
			continue
		}
		first, _, _ := strings.Cut(packages, ",")
		first, _, _ = strings.Cut(first, ":")
		if have := owners[path]; have == "" || first < have {
			owners[path] = first
		}
	}
	return owners
}

// rpmOwners reads lines of package, flags, digest, path.
func (p *parser) rpmOwners(text string) error {
	for _, line := range lines(text) {
		f := strings.SplitN(line, "\t", 4)
		if len(f) != 4 {
			return fmt.Errorf("%.60q is no file of a package", line)
		}
		p.owners[f[3]] = f[0]
		if strings.Contains(f[1], "c") && len(f[2]) == 64 { // configuration, SHA-256
			p.digests[f[3]] = f[2]
		}
	}
	return nil
}

// owner returns the package of a file, or "". On a host with a merged /usr, the
// package may list the file by its old path.
func (p *parser) owner(path string) string {
	if o := p.owners[path]; o != "" {
		return o
	}
	if old, ok := strings.CutPrefix(path, "/usr"); ok {
		return p.owners[old]
	}
	return p.owners["/usr"+path]
}

var (
	versionedName = regexp.MustCompile(`^(.+?)-(\d[^-]*?)(?:-py[\d.]+)?(?:-[a-z0-9_]+)?\.(?:dist-info|egg-info|gemspec)$`)
	npmVersion    = regexp.MustCompile(`"version"\s*:\s*"([^"]*)"`)
)

// languages reads records of manager, path and details: the version's line for
// npm, all of installed.json for composer.
func (p *parser) languages(text string) error {
	for _, r := range records(text, 3) {
		l := inventory.LanguagePackage{Manager: r[0], Folder: path.Dir(r[1])}
		switch r[0] {
		case "pip", "gem":
			m := versionedName.FindStringSubmatch(path.Base(r[1]))
			if m == nil || p.owner(r[1]) != "" || p.owner(r[1]+"/METADATA") != "" {
				continue
			}
			l.Name, l.Version = m[1], m[2]
		case "npm":
			dir := path.Dir(r[1])
			l.Name, l.Folder = path.Base(dir), path.Dir(dir)
			if scope := path.Base(l.Folder); strings.HasPrefix(scope, "@") {
				l.Name, l.Folder = scope+"/"+l.Name, path.Dir(l.Folder)
			}
			if m := npmVersion.FindStringSubmatch(r[2]); m != nil {
				l.Version = m[1]
			}
		case "composer":
			l.Folder = path.Dir(path.Dir(l.Folder))
			if err := p.composer(l, r[2]); err != nil {
				return err
			}
			continue
		default:
			return fmt.Errorf("%.60q is no package manager", r[0])
		}
		p.host.Languages = append(p.host.Languages, l)
	}
	slices.SortFunc(p.host.Languages, func(a, b inventory.LanguagePackage) int {
		return cmp.Or(cmp.Compare(a.Manager, b.Manager), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Folder, b.Folder), cmp.Compare(a.Version, b.Version))
	})
	return nil
}

// composer reads installed.json of composer 1 (a list) or 2 (a list in "packages").
func (p *parser) composer(l inventory.LanguagePackage, text string) error {
	type pkg struct{ Name, Version string }
	var all struct{ Packages []pkg }
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		if err := json.Unmarshal([]byte(text), &all.Packages); err != nil {
			return fmt.Errorf("read composer's packages: %w", err)
		}
	}
	for _, c := range all.Packages {
		l.Name, l.Version = c.Name, c.Version
		p.host.Languages = append(p.host.Languages, l)
	}
	return nil
}
