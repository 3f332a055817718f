package inventory

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// configuration finds the files that make this host differ from one with the
// same packages: those of a package that were changed, and those of none.
func (p *parser) configuration() {
	listed, _ := p.section("tree")
	p.missPaths("tree", listed)
	for _, fields := range records(string(listed.out), fileFields) {
		file, err := parseFile(fields)
		if err != nil {
			p.miss(Missing{"tree", Failed, err.Error()})
			return
		}
		p.tree[string(file.Path)] = &file
	}
	hashed, _ := p.section("tree-sums")
	p.missPaths("tree-sums", hashed)
	sums := parseSums(string(hashed.out))
	md5s := map[string]string{}
	if s, ok := p.section("conffile-sums"); ok && len(p.conffiles) > 0 {
		md5s = parseSums(string(s.out))
		p.missPaths("conffile-sums", s)
	}
	for _, name := range sortedKeys(p.tree) {
		file := p.tree[name]
		owner := p.owner(name)
		switch {
		case owner == "" && generated(name, file.Kind, sums[name]), file.Kind == kinds["d"] && (owner != "" || usual(file)):
			continue
		case owner != "":
			if !p.changed(name, md5s, sums) {
				continue
			}
			file.Package = owner
		}
		if file.Kind == kinds["f"] {
			p.hash(file, sums)
		}
		p.host.Configuration = append(p.host.Configuration, *file)
	}
	p.verified()
}

// usual reports whether a folder is as mkdir makes it, or is one where files
// are looked for.
func usual(f *File) bool {
	return f.Mode == "0755" && f.UID == 0 && f.GID == 0 || slices.Contains(treeRoots, string(f.Path))
}

// changed reports whether a file of a package is not as the package brought it.
func (p *parser) changed(name string, md5s, sums map[string]string) bool {
	if want := p.conffiles[name]; want != "" {
		have := md5s[name]
		return have != "" && have != want && want != "newconffile"
	}
	if want := p.digests[name]; want != "" {
		have := sums[name]
		return have != "" && have != want
	}
	return false
}

var verifyLine = regexp.MustCompile(`^([?.SM5DLUGTPc]{8,9}|missing)\s+(?:([cdglra])\s+)?(/.*)$`)

// verified adds what the package manager itself found changed outside of /etc;
// only a deep capture asks it.
func (p *parser) verified() {
	if !p.target.Deep {
		return
	}
	p.parse("verify", func(text string) error {
		for _, line := range lines(text) {
			m := verifyLine.FindStringSubmatch(line)
			if m == nil || p.tree[m[3]] != nil || strings.HasPrefix(m[3], "/usr/share/") {
				continue
			}
			kind := "file"
			if m[1] == "missing" {
				kind = "removed"
			}
			p.host.Configuration = append(p.host.Configuration, File{Path: Text(m[3]), Kind: kind, Package: p.owner(m[3])})
		}
		slices.SortFunc(p.host.Configuration, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
		return nil
	})
}

// made lists what the scripts of stock packages generate in /etc on every host
// of Debian, Ubuntu or RHEL: dpkg and rpm do not know these files as theirs.
var made = regexp.MustCompile(`^/etc/(` + strings.Join([]string{
	`alternatives/.*`, `ssl/certs/.*`, `ca-certificates\.conf(\.\w+-old)?`, `pki/ca-trust/.*`, `pki/java/.*`, `ld\.so\.cache`, `mtab`, `\.pwd\.lock`,
	`rc[0-9S]\.d/.*`, `systemd/system/[^/]+\.(wants|requires)/.*`, `systemd/user/[^/]+\.(wants|requires)/.*`,
	`systemd/system/(dbus-org[^/]*|display-manager|default|syslog|sshd|mysqld?|vmtoolsd|iscsi|getty@tty\d)\.(service|target)`,
	`(passwd|group|shadow|gshadow|subuid|subgid)-`, `machine-id`, `\.updated`, `\.etckeeper`, `\.git/.*`, `selinux/.*/(policy|contexts|active|modules|logins|setrans).*`,
	`udev/hwdb\.bin`, `lvm/(archive|backup|cache|devices)/.*`, `fonts/conf\.d/.*`, `xml/.*`, `sgml/.*`, `emacs/.*`, `vim/.*`, `python[\d.]*/.*`,
	`mysql/(my\.cnf(\.fallback)?|mariadb\.cnf)`, `apparmor\.d/(cache|tunables|local|abstractions).*`, `polkit-1/.*`, `dictionaries-common/.*`,
	`apt/trusted\.gpg~`, `apt/apt\.conf\.d/01autoremove(-kernels)?`, `apt/auth\.conf\.d`, `kernel-img\.conf`, `kernel/postinst\.d/.*`, `initramfs-tools/conf\.d/.*`,
	`console-setup/cached.*`, `default/(locale|keyboard|console-setup|grub-installer)`, `dpkg/origins/default`, `os-release`, `rmt`, `vtrgb`, `popularity-contest\.conf`, `pam\.d/common-.*`, `pam\.d/.*-auth(-ac)?`, `pam\.d/postlogin(-ac)?`,
	`nsswitch\.conf`, `ssh/ssh_host_.*\.pub`, `ssh/moduli`, `locale\.alias`, `cron\.daily/\.placeholder`, `debconf\.conf`, `profile`, `bash\.bashrc`, `environment`, `shells`, `skel/.*`, `localtime`, `timezone`,
	`resolv\.conf`, `hostname`, `adjtime`, `issue.*`, `motd`, `networks`, `X11/.*`, `ldap/ldap\.conf`, `gss/.*`, `cloud/build\.info`, `crypto-policies/.*`, `authselect/.*`, `dnf/modules\.d/.*`, `init\.d/\.depend\..*`, `modules-load\.d/modules\.conf`,
	`aliases\.db`, `mailname`, `postfix/.*\.db`, `newt/palette.*`, `perl/.*`, `magic.*`, `java-\d+-openjdk/.*`, `php/[\d.]+/\w+/conf\.d/.*`, `nginx/modules-enabled/\d+-mod.*`, `apache2/mods-enabled/.*`, `apache2/conf-enabled/.*`, `logcheck/.*`, `sv/.*`, `rc\.d/.*`, `opt`, `\.java/.*`, `hosts\.(allow|deny)`, `inputrc`, `subuid`, `subgid`, `runit/.*`, `locale\.gen`, `security/opasswd`, `terminfo/.*`, `binfmt\.d`, `gtk-.*`, `iproute2/.*`, `ssl/openssl\.cnf`,
}, "|") + `)$`)

// configured reports whether a file is part of the configuration that was captured.
func (p *parser) configured(name string) bool {
	_, ok := slices.BinarySearchFunc(p.host.Configuration, Text(name), func(f File, n Text) int { return cmp.Compare(f.Path, n) })
	return ok
}

// named reports whether a file is one of those that the config names.
func (p *parser) named(name string) bool {
	_, ok := slices.BinarySearchFunc(p.host.Files, Text(name), func(f File, n Text) int { return cmp.Compare(f.Path, n) })
	return ok
}
