package inventory

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// parser fills a Host from the sections of an answer.
type parser struct {
	host     *Host
	sections map[string]section
}

// text returns a section's output. A section without one is noted as missing,
// and what it printed before it failed is not used.
func (p *parser) text(name string) (string, bool) {
	s, ok := p.sections[name]
	if !ok {
		p.miss(Missing{name, Failed, "the host did not answer this part"})
		return "", false
	}
	if m := s.missing(name); m != nil {
		p.miss(*m)
		return "", false
	}
	return string(s.out), true
}

func (p *parser) miss(m Missing) { p.host.Missing = append(p.host.Missing, m) }

// parse fills in the section; one that cannot be read is missing.
func (p *parser) parse(name string, fill func(text string) error) {
	text, ok := p.text(name)
	if !ok {
		return
	}
	if err := fill(text); err != nil {
		p.miss(Missing{name, Failed, err.Error()})
	}
}

// parseHost makes the model of an answer's sections.
func parseHost(target Target, sections map[string]section) *Host {
	p := &parser{&Host{Version: Version, Name: target.Host.Name(), Roles: slices.Sorted(slices.Values(target.Roles))}, sections}
	p.parse("os", p.os)
	p.parse("kernel", p.kernel)
	p.parse("cpu", p.cpu)
	p.parse("memory", p.memory)
	p.disks()
	p.parse("mounts", p.mounts)
	p.parse("packages", p.packages)
	p.parse("manual", p.manual)
	p.services()
	p.listeners()
	if len(target.Files) > 0 {
		p.files()
	}
	if target.MySQL != nil {
		p.mysql(target.MySQL.Socket)
	}
	slices.SortFunc(p.host.Disks, func(a, b Disk) int { return cmp.Compare(a.Mount, b.Mount) })
	slices.SortFunc(p.host.Missing, func(a, b Missing) int {
		return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Detail, b.Detail))
	})
	return p.host
}

// lines yields the lines of text that are not blank.
func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\n"); strings.TrimSpace(line) != "" {
			all = append(all, line)
		}
	}
	return all
}

// os reads os-release(5).
func (p *parser) os(text string) error {
	values := map[string]string{}
	for _, line := range lines(text) {
		if key, value, ok := strings.Cut(line, "="); ok {
			values[key] = unquote(value)
		}
	}
	p.host.OS.ID, p.host.OS.Release = values["ID"], values["VERSION_ID"]
	p.host.OS.Codename, p.host.OS.Name = values["VERSION_CODENAME"], values["PRETTY_NAME"]
	if p.host.OS.ID == "" {
		return errors.New("os-release has no ID")
	}
	return nil
}

var shellEscape = regexp.MustCompile(`\\(.)`)

// unquote takes the quotes of a shell word away.
func unquote(word string) string {
	word = strings.TrimSpace(word)
	if n := len(word); n >= 2 && (word[0] == '"' || word[0] == '\'') && word[n-1] == word[0] {
		word = word[1 : n-1]
	}
	return shellEscape.ReplaceAllString(word, "$1")
}

func (p *parser) kernel(text string) error {
	l := lines(text)
	if len(l) != 2 {
		return errors.New("uname does not answer two lines")
	}
	p.host.OS.Kernel, p.host.OS.Architecture = l[0], l[1]
	return nil
}

func (p *parser) cpu(text string) error {
	l := lines(text)
	if len(l) == 0 {
		return errors.New("no count of processors")
	}
	n, err := strconv.Atoi(strings.TrimSpace(l[0]))
	if err != nil || n < 1 {
		return fmt.Errorf("%.60q is no count of processors", l[0])
	}
	p.host.CPU.Count = n
	if len(l) > 1 {
		p.host.CPU.Model = strings.Join(strings.Fields(l[1]), " ")
	}
	return nil
}

func (p *parser) memory(text string) error {
	for _, line := range lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, err := strconv.ParseInt(f[1], 10, 52)
		if err != nil {
			continue
		}
		switch f[0] {
		case "MemTotal:":
			p.host.Memory.Total = kib << 10
		case "SwapTotal:":
			p.host.Memory.Swap = kib << 10
		}
	}
	if p.host.Memory.Total == 0 {
		return errors.New("meminfo has no MemTotal")
	}
	return nil
}

