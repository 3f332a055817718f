package capture

import (
	"embed"
	_ "embed"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/remote"
)

//go:embed capture.sh
var captureScript string

//go:embed prelude.sh
var preludeScript string

//go:embed sections/*.sh
var sectionScripts embed.FS

// sectionSpec is a section of the capture: a script with a time limit of its own,
// so that a section that hangs does not cost the others.
type sectionSpec struct {
	name string
	// seconds is the time limit; 0: none, for a section that only reads local files
	// or the kernel.
	seconds int
	// optional sections are not listed as missing if what they read does not exist.
	optional bool
	// arguments says which paths the section gets.
	arguments argumentKind
}

type argumentKind int

const (
	noArguments argumentKind = iota
	treeArguments
	rootArguments
	fileArguments
)

// sectionSpecs are the sections in the order in which they run. Connections are
// sampled at both ends of the capture.
var sectionSpecs = []sectionSpec{
	{name: "connections", seconds: 30, optional: true},
	{name: "os"},
	{name: "machine", seconds: 10},
	{name: "time"},
	{name: "hostname"},
	{name: "disks", seconds: 20},
	{name: "mounts"},
	{name: "block", seconds: 20, optional: true},
	{name: "lvm", seconds: 20, optional: true},
	{name: "raid", optional: true},
	{name: "swaps"},
	{name: "packages", seconds: 60},
	{name: "manual", seconds: 60, optional: true},
	{name: "origins", seconds: 60, optional: true},
	{name: "listeners", seconds: 30},
	{name: "processes", seconds: 30},
	{name: "process-status"},
	{name: "process-groups"},
	{name: "process-words"},
	{name: "owners", seconds: 60, optional: true},
	{name: "rpm-owners", seconds: 60, optional: true},
	{name: "languages", seconds: 30},
	{name: "unit-files", seconds: 30},
	{name: "units", seconds: 30},
	{name: "accounts"},
	{name: "passwords", seconds: 20, optional: true},
	{name: "sshd", optional: true},
	{name: "sysctl", seconds: 20, optional: true},
	{name: "modules", optional: true},
	{name: "addresses", seconds: 20},
	{name: "routes", seconds: 20},
	{name: "resolver", optional: true},
	{name: "nftables", seconds: 20, optional: true},
	{name: "iptables", seconds: 20, optional: true},
	{name: "ip6tables", seconds: 20, optional: true},
	{name: "ufw", seconds: 20, optional: true},
	{name: "firewalld", seconds: 30, optional: true},
	{name: "tree", seconds: 120, arguments: treeArguments},
	{name: "tree-sums", seconds: 120, arguments: treeArguments},
	{name: "conffile-sums", seconds: 120, optional: true},
	{name: "originals", seconds: 20},
	{name: "certificates", seconds: 60},
	{name: "containers", seconds: 60, optional: true},
	{name: "releases", seconds: 60, arguments: rootArguments},
	{name: "redis", seconds: 30, optional: true},
	{name: "postgresql", seconds: 60, optional: true},
	{name: "files", seconds: 600, arguments: fileArguments},
	{name: "sums", seconds: 600, arguments: fileArguments},
	{name: "mysql-variables", seconds: 30},
	{name: "mysql-settings", seconds: 30},
	{name: "mysql-schemas", seconds: 120},
	{name: "mysql-users", seconds: 30},
	{name: "mysql-grants", seconds: 60},
	{name: "mysql-replication", seconds: 30},
	{name: "mysql-replicas", seconds: 30},
	{name: "mysql-space", seconds: 30},
	{name: "connections-again", seconds: 30, optional: true},
}

// deepSection lets the package manager check every packaged file. It takes minutes
// of a host's time and runs on request only.
var deepSection = sectionSpec{name: "verify", seconds: 900, optional: true}

// treeRoots are the folders of a host's configuration; every file in them is listed.
var treeRoots = []string{"/etc", "/usr/local/bin", "/usr/local/sbin", "/usr/local/etc", "/usr/local/lib/systemd", "/var/spool/cron", "/var/spool/at"}

