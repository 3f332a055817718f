package export

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/dcmigrate/migrate/inventory"
)

// key is a line of a file of authorized keys. It is added to what the file has:
// no export replaces such a file. A fresh host has the key of who made it, put
// there by cloud-init, and it lets in the run of this very export as root or as
// an account of the old site's name. Without it, whom nobody knows by name here,
// all would be locked out.
type key struct {
	Path, Owner, Group, Mode string
	Line                     string // with tokens in place of secrets
}

// keys reads who may log in by key. Files below /etc are exported as files.
func (c *collector) keys(h *inventory.Host, r *recipe) {
	for _, k := range h.AuthorizedKeys {
		if slices.ContainsFunc(r.Files, func(f file) bool { return f.Path == string(k.File) }) {
			continue
		}
		what := fmt.Sprintf("authorized key %s of %s (%s)", k.Fingerprint, k.User, k.Kind)
		one, why := c.keyPlace(h, r, k)
		if why == "" {
			why = unfitKey(k)
		}
		if why != "" {
			c.leave(h, what, why)
			continue
		}
		one.Line = c.keyLine(h, k)
		if !slices.Contains(r.Keys, one) {
			r.Keys = append(r.Keys, one)
		}
		dir := folder{path.Dir(one.Path), "0700", one.Owner, one.Group}
		if !slices.ContainsFunc(r.Folders, func(f folder) bool { return f.Path == dir.Path }) {
			r.Folders = append(r.Folders, dir)
		}
	}
}

// privateKeys is the mode of a user's own file of keys.
const privateKeys = "0600"

// keyPlace is where a key goes, without the key; why says that it does not.
func (c *collector) keyPlace(h *inventory.Host, r *recipe, k inventory.AuthorizedKey) (one key, why string) {
	i := slices.IndexFunc(h.Users, func(u inventory.Account) bool { return u.Name == k.User })
	if i < 0 || !accountName.MatchString(k.User) {
		return key{}, "its account is none that is exported"
	}
	u := h.Users[i]
	// an account that only may be a package's may be nobody's on the new host
	if u.UID >= 100 && !static[u.Name] && !packaged[u.Name] && !slices.ContainsFunc(r.Users, func(x user) bool { return x.Name == u.Name }) {
		return key{}, "its account is none that is exported"
	}
	if why := unfitPath(string(k.File)); why != "" {
		return key{}, why
	}
	one = key{Path: string(k.File), Owner: u.Name, Group: strconv.Itoa(u.GID), Mode: privateKeys}
	shared := slices.ContainsFunc(h.AuthorizedKeys, func(other inventory.AuthorizedKey) bool { return other.File == k.File && other.User != k.User })
	// A folder that is made or changed must be the account's alone: sshd takes keys
	// only from below folders that nobody but root and the user can write, and a
	// home, or a folder that several have keys in, is not ours to give away.
	home := strings.TrimSuffix(u.Home, "/")
	if shared || home == "" || path.Dir(one.Path) != home+"/.ssh" {
		return key{}, "its file is not in the .ssh of its account's home, or is another's, too: put it there by hand"
	}
	if c.reorders(h, k) {
		return key{}, "the same key stands there with other rights, the first one counts, and hosts differ: put them there by hand, in their order"
	}
	for _, g := range h.Groups {
		if g.GID == u.GID {
			one.Group = ownerName(g.Name, g.GID)
		}
	}
	return one, ""
}

// reorders reports whether a key stands in its file more than once, with other
// rights, on a host that is unlike another: what is common to hosts is written
// before what one of them has, and sshd takes the first line of a key.
func (c *collector) reorders(h *inventory.Host, k inventory.AuthorizedKey) bool {
	lines := func(of *inventory.Host) (all []string, twice bool) {
		for _, other := range of.AuthorizedKeys {
			if other.File == k.File {
				all = append(all, withOptions(other.Options, other.Public))
				twice = twice || other.Public == k.Public && other.Options != k.Options
			}
		}
		return all, twice
	}
	own, twice := lines(h)
	return twice && slices.ContainsFunc(c.hosts, func(other *inventory.Host) bool {
		all, _ := lines(other)
		return len(all) > 0 && !slices.Equal(all, own)
	})
}

// unfitKey says why a key cannot be written as it is. What an inventory says is
// not trusted: the line must let in the very key whose fingerprint it names.
func unfitKey(k inventory.AuthorizedKey) string {
	if k.Public == "" {
		return "this inventory holds fingerprints, not keys: capture again, or take the key from who owns it"
	}
	const odd = "its line is none that sshd would read as captured: take the key from who owns it"
	if !plainText(k.Public) || !plainText(k.Options) {
		return odd
	}
	public, comment, options, _, err := ssh.ParseAuthorizedKey([]byte(withOptions(k.Options, k.Public)))
	if err != nil || comment != "" || ssh.FingerprintSHA256(public) != k.Fingerprint ||
		strings.Join(options, ",") != k.Options || strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))) != k.Public {
		return odd
	}
	return ""
}

func withOptions(options, public string) string { return strings.TrimSpace(options + " " + public) }

// keyLine is a key's line with new addresses, as from="…" and permitopen="…"
// name some. A comment is for people, and stays unless it holds a secret.
func (c *collector) keyLine(h *inventory.Host, k inventory.AuthorizedKey) string {
	options := c.rewrite(h, string(k.File), k.Line, k.Options)
	c.meetLine(h, string(k.File), k.Line, options)
	line := withOptions(options, k.Public)
	if plainText(k.Comment) && !withSecrets(k.Comment) && !strings.Contains(k.Comment, "keys of ") { // as the markers of a block are
		line = strings.TrimSpace(line + " " + k.Comment)
	}
	return line
}

// keyFile is the keys of a layer that go to one file.
type keyFile struct {
	key
	Lines []string
}

// keyFiles are the files that keys of the layer go to.
func (r *recipe) keyFiles() []keyFile {
	var all []keyFile
	for _, k := range r.Keys {
		i := slices.IndexFunc(all, func(f keyFile) bool { return f.Path == k.Path })
		if i < 0 {
			i = len(all)
			all = append(all, keyFile{key: k})
		}
		all[i].Lines = append(all[i].Lines, k.Line)
	}
	return all
}

// secret reports whether a line of the file needs a secret.
func (f keyFile) secret() bool { return slices.ContainsFunc(f.Lines, withSecrets) }
