package capture

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// configuration lists the files that set this host apart from one with the same
// packages: changed files of packages, and files of no package.
func (p *parser) configuration() {
	listed, _ := p.section("tree")
	p.addMissingPaths("tree", listed)
	for _, fields := range records(string(listed.out), fileFields) {
		file, err := parseFile(fields)
		if err != nil {
			p.addMissing(inventory.Missing{What: "tree", Reason: inventory.Failed, Detail: err.Error()})
			return
		}
		p.tree[string(file.Path)] = &file
	}
	generated := p.readGeneratedFiles()
	hashed, _ := p.section("tree-sums")
	p.addMissingPaths("tree-sums", hashed)
	sums := parseSums(string(hashed.out))
	md5s := map[string]string{}
	if s, ok := p.section("conffile-sums"); ok && len(p.conffiles) > 0 {
		md5s = parseSums(string(s.out))
		p.addMissingPaths("conffile-sums", s)
	}
	for _, name := range slices.Sorted(maps.Keys(p.tree)) {
		file := p.tree[name]
		owner := p.owner(name)
		switch {
		case owner == "" && generated.isPristine(name, file.Kind, sums[name]), file.Kind == kinds["d"] && (owner != "" || isOrdinaryFolder(file)):
			continue
		case owner != "":
			if !p.changed(name, md5s, sums) {
				continue
			}
			file.Package = owner
		}
		if file.Kind == kinds["f"] {
			p.hash(file, sums)
		}
		p.host.Configuration = append(p.host.Configuration, *file)
	}
	p.addVerified()
}

// isOrdinaryFolder reports whether a folder is as root's mkdir makes it, or is one
// of treeRoots.
func isOrdinaryFolder(f *inventory.File) bool {
	return f.Mode == "0755" && f.UID == 0 && f.GID == 0 || slices.Contains(treeRoots, string(f.Path))
}

// changed reports whether a file differs from the one that its package installed.
func (p *parser) changed(name string, md5s, sums map[string]string) bool {
	if want := p.conffiles[name]; want != "" {
		have := md5s[name]
		return have != "" && have != want && want != "newconffile"
	}
	if want := p.digests[name]; want != "" {
		have := sums[name]
		return have != "" && have != want
	}
	return false
}

var verifyLine = regexp.MustCompile(`^([?.SM5DLUGTPc]{8,9}|missing)\s+(?:([cdglra])\s+)?(/.*)$`)

// addVerified adds the files outside of treeRoots that the package manager itself
// found changed. Only a deep capture asks it.
func (p *parser) addVerified() {
	if !p.target.Deep {
		return
	}
	p.parse("verify", func(text string) error {
		for _, line := range lines(text) {
			m := verifyLine.FindStringSubmatch(line)
			if m == nil || p.tree[m[3]] != nil || strings.HasPrefix(m[3], "/usr/share/") {
				continue
			}
			kind := "file"
			if m[1] == "missing" {
				kind = "removed"
			}
			p.host.Configuration = append(p.host.Configuration, inventory.File{Path: inventory.Text(m[3]), Kind: kind, Package: p.owner(m[3])})
		}
		slices.SortFunc(p.host.Configuration, func(a, b inventory.File) int { return cmp.Compare(a.Path, b.Path) })
		return nil
	})
}

// isConfiguration reports whether a file is in Host.Configuration.
func (p *parser) isConfiguration(name string) bool {
	_, ok := slices.BinarySearchFunc(p.host.Configuration, inventory.Text(name), func(f inventory.File, n inventory.Text) int { return cmp.Compare(f.Path, n) })
	return ok
}

// isListed reports whether a file is in Host.Files.
func (p *parser) isListed(name string) bool {
	_, ok := slices.BinarySearchFunc(p.host.Files, inventory.Text(name), func(f inventory.File, n inventory.Text) int { return cmp.Compare(f.Path, n) })
	return ok
}
