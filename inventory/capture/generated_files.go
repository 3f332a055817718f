package capture

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// editablePaths match files that packages' scripts generate and that administrators
// edit, and folders of generated links that administrators add files to. Such a
// file is left out only while it is as it was generated.
var editablePaths = regexp.MustCompile(`^/etc/(environment|hosts\.(allow|deny)|nsswitch\.conf|profile|motd|inputrc|shells|networks|locale\.gen|default/locale|python3/debian_config|` +
	`pam\.d/common-[^/]+|polkit-1/.*|apparmor\.d/local/.*|php/[\d.]+/\w+/conf\.d/.*|nginx/modules-enabled/.*|apache2/(mods|conf)-enabled/.*|ssl/certs/.*)$`)

// emptyPaths match the editable files that scripts generate empty.
var emptyPaths = regexp.MustCompile(`^/etc/(environment|apparmor\.d/local/.*)$`)

// originals maps generated files to the packaged files that scripts copy them
// from. A copy is compared with the original on the host itself, so that this
// works for every release.
var originals = map[string][]string{
	"/etc/motd":          {"/usr/share/base-files/motd"},
	"/etc/profile":       {"/usr/share/base-files/profile"},
	"/etc/nsswitch.conf": {"/usr/share/libc-bin/nsswitch.conf", "/usr/share/base-files/nsswitch.conf"},
	"/etc/inputrc":       {"/usr/share/readline/inputrc"},
}

// originalFiles lists all files that scripts copy from.
func originalFiles() []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(originals)) {
		all = append(all, originals[name]...)
	}
	return all
}

// composedFiles maps files that scripts compose line by line to the lines that they
// write by default. Other lines, such as those of a chosen locale, are an
// administrator's.
var composedFiles = map[string]*regexp.Regexp{
	"/etc/default/locale": regexp.MustCompile(`^(LANG|LANGUAGE|LC_\w+)="?(C|POSIX|C\.UTF-8)?"?$`),
	"/etc/locale.gen":     regexp.MustCompile(`^C\.UTF-8 UTF-8$`),
	"/etc/networks":       regexp.MustCompile(`^(default 0\.0\.0\.0|loopback 127\.0\.0\.0|link-local 169\.254\.0\.0)$`),
	"/etc/shells":         regexp.MustCompile(`^(/usr)?/bin/(r?bash|dash|sh|r?zsh|fish|tcsh|csh|r?ksh(93|2020)?|[ml]ksh|mksh-static|yash|posh|sash|tmux|screen)$`),
}

// certificateBundles are the files that scripts generate in the folder of
// certificates.
var certificateBundles = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/java/cacerts", "/etc/ssl/certs/ssl-cert-snakeoil.pem"}

// emptyFile is the SHA-256 of an empty file.
const emptyFile = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// pristineSums are the SHA-256 of files as the scripts of Debian 12 and 13 generate
// them.
var pristineSums = []string{
	"9eadbcd7ec16f4e5961ad2035c0228de7c22b2ba0f6761df63b1b3d9bad9d0a7", // hosts.allow
	"1d0a326106184ef6c389d685e061ba7737de6f7f60c600ec66b19682c53c08d1", // hosts.deny
	"eec30745bade42a3f3f792e4d4192e57d2bcfe8e472433b1de426fe39a39cddb", // nsswitch.conf
	"b953df1d0016f515fc052ca6bb0ccd092b8d13c8789c51c4eaef2b0461574e57", // with libnss-systemd
	"75656c9c0f960573c7530d29286d273f6cef68d9b17cfeb0d74c712860d56b74", // profile, 12
	"8fec28102e0c371e6f2ecb949b95c1ba802260766b18c2445882b082418428b9", // 13
	"aa8a63d72e79399b6c51ebe4e9f828c954145a799eb4b8f3224724f51cbb9fac", // pam.d/common-account
	"b787b01c7e71c658fa9acb84cbe153f71786cf380af4b01ae9135210cdc0154d", // common-auth
	"628197de9e50b6be37421b04a67f07924f515e0b0f4c06aed9fea953d20ed6e6", // with libpam-cap
	"a76bcfdcb12436297ccf72a0d63daed8d9761d8e92996eb08295b81be32567d7", // common-password
	"93b668185836f7b2df9bc9a1ad80f9a89c7b1580e0a59d21514b5145cbf0bcc7", // common-session, 12
	"c43a99cba44390edf1fe48e777e7ca6bfdee49fbbfa14260d32bd4b3b5b771e4", // 12 with libpam-systemd
	"f1ee6802a30cba8a3e93d62bfb4207238d0491cc1a82e9ff328f1ed635227c32", // 13
	"66aae9a343e225975f775a3e93d2e0005164fd3be76c245de5c3683719923bd3", // 13 with libpam-systemd
	"d137251095e22fca44fcc5c993699e46446673a085dab8238de6a670fb3cc7f2", // common-session-noninteractive, 12
	"5c624c6f8a8c9b1c75e487f339bbb67d02622736c133e26b39cf72600c39399b", // 13
	"baac6583459b290d3714e18439036d023402dce99f922d1b414fbd15a5b01744", // python3/debian_config
}

// generatedFiles holds what a host tells about the files that packages' scripts
// generate.
type generatedFiles struct {
	originalSums map[string]string   // path of an original to its SHA-256
	composed     map[string][]string // path of a composed file to its lines
	manualLinks  map[string]bool     // links of alternatives that an administrator set
}

