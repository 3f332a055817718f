package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/report"
)

// mirrors holds the addresses of the Debian archives that this machine uses.
type mirrors struct {
	main     string // e.g. http://mirror.example/debian
	security string // "" if the machine uses none
}

// aptSource is one entry of apt's sources: an archive and its suites.
type aptSource struct {
	uri, signedBy      string
	suites, components []string
}

// Mirrors returns the addresses of Debian's archive and of its security archive that
// this machine's apt uses; security is "" if it uses none.
func Mirrors() (archive, security string, err error) {
	m, err := readMirrors("/")
	return m.main, m.security, err
}

// readMirrors reads apt's sources below root: the lab uses the archives that this
// machine may reach.
func readMirrors(root string) (mirrors, error) {
	var found []aptSource
	for _, pattern := range []string{"sources.list", "sources.list.d/*.list", "sources.list.d/*.sources"} {
		files, err := filepath.Glob(filepath.Join(root, "etc/apt", pattern))
		if err != nil {
			return mirrors{}, fmt.Errorf("list apt sources: %w", err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return mirrors{}, fmt.Errorf("read apt source: %w", err)
			}
			if strings.HasSuffix(file, ".sources") {
				found = append(found, parseDeb822(string(text))...)
			} else {
				found = append(found, parseOneLine(string(text))...)
			}
		}
	}
	m := chooseMirrors(found)
	if m.main == "" {
		return m, report.WithHint(fmt.Errorf("no Debian archive in %s", filepath.Join(root, "etc/apt")),
			"add a deb line for Debian's main component to /etc/apt/sources.list")
	}
	return m, nil
}

// chooseMirrors picks Debian's own archives: those with a component main that name
// Debian's keyring or no keyring.
func chooseMirrors(found []aptSource) mirrors {
	var m mirrors
	for _, s := range found {
		if !slices.Contains(s.components, "main") {
			continue
		}
		if s.signedBy != "" && !strings.Contains(s.signedBy, "debian-archive") {
			continue
		}
		for _, suite := range s.suites {
			name, kind, _ := strings.Cut(suite, "-")
			switch {
			case !slices.Contains([]string{"bookworm", "trixie", "forky", "sid", "stable", "testing", "unstable", "oldstable"}, name):
			case kind == "security" && m.security == "":
				m.security = s.uri
			case kind == "" && m.main == "":
				m.main = s.uri
			}
		}
	}
	return m
}

// parseDeb822 reads the stanza format of *.sources files, see sources.list(5).
func parseDeb822(text string) []aptSource {
	var all []aptSource
	for stanza := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		fields := map[string]string{}
		key := ""
		for line := range strings.SplitSeq(stanza, "\n") {
			switch {
			case strings.HasPrefix(line, "#"), strings.TrimSpace(line) == "":
			case line[0] == ' ' || line[0] == '\t':
				fields[key] += " " + strings.TrimSpace(line)
			default:
				var value string
				key, value, _ = strings.Cut(line, ":")
				key = strings.ToLower(key)
				fields[key] = strings.TrimSpace(value)
			}
		}
		if !slices.Contains(strings.Fields(fields["types"]), "deb") || strings.EqualFold(fields["enabled"], "no") {
			continue
		}
		for _, uri := range strings.Fields(fields["uris"]) {
			all = append(all, aptSource{
				uri: strings.TrimRight(uri, "/"), signedBy: fields["signed-by"],
				suites: strings.Fields(fields["suites"]), components: strings.Fields(fields["components"]),
			})
		}
	}
	return all
}

// parseOneLine reads the classic format of sources.list.
func parseOneLine(text string) []aptSource {
	var all []aptSource
	for line := range strings.SplitSeq(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !ok {
			continue
		}
		var s aptSource
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			options, after, _ := strings.Cut(rest[1:], "]")
			for _, option := range strings.Fields(options) {
				if value, ok := strings.CutPrefix(option, "signed-by="); ok {
					s.signedBy = value
				}
			}
			rest = after
		}
		words := strings.Fields(rest)
		if len(words) < 3 {
			continue
		}
		s.uri, s.suites, s.components = strings.TrimRight(words[0], "/"), words[1:2], words[2:]
		all = append(all, s)
	}
	return all
}
