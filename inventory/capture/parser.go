package capture

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/redact"
)

// parser fills a Host from the sections of an answer (parseSections), and then from
// the contents of files (fetch, parseContents).
type parser struct {
	host       *inventory.Host
	target     Target
	answer     answer
	redactor   *redact.Redactor
	answeredAt time.Time     // when the answer had arrived
	duration   time.Duration // from the start of the script to the answer

	owners      map[string]string          // path to package
	conffiles   map[string]string          // path to the MD5 of the packaged file
	digests     map[string]string          // path to the SHA-256 of the packaged file, of RPM
	tree        map[string]*inventory.File // every file below treeRoots
	sums        map[string]string          // path to SHA-256, of tree and files
	contents    map[string]string          // path to the text that was fetched
	keys        map[string][]byte          // path to a repository's key, in binary form
	processes   map[int]process
	keyPatterns []string        // files of authorized keys, as sshd_config(5) writes them
	keyFiles    map[string]bool // files of users' authorized keys, which may not exist
}

func newParser(target Target, a answer, r *redact.Redactor) *parser {
	return &parser{
		host: &inventory.Host{
			Version: inventory.Version, Compatible: inventory.Compatible, Name: target.Host.Name(),
			Roles: slices.Sorted(slices.Values(target.Roles)),
		},
		target: target, answer: a, redactor: r,
		owners: map[string]string{}, conffiles: map[string]string{}, digests: map[string]string{},
		tree: map[string]*inventory.File{}, sums: map[string]string{}, contents: map[string]string{}, keys: map[string][]byte{}, processes: map[int]process{}, keyPatterns: defaultKeyFiles, keyFiles: map[string]bool{},
	}
}

// parseSections reads the sections. Those that others use come first.
func (p *parser) parseSections() {
	p.parse("os", p.osRelease)
	p.parse("machine", p.machine)
	p.disks()
	p.parse("mounts", p.mounts)
	p.storage()
	p.packages()
	p.parse("languages", p.languages)
	p.files()
	p.configuration()
	p.accounts()
	p.services()
	p.programs()
	p.listeners()
	p.connections()
	p.network()
	p.kernel()
	p.firewall()
	p.time()
	p.parse("certificates", p.certificates)
	p.parse("containers", p.containers)
	p.parse("releases", p.releases)
	p.mysql()
	p.parse("redis", p.redis)
	p.parse("postgresql", p.postgresql)
}

// parseContents reads the contents of files, finds the causes of what runs, stores
// the contents, redacts secrets and sorts the lists.
func (p *parser) parseContents(objects *inventory.Objects) error {
	p.repositories()
	p.sudo()
	p.authorizedKeys()
	p.cron()
	p.parseSettingsFiles()
	p.virtualHosts()
	p.composeFiles()
	p.countCoverage()
	if err := p.storeContents(objects); err != nil {
		return err
	}
	p.redactStrings()
	p.sortLists()
	return p.scanAgain()
}

// section returns a section of the answer. A target is not asked for all of them.
func (p *parser) section(name string) (section, bool) {
	s, ok := p.answer.sections[name]
	return s, ok
}

// text returns the output of a section. A section that failed is listed as missing,
// and its output is not used.
func (p *parser) text(name string) (string, bool) {
	s, ok := p.section(name)
	if !ok && p.target.onlySections != nil {
		return "", false
	}
	if !ok {
		p.addMissing(inventory.Missing{What: name, Reason: inventory.Failed, Detail: "the host did not answer this part"})
		return "", false
	}
	if m := s.missing(name); m != nil {
		if m.Reason != inventory.Absent || !p.optional(name) {
			p.addMissing(*m)
		}
		return "", false
	}
	return string(s.out), true
}

// optional reports whether a section may be absent without being listed as missing.
func (p *parser) optional(name string) bool {
	if strings.HasPrefix(name, "mysql-") {
		return !p.target.mysqlExpected
	}
	return slices.ContainsFunc(sectionSpecs, func(s sectionSpec) bool { return s.name == name && s.optional })
}

func (p *parser) addMissing(m inventory.Missing) {
	if !slices.Contains(p.host.Missing, m) {
		p.host.Missing = append(p.host.Missing, m)
	}
}

// parse passes the output of a section to fill. A section that cannot be parsed is
// listed as missing.
func (p *parser) parse(name string, fill func(text string) error) {
	text, ok := p.text(name)
	if !ok {
		return
	}
	if err := fill(text); err != nil {
		p.addMissing(inventory.Missing{What: name, Reason: inventory.Failed, Detail: err.Error()})
	}
}

// lines returns the lines of text that are not blank.
func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); strings.TrimSpace(line) != "" {
			all = append(all, line)
		}
	}
	return all
}

func lastLine(text string) string {
	if l := lines(text); len(l) > 0 {
		return strings.TrimSpace(l[len(l)-1])
	}
	return ""
}

// records splits text into records of n fields. Each field ends with a NUL.
func records(text string, n int) [][]string {
	fields := strings.Split(text, "\x00")
	var all [][]string
	for ; len(fields) > n; fields = fields[n:] {
		all = append(all, fields[:n])
	}
	return all
}

// sortLists sorts the lists that their parsers leave unsorted.
func (p *parser) sortLists() {
	h := p.host
	slices.SortFunc(h.Disks, func(a, b inventory.Disk) int { return cmp.Compare(a.Mount, b.Mount) })
	slices.SortFunc(h.Missing, func(a, b inventory.Missing) int {
		return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Detail, b.Detail))
	})
	slices.SortFunc(h.Secrets, func(a, b inventory.Secret) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Token, b.Token))
	})
	h.Secrets = slices.Compact(h.Secrets)
	slices.SortStableFunc(h.CronJobs, func(a, b inventory.CronJob) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	slices.SortStableFunc(h.VirtualHosts, func(a, b inventory.VirtualHost) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
}