// readGeneratedFiles reads the hashes of the originals, the alternatives that were set
// by hand, and the lines of composed files.
func (p *parser) readGeneratedFiles() generatedFiles {
	s := generatedFiles{composed: map[string][]string{}, manualLinks: map[string]bool{}}
	text, ok := p.text("originals")
	if !ok {
		return s
	}
	s.originalSums = parseSums(text)
	file := ""
	for _, line := range lines(text[strings.LastIndexByte(text, 0)+1:]) {
		name, isFile := strings.CutPrefix(line, "file ")
		choice, isChoice := strings.CutPrefix(line, "manual ")
		switch {
		case isFile && composedFiles[name] != nil:
			file = name
			s.composed[file] = []string{}
		case file != "":
			s.composed[file] = append(s.composed[file], strings.Join(strings.Fields(line), " "))
		case isChoice:
			s.manualLinks["/etc/alternatives/"+choice] = true
		}
	}
	return s
}

// isPristine reports whether a file of no package was generated by the scripts of
// packages and is unchanged since. It returns false if that cannot be proven.
func (s generatedFiles) isPristine(name, kind, sum string) bool {
	if kind != kinds["f"] {
		return !s.manualLinks[name] && (generatedPaths.MatchString(name) || generatedLinks.MatchString(name) || strings.HasPrefix(name, "/etc/systemd/") && strings.HasSuffix(path.Dir(name), ".wants"))
	}
	if !editablePaths.MatchString(name) {
		return generatedPaths.MatchString(name)
	}
	composed, ok := s.composed[name]
	switch {
	case composedFiles[name] != nil:
		return ok && !slices.ContainsFunc(composed, func(line string) bool { return !composedFiles[name].MatchString(line) })
	case sum == emptyFile:
		return emptyPaths.MatchString(name)
	}
	isOf := func(original string) bool { return sum != "" && s.originalSums[original] == sum }
	return slices.Contains(pristineSums, sum) || slices.Contains(certificateBundles, name) || slices.ContainsFunc(originals[name], isOf)
}

// generatedLinks match links that scripts generate in /etc on every host of Debian,
// Ubuntu or RHEL. A regular file in the place of one is an administrator's.
var generatedLinks = regexp.MustCompile(`^/etc/(` + strings.Join([]string{
	`alternatives/.*`, `rc[0-9S]\.d/.*`, `systemd/system/[^/]+\.(wants|requires)/.*`, `systemd/user/[^/]+\.(wants|requires)/.*`,
	`systemd/system/(dbus-org[^/]*|display-manager|default|syslog|sshd|mysqld?|vmtoolsd|iscsi|getty@tty\d)\.(service|target)`,
	`fonts/conf\.d/.*`, `mysql/my\.cnf`, `dpkg/origins/default`, `os-release`, `rmt`, `vtrgb`, `newt/palette.*`, `modules-load\.d/modules\.conf`,
	`nginx/modules-enabled/\d+-mod.*`, `apache2/mods-enabled/.*`, `apache2/conf-enabled/.*`, `php/[\d.]+/\w+/conf\.d/.*`, `ssl/certs/.*`, `sv/.*/supervise`, `polkit-1/.*`, `apparmor\.d/(tunables|local|abstractions).*`, `java-\d+-openjdk/.*`,
}, "|") + `)$`)

// generatedPaths match files that the scripts of the distribution's packages
// generate in /etc on every host of Debian, Ubuntu or RHEL. dpkg and rpm do not
// list these files as a package's.
var generatedPaths = regexp.MustCompile(`^/etc/(` + strings.Join([]string{
	`ca-certificates\.conf(\.\w+-old)?`, `pki/ca-trust/.*`, `pki/java/.*`, `ld\.so\.cache`, `mtab`, `\.pwd\.lock`,
	`(passwd|group|shadow|gshadow|subuid|subgid)-`, `machine-id`, `\.updated`, `\.etckeeper`, `\.git/.*`, `selinux/.*/(policy|contexts|active|modules|logins|setrans).*`,
	`udev/hwdb\.bin`, `lvm/(archive|backup|cache|devices)/.*`, `xml/.*`, `sgml/.*`, `emacs/.*`,
	`apparmor\.d/cache.*`, `apparmor\.d/tunables/home\.d/ubuntu`, `dictionaries-common/.*`,
	`apt/trusted\.gpg~`, `apt/apt\.conf\.d/01autoremove(-kernels)?`, `apt/auth\.conf\.d`, `kernel-img\.conf`, `kernel/postinst\.d/.*`, `initramfs-tools/conf\.d/.*`,
	`console-setup/cached.*`, `default/(keyboard|console-setup|grub-installer)`, `popularity-contest\.conf`, `pam\.d/.*-auth(-ac)?`, `pam\.d/postlogin(-ac)?`,
	`ssh/ssh_host_.*\.pub`, `locale\.alias`, `cron\.daily/\.placeholder`, `localtime`, `timezone`,
	`resolv\.conf`, `hostname`, `adjtime`, `X11/.*`, `cloud/build\.info`, `crypto-policies/.*`, `authselect/.*`, `dnf/modules\.d/.*`, `init\.d/\.depend\..*`,
	`aliases\.db`, `mailname`, `postfix/.*\.db`, `java-\d+-openjdk/.*`, `rc\.d/.*`, `opt`, `\.java/.*`, `subuid`, `subgid`, `runit/.*`, `security/opasswd`, `binfmt\.d`, `gtk-.*`,
}, "|") + `)$`)
