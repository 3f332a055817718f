package capture

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// accounts reads passwd(5), group(5), and whether each user has a password.
func (p *parser) accounts() {
	p.parse("accounts", func(text string) error {
		users, groups, ok := strings.Cut(text, "\n\n")
		if !ok {
			return fmt.Errorf("no groups")
		}
		if err := p.passwd(users); err != nil {
			return err
		}
		return p.group(groups)
	})
	p.parse("sshd", p.sshd)
	p.parse("passwords", func(text string) error {
		state := map[string]string{}
		for _, line := range lines(text) {
			if f := strings.Fields(line); len(f) >= 2 {
				state[f[0]] = map[string]string{"P": "set", "PS": "set", "L": "locked", "LK": "locked", "NP": "none"}[f[1]]
			}
		}
		for i := range p.host.Users {
			u := &p.host.Users[i]
			if u.Password = state[u.Name]; u.Password == "set" {
				p.host.Secrets = append(p.host.Secrets, inventory.Secret{Path: "/etc/shadow", Kind: "password", Key: u.Name})
			}
		}
		return nil
	})
}

func (p *parser) passwd(text string) error {
	for _, line := range lines(text) {
		f := strings.Split(line, ":")
		if strings.HasPrefix(line, "+") || strings.HasPrefix(line, "-") || strings.HasPrefix(line, "#") {
			continue // an entry of NIS, or a comment
		}
		if len(f) != 7 {
			return fmt.Errorf("%.60q is no user", line)
		}
		uid, err1 := strconv.Atoi(f[2])
		gid, err2 := strconv.Atoi(f[3])
		if err := cmp.Or(err1, err2); err != nil {
			return fmt.Errorf("read user %.60q: %w", f[0], err)
		}
		p.host.Users = append(p.host.Users, inventory.Account{Name: f[0], UID: uid, GID: gid, Gecos: strings.TrimRight(f[4], ","), Home: f[5], Shell: f[6]})
	}
	slices.SortFunc(p.host.Users, func(a, b inventory.Account) int {
		return cmp.Or(cmp.Compare(a.UID, b.UID), cmp.Compare(a.Name, b.Name))
	})
	return nil
}

func (p *parser) group(text string) error {
	groupsOf := map[string][]string{}
	for _, line := range lines(text) {
		f := strings.Split(line, ":")
		if len(f) < 3 {
			return fmt.Errorf("%.60q is no group", line)
		}
		if strings.HasPrefix(line, "+") || strings.HasPrefix(line, "#") {
			continue
		}
		gid, err := strconv.Atoi(f[2])
		if err != nil {
			return fmt.Errorf("read group %.60q: %w", f[0], err)
		}
		g := inventory.Group{Name: f[0], GID: gid}
		if len(f) > 3 && f[3] != "" {
			g.Members = strings.Split(f[3], ",")
			slices.Sort(g.Members)
		}
		for _, m := range g.Members {
			groupsOf[m] = append(groupsOf[m], g.Name)
		}
		p.host.Groups = append(p.host.Groups, g)
	}
	slices.SortFunc(p.host.Groups, func(a, b inventory.Group) int { return cmp.Or(cmp.Compare(a.GID, b.GID), cmp.Compare(a.Name, b.Name)) })
	for i := range p.host.Users {
		groups := groupsOf[p.host.Users[i].Name]
		slices.Sort(groups)
		p.host.Users[i].Groups = groups
	}
	return nil
}

// userByNumber matches a rule of sudoers(5) that names its user by number. Such a
// rule begins like a comment.
var userByNumber = regexp.MustCompile(`^#\d`)

// sudo reads every rule and setting of sudoers(5).
func (p *parser) sudo() {
	for _, file := range slices.Sorted(maps.Keys(p.contents)) {
		if file != "/etc/sudoers" && !strings.HasPrefix(file, "/etc/sudoers.d/") {
			continue
		}
		var rule string // joined from lines that end with a backslash
		for i, line := range strings.Split(p.contents[file], "\n") {
			line = strings.TrimSpace(line)
			if rule += line; strings.HasSuffix(rule, `\`) {
				rule = strings.TrimSuffix(rule, `\`)
				continue
			}
			text := strings.Join(strings.Fields(rule), " ")
			rule = ""
			if text == "" || strings.HasPrefix(text, "#") && !userByNumber.MatchString(text) || strings.HasPrefix(text, "@include") {
				continue
			}
			text, _ = p.redactor.Command(text)
			p.host.Sudo = append(p.host.Sudo, inventory.Line{File: inventory.Text(file), Line: i + 1, Text: text})
		}
	}
}
