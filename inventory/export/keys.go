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

// key is a line of a file of authorized keys. It is added to the file: no export
// replaces such a file. On a fresh host cloud-init has put the operator's key there,
// which lets in the very run of this export, as root or as an account with a name of
// the old site. The inventory does not know that key, so replacing the file would lock
// everybody out.
type key struct {
	Path, Owner, Group, Mode string
	Line                     string // with tokens in place of secrets
}

// keys reads the authorized keys. Files of keys below /etc are exported as files.
func (c *collector) keys(h *inventory.Host, r *recipe) {
	for _, k := range h.AuthorizedKeys {
		if slices.ContainsFunc(r.Files, func(f file) bool { return f.Path == string(k.File) }) {
			continue
		}
		what := fmt.Sprintf("authorized key %s of %s (%s)", k.Fingerprint, k.User, k.Kind)
		one, why := c.keyPlace(h, r, k)
		if why == "" {
			why = whyUnfitKey(k)
		}
		if why != "" {
			c.leaveOut(h, what, why)
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

// keyPlace returns a key's file and owner, without the line. why says why the key is not
// exported; "" if it is.
func (c *collector) keyPlace(h *inventory.Host, r *recipe, k inventory.AuthorizedKey) (one key, why string) {
	i := slices.IndexFunc(h.Users, func(u inventory.Account) bool { return u.Name == k.User })
	if i < 0 || !accountName.MatchString(k.User) {
		return key{}, "its account is not exported"
	}
	u := h.Users[i]
	// an account that perhaps belongs to a package may not exist on the new host
	if u.UID >= 100 && !baseAccounts[u.Name] && !packageAccounts[u.Name] && !slices.ContainsFunc(r.Users, func(x user) bool { return x.Name == u.Name }) {
		return key{}, "its account is not exported"
	}
	if why := whyUnfitPath(string(k.File)); why != "" {
		return key{}, why
	}
	one = key{Path: string(k.File), Owner: u.Name, Group: strconv.Itoa(u.GID), Mode: privateKeys}
	shared := slices.ContainsFunc(h.AuthorizedKeys, func(other inventory.AuthorizedKey) bool { return other.File == k.File && other.User != k.User })
	// A folder that is made or changed must belong to the account alone: sshd accepts
	// keys only below folders that only root and the user can write, and an export must
	// not change the owner of a home or of a folder in which several have keys.
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

// reorders reports whether a key is in its file more than once, with different options,
// and hosts differ in that file. Then the export could change the order, as what hosts
// have in common is written first, and sshd uses the first line of a key.
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

// whyUnfitKey returns why a key cannot be written as it is; "" if it can. The inventory
// is not trusted: the line must let in exactly the key whose fingerprint it names.
func whyUnfitKey(k inventory.AuthorizedKey) string {
	if k.Public == "" {
		return "this inventory holds fingerprints, not keys: capture again, or take the key from who owns it"
	}
	const odd = "sshd would not read its line as captured: get the key from its owner"
	if !isPlainText(k.Public) || !isPlainText(k.Options) {
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

// keyLine returns a key's line with new addresses, as from="…" and permitopen="…" have
// addresses. A comment is for people and stays, unless it holds a secret.
func (c *collector) keyLine(h *inventory.Host, k inventory.AuthorizedKey) string {
	options := c.rewrite(h, string(k.File), k.Line, k.Options)
	c.noteTokensOfLine(h, string(k.File), k.Line, options)
	line := withOptions(options, k.Public)
	if isPlainText(k.Comment) && !hasSecrets(k.Comment) && !strings.Contains(k.Comment, "keys of ") { // the markers of a block have that text
		line = strings.TrimSpace(line + " " + k.Comment)
	}
	return line
}

// keyFile is the keys of a layer for one file.
type keyFile struct {
	key
	Lines []string
}

// keyFiles returns the keys of the layer by file.
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
func (f keyFile) secret() bool { return slices.ContainsFunc(f.Lines, hasSecrets) }
