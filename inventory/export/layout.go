package export

import (
	"crypto/sha256"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// storedPath returns the path of a file's contents in an export: its own path below a
// folder. Bytes that are difficult for shells, archives or people are escaped like %0A.
// A part that would be too long for a file system ends in its hash.
func storedPath(name string) string {
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
		if len(p) > maxPathPart {
			parts[i] = fmt.Sprintf("%s%%%x", p[:maxPathPart-65], sha256.Sum256([]byte(p)))
		}
	}
	return strings.Join(parts, "/")
}

// maxPathPart is the length of a part of a path: 255 bytes, which file systems accept,
// without the longest suffix of a template.
const maxPathPart = 255 - len(".jinja")

// standardFolder matches folders that every Debian has, or that apt or systemd bring.
var standardFolder = regexp.MustCompile(`^(/|/etc(/(apt(/(apt\.conf\.d|auth\.conf\.d|preferences\.d|sources\.list\.d|keyrings|trusted\.gpg\.d))?|cron\.(d|hourly|daily|weekly|monthly)|default|dpkg(/dpkg\.cfg\.d)?|init\.d|` +
	`logrotate\.d|modprobe\.d|modules-load\.d|pam\.d|profile\.d|security(/limits\.d)?|skel|ssh(/sshd_config\.d)?|ssl(/certs|/private)?|sudoers\.d|sysctl\.d|systemd(/system)?|tmpfiles\.d|update-motd\.d|udev/rules\.d))?|` +
	`/usr/local/(bin|sbin|etc|lib|share)|/var/spool/cron/crontabs)$`)

// folders returns the folders that must exist before the files: those with an owner of
// their own, and the deepest of the others.
func (r *recipe) folders() []folder {
	var found []string
	for _, f := range r.Files {
		if dir := path.Dir(f.Path); !standardFolder.MatchString(dir) && f.Use != useApt {
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

// filterFiles returns the files for which a function returns true.
func filterFiles(all []file, keep func(file) bool) []file {
	var filtered []file
	for _, f := range all {
		if keep(f) {
			filtered = append(filtered, f)
		}
	}
	return filtered
}

// isSecretFile reports whether a file needs secrets.
func isSecretFile(f file) bool { return f.Link == "" && hasSecrets(f.Text) }

// allRestarts returns the units that changes of the layer's files restart, sorted.
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

// groupsOf returns the groups of which the layer makes a user a member.
func (r *recipe) groupsOf(name string) []string {
	var groups []string
	for _, m := range r.Members {
		if m.User == name {
			groups = append(groups, m.Group)
		}
	}
	return groups
}

// foreignMembers returns the users that the layer adds to groups and does not create.
func (r *recipe) foreignMembers() []string {
	var users []string
	for _, m := range r.Members {
		if !slices.ContainsFunc(r.Users, func(u user) bool { return u.Name == m.User }) {
			users = append(users, m.User)
		}
	}
	return slices.Compact(users)
}

// maskedUnits returns the units that must never start, startedUnits all others.
func (r *recipe) maskedUnits() []unit {
	return slices.DeleteFunc(slices.Clone(r.Units), func(u unit) bool { return u.State != unitMasked })
}

func (r *recipe) startedUnits() []unit {
	return slices.DeleteFunc(slices.Clone(r.Units), func(u unit) bool { return u.State == unitMasked })
}

// secretNames returns the names of the variables for the secrets of the layer's files.
func (r *recipe) secretNames(names map[string]string) []string {
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
