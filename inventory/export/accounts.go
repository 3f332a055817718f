package export

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// firstUserID is the first UID and GID of accounts that no package creates.
const firstUserID = 1000

// accounts reads the groups and users that no package creates, and the members of
// groups.
func (c *collector) accounts(h *inventory.Host, r *recipe) {
	groupOf := map[int]string{}
	exported := map[string]bool{}
	for _, g := range h.Groups {
		groupOf[g.GID] = g.Name
		if c.madeByPackage(h, g.Name, g.GID) || !c.checkAccountName(h, "group", g.Name) {
			continue
		}
		exported["group "+g.Name] = true
		r.Groups = append(r.Groups, group{g.Name, g.GID, g.GID < firstUserID})
	}
	for _, u := range h.Users {
		if c.madeByPackage(h, u.Name, u.UID) || !c.checkAccountName(h, "user", u.Name) {
			continue
		}
		if !isPlainText(u.Home) || !isPlainText(u.Shell) || !isPlainText(u.Gecos) || strings.Contains(u.Gecos, ":") || hasSecrets(u.Home+" "+u.Shell+" "+u.Gecos) {
			c.leaveOut(h, "user "+u.Name, "its home, shell or comment holds a secret, or characters that passwd(5) does not take")
			continue
		}
		if name := groupOf[u.GID]; name != "" && !accountName.MatchString(name) {
			c.leaveOut(h, "user "+u.Name, "its group is not exported")
			continue
		}
		exported["user "+u.Name] = true
		if u.Password == "set" {
			c.leaveOut(h, "password of "+u.Name, "no password is captured: set one with passwd, or let it log in by key only")
		}
		login := slices.ContainsFunc(h.AuthorizedKeys, func(k inventory.AuthorizedKey) bool { return k.User == u.Name })
		r.Users = append(r.Users, user{u.Name, cmp.Or(groupOf[u.GID], fmt.Sprint(u.GID)), u.Home, u.Shell, u.Gecos, u.UID, u.UID < firstUserID, u.UID >= firstUserID || login})
	}
	for _, g := range h.Groups {
		for _, m := range g.Members {
			// scripts of packages add their accounts to groups of other packages
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

func (c *collector) checkAccountName(h *inventory.Host, kind, name string) bool {
	if accountName.MatchString(name) {
		return true
	}
	c.leaveOut(h, kind+" "+name, "useradd does not accept its name")
	return false
}

// ownerName returns an account's name if it is valid, else its number: /etc/passwd
// can contain any text, and Ansible would look for variables in it.
func ownerName(name string, id int) string {
	if accountName.MatchString(name) {
		return name
	}
	return strconv.Itoa(id)
}

func isPlainText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd })
}

// madeByPackage reports whether a package creates an account. base-passwd has the
// numbers below 100; other accounts are named after a package or in packageAccounts.
func (c *collector) madeByPackage(h *inventory.Host, name string, id int) bool {
	switch {
	case id < 100, id >= 65534, baseAccounts[name], packageAccounts[name], strings.HasPrefix(name, "systemd-"):
		return true
	case id >= firstUserID:
		return false
	}
	plain := strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(name, "Debian-"), "_"))
	return slices.ContainsFunc(h.Packages, func(p inventory.Package) bool {
		return p.Name == plain || strings.HasPrefix(p.Name, plain+"-")
	})
}
