package export

import (
	"crypto/sha256"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// stored is where a file's contents lie in an export: its own path below a
// folder, with bytes that trouble shells, archives or people written as %0A. A
// part that gets too long for a file system ends in its hash.
func stored(name string) string {
	var b strings.Builder
	for _, c := range []byte(strings.TrimPrefix(name, "/")) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("/._-+@", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	parts := strings.Split(b.String(), "/")
	for i, p := range parts {
		if len(p) > maxPart {
			parts[i] = fmt.Sprintf("%s%%%x", p[:maxPart-65], sha256.Sum256([]byte(p)))
		}
	}
	return strings.Join(parts, "/")
}

// maxPart is 255 bytes, which file systems take, without the longest ending that
// a template gets.
const maxPart = 255 - len(".jinja")

// usual are folders that every Debian has, or that apt or systemd bring.
var usual = regexp.MustCompile(`^(/|/etc(/(apt(/(apt\.conf\.d|auth\.conf\.d|preferences\.d|sources\.list\.d|keyrings|trusted\.gpg\.d))?|cron\.(d|hourly|daily|weekly|monthly)|default|dpkg(/dpkg\.cfg\.d)?|init\.d|` +
	`logrotate\.d|modprobe\.d|modules-load\.d|pam\.d|profile\.d|security(/limits\.d)?|skel|ssh(/sshd_config\.d)?|ssl(/certs|/private)?|sudoers\.d|sysctl\.d|systemd(/system)?|tmpfiles\.d|update-motd\.d|udev/rules\.d))?|` +
	`/usr/local/(bin|sbin|etc|lib|share)|/var/spool/cron/crontabs)$`)

// folders are those that must be there before the files are, those with an
// owner of their own among them; of the others the deepest ones.
func (r *recipe) folders() []folder {
	var found []string
	for _, f := range r.Files {
		if dir := path.Dir(f.Path); !usual.MatchString(dir) && f.Use != useApt {
			found = append(found, dir)
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	all := slices.Clone(r.Folders)
	for _, dir := range found {
		if !slices.ContainsFunc(found, func(other string) bool { return strings.HasPrefix(other, dir+"/") }) &&
			!slices.ContainsFunc(r.Folders, func(f folder) bool { return f.Path == dir }) {
			all = append(all, folder{Path: dir})
		}
	}
	slices.SortFunc(all, func(a, b folder) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// pick are the files that a function takes.
func pick(all []file, take func(file) bool) []file {
	var some []file
	for _, f := range all {
		if take(f) {
			some = append(some, f)
		}
	}
	return some
}

// secretFile reports whether a file needs secrets.
func secretFile(f file) bool { return f.Link == "" && withSecrets(f.Text) }

// allRestarts are the units that files of a layer start again, sorted.
func (r *recipe) allRestarts() []string {
	var units []string
	for _, f := range r.Files {
		units = append(units, strings.Fields(f.Restarts)...)
	}
	for _, a := range r.Absent {
		units = append(units, strings.Fields(a.Restarts)...)
	}
	slices.Sort(units)
	return slices.Compact(units)
}

// groupsOf are the groups that a user of the layer is a member of, in it.
func (r *recipe) groupsOf(name string) []string {
	var groups []string
	for _, m := range r.Members {
		if m.User == name {
			groups = append(groups, m.Group)
		}
	}
	return groups
}

// strangers are memberships of users that the layer does not make: by user.
func (r *recipe) strangers() []string {
	var users []string
	for _, m := range r.Members {
		if !slices.ContainsFunc(r.Users, func(u user) bool { return u.Name == m.User }) {
			users = append(users, m.User)
		}
	}
	return slices.Compact(users)
}

// masked and started are the units that must never start, and the others.
func (r *recipe) masked() []unit {
	return slices.DeleteFunc(slices.Clone(r.Units), func(u unit) bool { return u.State != unitMasked })
}

func (r *recipe) started() []unit {
	return slices.DeleteFunc(slices.Clone(r.Units), func(u unit) bool { return u.State == unitMasked })
}

// wanted are the secrets of a layer's files, by the name of their variable.
func (r *recipe) wanted(names map[string]string) []string {
	var all []string
	for _, f := range r.Files {
		for _, t := range token.FindAllString(f.Text, -1) {
			all = append(all, names[t])
		}
	}
	for _, k := range r.Keys {
		for _, t := range token.FindAllString(k.Line, -1) {
			all = append(all, names[t])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
