package export

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dcmigrate/migrate/inventory"
)

// maxCaptured is the size up to which a capture takes a file's contents, in bytes.
const maxCaptured = 256 << 10

// files reads the files of the configuration.
func (c *collector) files(h *inventory.Host, r *recipe) error {
	has := map[string]bool{}
	for _, f := range h.Configuration {
		has[string(f.Path)] = true
		switch why := c.whyUnfit(h, f); {
		case why == "": // another part of the export has it
		case why != fit:
			c.leaveOut(h, string(f.Path), why)
		case f.Kind == "removed" && !hasWholeTree(h):
			c.leaveOut(h, string(f.Path), "it is not seen, and not all files were: see whether it is there")
		case f.Kind == "removed":
			r.Absent = append(r.Absent, absent{Path: string(f.Path)})
		case f.Kind == "folder":
			r.Folders = append(r.Folders, folder{string(f.Path), f.Mode, ownerName(f.Owner, f.UID), ownerName(f.Group, f.GID)})
		default:
			one := file{Path: string(f.Path), Mode: f.Mode, Owner: ownerName(f.Owner, f.UID), Group: ownerName(f.Group, f.GID), Use: useOf(string(f.Path))}
			if f.Kind == "link" {
				one.Link, one.Mode = string(f.Target), ""
			} else {
				text, err := c.text(h, f)
				if err != nil {
					return err
				}
				if one.Text = text; c.options.Format == CloudInit && one.Use == useApt && hasSecrets(text) {
					c.leaveOut(h, one.Path, "it holds a secret that apt needs before cloud-init can fill it in: put the file there by hand")
					continue
				}
			}
			r.Files = append(r.Files, one)
		}
	}
	for _, x := range h.Repositories {
		for _, key := range x.SignedBy {
			if path.IsAbs(key) && !has[key] && !archiveKey.MatchString(key) {
				c.leaveOut(h, key, "it signs a repository and is not captured: put it there before packages are installed")
			}
		}
	}
	for _, p := range h.Packages {
		if link := removableLinks[p.Name]; link != "" && !has[link] && hasWholeTree(h) {
			r.Absent = append(r.Absent, absent{Path: link})
		}
	}
	c.keys(h, r)
	r.plainFolders()
	slices.SortFunc(r.Folders, func(a, b folder) int { return cmp.Compare(a.Path, b.Path) })
	slices.SortFunc(r.Files, func(a, b file) int { return cmp.Compare(a.Path, b.Path) })
	slices.SortFunc(r.Absent, func(a, b absent) int { return cmp.Compare(a.Path, b.Path) })
	return nil
}

// plainFolders adds the folders below a folder with a special owner or mode, so that
// they do not inherit those. They are as mkdir makes them, as otherwise the inventory
// would have them.
func (r *recipe) plainFolders() {
	special := map[string]bool{}
	for _, f := range r.Folders {
		special[f.Path] = true
	}
	for _, f := range r.Files {
		var between []string
		for dir := path.Dir(f.Path); dir != "/"; dir = path.Dir(dir) {
			if !special[dir] {
				between = append(between, dir)
				continue
			}
			for _, d := range between {
				special[d] = true
				r.Folders = append(r.Folders, folder{d, "0755", "root", "root"})
			}
			break
		}
	}
}

// archiveKey matches keys that packages of the distribution install.
var archiveKey = regexp.MustCompile(`^/(usr/share/keyrings|etc/apt/trusted\.gpg\.d)/(debian|ubuntu)-[\w.-]+$`)

// fit is the answer of whyUnfit for a file that is exported.
const fit = "fit"

// whyUnfit returns why a file is not exported as a file, or fit if it is. It returns ""
// if another part of the export has it and it needs no mention.
func (c *collector) whyUnfit(h *inventory.Host, f inventory.File) string {
	name := string(f.Path)
	if why := cmp.Or(whyUnfitPath(name), whyUnfitTarget(string(f.Target))); why != "" {
		return why
	}
	switch {
	case machineFile.MatchString(name):
		return "it is the machine's own, and the new one has its own"
	case name == "/etc/hosts", accountFiles.MatchString(name):
		return ""
	case strings.HasPrefix(name, "/var/spool/cron/atjobs/"), strings.HasPrefix(name, "/var/spool/at/"):
		return "it is a job that at runs once: it would run on both hosts, so give it to at again on the one that is to run it"
	case f.Kind == "link" && strings.HasPrefix(name, "/etc/alternatives/"):
		return "somebody chose this alternative: choose it again with update-alternatives --set, once its package is there"
	case f.Kind == "link":
		return whyUnfitLink(name, string(f.Target))
	case f.Kind == "removed", f.Kind == "folder":
		return fit
	case f.Kind != "file":
		return "it is a " + f.Kind
	case f.Content != "":
		return fit
	case slices.ContainsFunc(h.AuthorizedKeys, func(k inventory.AuthorizedKey) bool { return k.File == f.Path }):
		return "" // its keys are exported one by one
	}
	return c.whyNoContents(h, f)
}

// whyUnfitPath returns why an export cannot have a file at this path; "" if it can.
func whyUnfitPath(name string) string {
	if path.Clean(name) != name || !path.IsAbs(name) || name == "/" || strings.ContainsRune(name, 0) {
		return cmp.Or(whyUnfitTarget(name), "its path is not a clean absolute one")
	}
	return whyUnfitTarget(name)
}