// releaseRoots are the usual folders of applications.
var releaseRoots = []string{"/srv", "/var/www", "/opt", "/home"}

// script returns the script of the first round trip.
func (t Target) script() (string, error) {
	for _, file := range append(append([]string{}, t.Files...), t.Roots...) {
		if !path.IsAbs(file) || strings.ContainsAny(file, "\x00") {
			return "", fmt.Errorf("file %q is no absolute path", file)
		}
	}
	deep := "no"
	if t.Deep {
		deep = "yes"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "mysql_socket=%s mysql_user=%s deep=%s\n", remote.Quote(t.MySQL.Socket), remote.Quote(t.MySQL.User), deep)
	b.WriteString(captureScript)
	fmt.Fprintf(&b, "prelude=%s\n", remote.Quote(preludeScript))
	for _, s := range t.sections() {
		body, err := sectionScripts.ReadFile("sections/" + strings.TrimSuffix(s.name, "-again") + ".sh")
		if err != nil {
			return "", fmt.Errorf("read section %s: %w", s.name, err)
		}
		command := fmt.Sprintf("run %s %d %s", s.name, s.seconds, remote.Quote(expand(string(body))))
		if s.seconds == 0 {
			command = fmt.Sprintf("quick %s %s", s.name, remote.Quote(string(body)))
		}
		for _, arg := range t.arguments(s.arguments) {
			command += " " + remote.Quote(path.Clean(arg))
		}
		b.WriteString(s.skipIfAbsent(string(body), command) + "\n")
	}
	b.WriteString("echo sizes\nwc -c $files\necho data\ncat $files\necho end\n")
	return b.String(), nil
}

// skipIfAbsent wraps the command of a section so that the section is skipped,
// without a process of its own, if the program of its first "need" is not installed.
func (s sectionSpec) skipIfAbsent(body, command string) string {
	if m := firstNeed.FindStringSubmatch(body); m != nil {
		command = fmt.Sprintf("if command -v %[1]s >/dev/null 2>&1; then\n%[2]s\nelse\nskip %[3]s '%[1]s is not installed'\nfi", m[1], command, s.name)
	}
	if strings.HasPrefix(s.name, "mysql-") {
		command = fmt.Sprintf("if [ -S \"$mysql_socket\" ]; then\n%s\nelse\nskip %s \"no socket $mysql_socket\"\nfi", command, s.name)
	}
	switch s.name {
	case "owners":
		command = "if [ -s /var/lib/dpkg/status ]; then\n" + command + "\nelse\nskip owners 'dpkg has no packages here'\nfi"
	case "rpm-owners":
		command = "if [ -s /var/lib/dpkg/status ]; then\nskip rpm-owners 'dpkg keeps the packages here'\nelse\n" + command + "\nfi"
	}
	return command
}

var firstNeed = regexp.MustCompile(`(?m)\A(?:#.*\n)*need (\S+)$`)

// sections returns the sections that the target is asked for.
func (t Target) sections() []sectionSpec {
	var all []sectionSpec
	for _, s := range sectionSpecs {
		if s.arguments == fileArguments && len(t.Files) == 0 || t.onlySections != nil && !slices.Contains(t.onlySections, s.name) {
			continue
		}
		all = append(all, s)
	}
	if t.Deep {
		all = append(all, deepSection)
	}
	return all
}

func (t Target) arguments(kind argumentKind) []string {
	switch kind {
	case treeArguments:
		return treeRoots
	case rootArguments:
		return append(append([]string{}, releaseRoots...), t.Roots...)
	case fileArguments:
		return t.Files
	}
	return nil
}

// expand replaces the placeholders for values that scripts and parsers share.
func expand(body string) string {
	body = strings.Replace(body, "@VARIABLES@", "'"+strings.Join(capturedVariables, "', '")+"'", 1)
	body = strings.Replace(body, "@ORIGINALS@", strings.Join(originalFiles(), " "), 1)
	body = strings.Replace(body, "@WRITTEN@", strings.Join(slices.Sorted(maps.Keys(composedFiles)), " "), 1)
	return strings.Replace(body, "@NEVER@", neverRead.findArguments(), 1)
}
