package show

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// access adds the tables of accounts, keys and sudo rules.
func (l *tableList) access() {
	h := l.host
	people := h.Users
	if l.brief {
		people = slices.DeleteFunc(slices.Clone(people), func(u inventory.Account) bool {
			return !u.LoginShell() || u.UID < 1000 && u.UID != 0
		})
	}
	add(l, "users", people, func(u inventory.Account) []string {
		return l.more([]string{u.Name, strconv.Itoa(u.UID), u.Home, u.Shell, strings.Join(u.Groups, " "), u.Password}, u.Gecos)
	}, l.more([]string{"ACCOUNT", "UID", "HOME", "SHELL", "GROUPS", "PASSWORD"}, "COMMENT")...)
	addFull(l, "groups", h.Groups, func(g inventory.Group) []string {
		return []string{g.Name, strconv.Itoa(g.GID), strings.Join(g.Members, " ")}
	}, "GROUP", "GID", "MEMBERS")
	add(l, "authorized keys", h.AuthorizedKeys, func(k inventory.AuthorizedKey) []string {
		return l.more([]string{k.User, k.Kind, k.Fingerprint, k.Comment}, k.Options, string(k.File), line(k.Line))
	}, l.more([]string{"MAY LOG IN AS", "KIND", "FINGERPRINT", "COMMENT"}, "OPTIONS", "FILE", "LINE")...)
	add(l, "sudo rules", h.Sudo, func(s inventory.Line) []string {
		return []string{string(s.File), line(s.Line), s.Text}
	}, "SUDO RULE", "LINE", "TEXT")
}

// system adds the tables of the kernel's settings, modules and limits, and the time
// servers.
func (l *tableList) system() {
	k := l.host.Kernel
	addFull(l, "sysctl", k.Settings, func(s inventory.Sysctl) []string {
		return []string{s.Key, s.Value, s.Set, s.File}
	}, "SYSCTL", "NOW", "SET TO", "BY FILE")
	addFull(l, "modules", k.Modules, oneCell, "MODULE")
	addFull(l, "modules loaded by configuration", k.Persistent, oneCell, "MODULE TO LOAD")
	addFull(l, "limits", k.Limits, func(x inventory.Limit) []string {
		return []string{x.Domain, x.Type, x.Item, x.Value, x.File}
	}, "LIMIT OF", "TYPE", "ITEM", "VALUE", "FILE")
	addFull(l, "security modules", k.Security, oneCell, "IN FORCE")
	addFull(l, "time servers", l.host.Time.Servers, oneCell, "TIME SERVER")
}

func (l *tableList) network() {
	h := l.host
	add(l, "interfaces", h.Network.Interfaces, func(n inventory.Interface) []string {
		return l.more([]string{n.Name, n.Kind, strings.Join(n.Addresses, " ")}, n.MAC, line(n.MTU), yes(n.Up))
	}, l.more([]string{"INTERFACE", "KIND", "ADDRESSES"}, "MAC", "MTU", "UP")...)
	addFull(l, "routes", h.Network.Routes, oneCell, "ROUTE")
	addFull(l, "name servers", h.Network.Resolver.Servers, oneCell, "NAME SERVER")
	addFull(l, "search domains", h.Network.Resolver.Search, oneCell, "SEARCH DOMAIN")
	addFull(l, "resolver options", h.Network.Resolver.Options, oneCell, "RESOLVER OPTION")
	addFull(l, "hosts file", h.Network.Hosts, func(x inventory.HostsLine) []string {
		return []string{line(x.Line), x.Address, strings.Join(x.Names, " ")}
	}, "LINE", "ADDRESS", "NAMES")
	for _, f := range h.Firewall {
		add(l, "firewall "+f.Tool, f.Rules, func(rule string) []string {
			return oneCell(strings.ReplaceAll(rule, "\t", "  "))
		}, "FIREWALL "+f.Tool)
	}
	add(l, "sites", h.VirtualHosts, func(v inventory.VirtualHost) []string {
		return []string{strings.Join(v.Names, " "), v.Server, strings.Join(v.Listen, " "), v.Root, strings.Join(v.Proxies, " "), string(v.File)}
	}, "SITE", "SERVER", "LISTENS", "ROOT", "PASSES ON TO", "FILE")
	add(l, "certificates", h.Certificates, func(c inventory.Certificate) []string {
		return l.more([]string{string(c.File), strings.Join(c.Names, " "), c.Until, c.Issuer}, c.Subject, c.From, c.SHA256)
	}, l.more([]string{"CERTIFICATE", "NAMES", "UNTIL", "ISSUER"}, "SUBJECT", "FROM", "SHA256")...)
}