// whyUnfitTarget returns why an export cannot have a link to a file; "" if it can.
func whyUnfitTarget(name string) string {
	switch {
	case !utf8.ValidString(name):
		return "its name, or where it points to, is not UTF-8"
	case hasSecrets(name):
		return "its name, or where it points to, holds a secret"
	}
	return ""
}

// whyUnfitLink returns "" for links that enabling, masking and disabling units make,
// else fit.
func whyUnfitLink(name, target string) string {
	unit, ok := strings.CutPrefix(name, unitFolder)
	if !ok || strings.Contains(unit, "/") || !unitName.MatchString(unit) {
		return fit
	}
	if target == "/dev/null" || strings.HasPrefix(target, "/lib/systemd/system/") || strings.HasPrefix(target, "/usr/lib/systemd/system/") {
		return ""
	}
	return fit
}

// whyNoContents returns why the inventory does not have a file's contents.
func (c *collector) whyNoContents(h *inventory.Host, f inventory.File) string {
	where := fmt.Sprintf(" (owner %s, group %s, mode %s)", f.Owner, f.Group, f.Mode)
	for _, s := range h.Secrets {
		if s.Path == f.Path && s.Token == "" && s.Line == 0 {
			return "it holds nothing but a secret, and is never read: put it there by hand, or make a new one" + where
		}
	}
	for _, m := range h.Missing {
		if m.What == string(f.Path) {
			return "its contents are not captured: " + m.Reason + " " + m.Detail + where
		}
	}
	if f.Size > maxCaptured {
		return "it is larger than 256 KiB: copy it" + where
	}
	return "it is not text: copy it" + where
}

// text returns a file's contents with new addresses.
func (c *collector) text(h *inventory.Host, f inventory.File) (string, error) {
	if c.options.Objects == nil {
		return "", fmt.Errorf("no folder of contents for %s", f.Path)
	}
	contents, err := c.options.Objects.Get(f.Content)
	if err != nil {
		return "", fmt.Errorf("%s: %w", f.Path, err)
	}
	text := c.rewrite(h, string(f.Path), 1, string(contents))
	c.noteTokens(h, string(f.Path), text)
	return text, nil
}

// useOf returns when a file is needed.
func useOf(name string) use {
	switch {
	case strings.HasPrefix(name, "/etc/apt/"), strings.HasPrefix(name, "/etc/dpkg/"):
		return useApt
	case strings.HasPrefix(name, "/etc/systemd/"), strings.HasPrefix(name, "/usr/local/lib/systemd/"):
		return useUnit
	}
	return useAny
}

// leaveOutOthers lists what an export of files cannot have.
func (c *collector) leaveOutOthers(h *inventory.Host) {
	for _, p := range h.Packages {
		if p.Name == "apache2" {
			c.leaveOut(h, "modules of Apache", "which are enabled is not captured: compare /etc/apache2/mods-enabled")
		}
	}
	if slices.ContainsFunc(h.Configuration, func(f inventory.File) bool { return f.Path == "/etc/locale.gen" && f.Kind == "file" }) {
		c.leaveOut(h, "locales of /etc/locale.gen", "the file is exported, which makes none: run locale-gen once it is there, before a database needs one")
	}
	if h.MySQL != nil {
		c.leaveOut(h, "databases and accounts of MySQL or MariaDB", "migrate apply seeds them; settings are exported as files")
	}
	for range h.PostgreSQL {
		c.leaveOut(h, "databases and roles of PostgreSQL", "take them with pg_dumpall; settings are exported as files")
	}
	for range h.Redis {
		c.leaveOut(h, "data of Redis", "copy its dump or replicate it; settings are exported as files")
	}
	for _, f := range h.Firewall {
		if !c.hasRulesFile(h, f.Tool) {
			c.leaveOut(h, "rules of "+f.Tool, "no captured file holds them: save them in one, and capture again")
		}
	}
	for _, l := range h.Languages {
		c.leaveOut(h, fmt.Sprintf("%s package %s %s in %s", l.Manager, l.Name, l.Version, l.Folder), "packages of languages are not exported: install it with "+l.Manager)
	}
	for _, x := range h.Containers {
		c.leaveOut(h, "container "+x.Name+" of "+x.Engine, "containers are not exported: start it from its compose file")
	}
	for _, x := range h.Releases {
		c.leaveOut(h, "release in "+string(x.Path), "releases are deployed, and files of applications[] copied by migrate apply")
	}
	if len(h.Files) > 0 {
		c.leaveOut(h, "files of applications", "migrate apply copies what applications[].files names")
	}
}

// firewallFiles are the files or folders with the rules of each tool.
var firewallFiles = map[string][]string{
	"nftables": {"/etc/nftables.conf", "/etc/nftables.d/"}, "iptables": {"/etc/iptables/", "/etc/iptables.", "/etc/ufw/", "/etc/nftables.conf"},
	"ip6tables": {"/etc/iptables/", "/etc/ip6tables.", "/etc/ufw/"}, "ufw": {"/etc/ufw/"}, "firewalld": {"/etc/firewalld/"},
}

func (c *collector) hasRulesFile(h *inventory.Host, tool string) bool {
	return slices.ContainsFunc(h.Configuration, func(f inventory.File) bool {
		return slices.ContainsFunc(firewallFiles[tool], func(prefix string) bool { return strings.HasPrefix(string(f.Path), prefix) })
	})
}
