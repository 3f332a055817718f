package inventory

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ofSessions are units that come and go with logins, this capture's among them.
var ofSessions = regexp.MustCompile(`^(user|user-runtime-dir|ssh|sshd|systemd-coredump)@.+\.service$`)

// services joins the unit files, the loaded units and the packages that own them.
func (p *parser) services() {
	units := map[string]*Service{}
	unit := func(name string) *Service {
		if units[name] == nil {
			units[name] = &Service{Unit: name}
		}
		return units[name]
	}
	p.parse("unit-files", func(text string) error {
		for _, line := range lines(text) {
			f := strings.Fields(line)
			if len(f) < 2 {
				return fmt.Errorf("%.60q is no unit file", line)
			}
			unit(f[0]).Enabled = f[1]
		}
		return nil
	})
	p.parse("units", func(text string) error {
		for _, line := range lines(text) {
			f := strings.Fields(strings.TrimLeft(line, "●*× "))
			if len(f) < 4 {
				return fmt.Errorf("%.60q is no unit", line)
			}
			unit(f[0]).Active = f[2]
		}
		return nil
	})
	owners := map[string]string{}
	p.parse("unit-owners", func(text string) error {
		for file, pkg := range parseOwners(text) {
			owners[path.Base(file)] = pkg
		}
		return nil
	})
	for _, name := range sortedKeys(units) {
		if s := units[name]; s.matters() && !ofSessions.MatchString(name) {
			s.Package = cmp.Or(owners[name], owners[template(name)])
			p.host.Services = append(p.host.Services, *s)
		}
	}
}

func (s *Service) matters() bool {
	switch s.Enabled {
	case "enabled", "enabled-runtime", "linked", "linked-runtime", "masked", "masked-runtime":
		return true
	}
	return s.Active == "active" || s.Active == "failed" || s.Active == "activating" || s.Active == "reloading"
}

// template is the unit file of an instance: getty@tty1.service is of getty@.service.
func template(unit string) string {
	name, rest, ok := strings.Cut(unit, "@")
	if !ok {
		return ""
	}
	return name + "@" + path.Ext(rest)
}

var ssProcess = regexp.MustCompile(`\("((?:[^"\\]|\\.)*)",pid=(\d+),`)

// listeners joins the sockets, the programs behind them and their packages.
func (p *parser) listeners() {
	packages := p.programPackages()
	seen := map[Listener]bool{}
	p.parse("listeners", func(text string) error {
		for _, line := range lines(text) {
			l, pid, err := parseListener(line)
			if err != nil {
				return err
			}
			l.Package = packages[pid]
			if !seen[l] { // one for each process that shares the socket
				seen[l] = true
				p.host.Listeners = append(p.host.Listeners, l)
			}
		}
		return nil
	})
	slices.SortFunc(p.host.Listeners, func(a, b Listener) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port),
			cmp.Compare(a.Address, b.Address), cmp.Compare(a.Process, b.Process), cmp.Compare(a.Package, b.Package))
	})
}

// parseListener reads a line of ss: protocol, state, queues, local address,
// peer, users.
func parseListener(line string) (l Listener, pid string, err error) {
	f := strings.Fields(line)
	if len(f) < 6 {
		return l, "", fmt.Errorf("%.60q is no socket", line)
	}
	colon := strings.LastIndexByte(f[4], ':')
	if colon < 0 {
		return l, "", fmt.Errorf("%.60q is no address", f[4])
	}
	l.Protocol = f[0]
	l.Address = strings.NewReplacer("[", "", "]", "").Replace(f[4][:colon])
	if l.Port, err = strconv.Atoi(f[4][colon+1:]); err != nil {
		return l, "", fmt.Errorf("%.60q is no address", f[4])
	}
	_, users, _ := strings.Cut(line, "users:(")
	if m := ssProcess.FindStringSubmatch(users); m != nil {
		l.Process, pid = m[1], m[2]
	}
	return l, pid, nil
}

// programPackages maps process ids to the packages of their programs.
func (p *parser) programPackages() map[string]string {
	packages := map[string]string{}
	programs, ok := p.sections["programs"] // listeners says what is missing
	if !ok || programs.status != 0 {
		return packages
	}
	var owners map[string]string
	p.parse("program-owners", func(text string) error {
		owners = parseOwners(text)
		return nil
	})
	for _, line := range lines(string(programs.out)) {
		pid, exe, ok := strings.Cut(line, "\t")
		if !ok {
			continue
		}
		exe = strings.TrimSuffix(exe, " (deleted)") // replaced by an upgrade since it started
		packages[pid] = cmp.Or(owners[exe], owners[strings.TrimPrefix(exe, "/usr")])
	}
	return packages
}