// dfLine is device, type, size, used, free, capacity, mount; the first and the
// last may contain blanks.
var dfLine = regexp.MustCompile(`^(.+?)\s+(\S+)\s+(\d+)\s+(\d+)\s+(-?\d+)\s+(?:\d+%|-)\s+(/.*)$`)

// holdsNoData lists file systems in memory or made by the kernel.
var holdsNoData = []string{"tmpfs", "devtmpfs", "ramfs", "squashfs", "efivarfs", "udev", "none"}

// disks reads df. One file system that cannot be asked makes df fail, with the
// others' lines printed: those count, and the failure is noted.
func (p *parser) disks() {
	s := p.sections["disks"]
	if s.status == 0 || len(s.out) == 0 {
		p.parse("disks", p.df)
		return
	}
	p.miss(*s.missing("disks"))
	if err := p.df(string(s.out)); err != nil {
		p.miss(Missing{"disks", Failed, err.Error()})
	}
}

func (p *parser) df(text string) error {
	for _, line := range lines(text) {
		f := dfLine.FindStringSubmatch(line)
		if f == nil || slices.Contains(holdsNoData, f[2]) {
			continue
		}
		size, err1 := strconv.ParseInt(f[3], 10, 52)
		used, err2 := strconv.ParseInt(f[4], 10, 52)
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("read size of %s: %w", f[6], err)
		}
		p.host.Disks = append(p.host.Disks, Disk{Mount: f[6], Device: f[1], FS: f[2], Size: size << 10, Used: roundUp(used << 10)})
	}
	return nil
}

func roundUp(n int64) int64 { return (n + SpaceUnit - 1) / SpaceUnit * SpaceUnit }

var overNetwork = regexp.MustCompile(`^(nfs4?|cifs|smb3|ceph|glusterfs|fuse\.(sshfs|glusterfs|s3fs)|9p|lustre|afs)$`)

// mounts adds the network file systems.
func (p *parser) mounts(text string) error {
	for _, line := range lines(text) {
		f := strings.Fields(line)
		if len(f) >= 3 && overNetwork.MatchString(f[2]) {
			p.host.Disks = append(p.host.Disks, Disk{Mount: unescapeMount(f[1]), Device: unescapeMount(f[0]), FS: f[2]})
		}
	}
	return nil
}

var mountEscape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// unescapeMount undoes the escapes of /proc/mounts; see fstab(5).
func unescapeMount(s string) string { return mountEscape.Replace(s) }

func (p *parser) packages(text string) error {
	for _, line := range lines(text) {
		f := strings.Split(line, "\t")
		if len(f) != 4 {
			return fmt.Errorf("%.60q is no package", line)
		}
		if !strings.HasPrefix(f[0], "ii") && !strings.HasPrefix(f[0], "hi") { // installed, or so and on hold
			continue
		}
		p.host.Packages = append(p.host.Packages, Package{Name: f[1], Version: f[2], Architecture: f[3]})
	}
	slices.SortFunc(p.host.Packages, func(a, b Package) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Architecture, b.Architecture), cmp.Compare(a.Version, b.Version))
	})
	return nil
}

// manual marks packages; apt-mark names those of a foreign architecture name:arch.
func (p *parser) manual(text string) error {
	manual := map[string]bool{}
	for _, name := range lines(text) {
		manual[strings.TrimSpace(name)] = true
	}
	count := map[string]int{}
	for _, pkg := range p.host.Packages {
		count[pkg.Name]++
	}
	for i := range p.host.Packages {
		pkg := &p.host.Packages[i]
		pkg.Manual = manual[pkg.Name+":"+pkg.Architecture] || manual[pkg.Name] &&
			(count[pkg.Name] == 1 || pkg.Architecture == p.nativeArchitecture())
	}
	return nil
}

// nativeArchitecture is that of dpkg itself.
func (p *parser) nativeArchitecture() string {
	i, found := slices.BinarySearchFunc(p.host.Packages, "dpkg", func(a Package, name string) int { return cmp.Compare(a.Name, name) })
	if !found {
		return ""
	}
	return p.host.Packages[i].Architecture
}

// parseOwners reads the answer of dpkg-query -S: path to package.
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

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
