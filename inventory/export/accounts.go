package export

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// firstPerson is the first number of accounts that no package makes.
const firstPerson = 1000

// accounts reads the groups and users that no package makes, and who is in
// which group.
func (c *collector) accounts(h *inventory.Host, r *recipe) {
	groupOf := map[int]string{}
	exported := map[string]bool{}
	for _, g := range h.Groups {
		groupOf[g.GID] = g.Name
		if c.makes(h, g.Name, g.GID) || !c.nameable(h, "group", g.Name) {
			continue
		}
		exported["group "+g.Name] = true
		r.Groups = append(r.Groups, group{g.Name, g.GID, g.GID < firstPerson})
	}
	for _, u := range h.Users {
		if c.makes(h, u.Name, u.UID) || !c.nameable(h, "user", u.Name) {
			continue
		}
		if !plainText(u.Home) || !plainText(u.Shell) || !plainText(u.Gecos) || strings.Contains(u.Gecos, ":") || withSecrets(u.Home+" "+u.Shell+" "+u.Gecos) {
			c.leave(h, "user "+u.Name, "its home, shell or comment holds a secret, or characters that passwd(5) does not take")
			continue
		}
		if name := groupOf[u.GID]; name != "" && !accountName.MatchString(name) {
			c.leave(h, "user "+u.Name, "its group is not exported")
			continue
		}
		exported["user "+u.Name] = true
		if u.Password == "set" {
			c.leave(h, "password of "+u.Name, "no password is captured: set one with passwd, or let it log in by key only")
		}
		login := slices.ContainsFunc(h.AuthorizedKeys, func(k inventory.AuthorizedKey) bool { return k.User == u.Name })
		r.Users = append(r.Users, user{u.Name, cmp.Or(groupOf[u.GID], fmt.Sprint(u.GID)), u.Home, u.Shell, u.Gecos, u.UID, u.UID < firstPerson, u.UID >= firstPerson || login})
	}
	for _, g := range h.Groups {
		for _, m := range g.Members {
			// a package's account is in another package's group by their scripts
			if (exported["user "+m] || exported["group "+g.Name]) && accountName.MatchString(m) && accountName.MatchString(g.Name) {
				r.Members = append(r.Members, member{m, g.Name})
			}
		}
	}
	slices.SortFunc(r.Groups, func(a, b group) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(r.Users, func(a, b user) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(r.Members, func(a, b member) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Group, b.Group))
	})
}

func (c *collector) nameable(h *inventory.Host, kind, name string) bool {
	if accountName.MatchString(name) {
		return true
	}
	c.leave(h, kind+" "+name, "its name is none that useradd takes")
	return false
}

// ownerName is an account's name where it is one, else its number: /etc/passwd
// can hold any text, and Ansible would look for variables in it.
func ownerName(name string, id int) string {
	if accountName.MatchString(name) {
		return name
	}
	return strconv.Itoa(id)
}

func plainText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd })
}

// makes reports whether a package makes an account: base-passwd has the numbers
// below 100; the others are named after a package, or are known.
func (c *collector) makes(h *inventory.Host, name string, id int) bool {
	switch {
	case id < 100, id >= 65534, static[name], packaged[name], strings.HasPrefix(name, "systemd-"):
		return true
	case id >= firstPerson:
		return false
	}
	plain := strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(name, "Debian-"), "_"))
	return slices.ContainsFunc(h.Packages, func(p inventory.Package) bool {
		return p.Name == plain || strings.HasPrefix(p.Name, plain+"-")
	})
}
