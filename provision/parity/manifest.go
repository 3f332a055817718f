package parity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/remote"
)

// maxText is the size in bytes up to which files are searched for old addresses: a
// rewritten file is in memory while it is copied.
const maxText = 4 << 20

// entry is a file, folder or symbolic link.
type entry struct {
	Path, Kind  string // Kind as find prints it: f, d, l, …
	Mode        string // octal
	User, Group string
	MTime       string // seconds
	Link        string
	Hash        string // SHA-256 of a file's content
}

// manifest lists what stands at and below some paths of a host.
type manifest struct {
	Entries map[string]entry
	Parents map[string]entry // the existing folders above the paths
	Missing []string         // paths that do not exist
	Matches []string         // files that contain one of the searched strings
}

// manifestScript prints fields that end with NUL, in sections that begin with their
// name: parents, missing, entries, hashes, matches. readManifest fills in the paths, the
// parents and the search. find exits with 1 if a file vanished meanwhile or if its grep
// finds nothing: neither is a failure.
const manifestScript = `set -eu
export LC_ALL=C
form='%%y\0%%m\0%%u\0%%g\0%%T@\0%%l\0%%p\0'
soft() { "$@" || [ $? -eq 1 ]; }
set -- %[2]s
printf 'parents\0'
for p; do if [ -d "$p" ]; then find "$p" -maxdepth 0 -printf "$form"; fi; done
set -- %[1]s
printf 'missing\0'
for p; do
  shift
  if [ -e "$p" ] || [ -L "$p" ]; then set -- "$@" "$p"; else printf '%%s\0' "$p"; fi
done
[ $# -gt 0 ] || exit 0
printf 'entries\0'
soft find "$@" -printf "$form"
printf 'hashes\0'
soft find "$@" -type f -exec sha256sum -z -- {} + 2>/dev/null
printf 'matches\0'
%[3]s
`

// readManifest reads the manifest of the host's paths. It searches the files for the
// hints, ignoring case.
func readManifest(ctx context.Context, host remote.Host, paths, hints []string) (manifest, error) {
	grep := ":"
	if len(hints) > 0 {
		grep = fmt.Sprintf(`soft find "$@" -type f -size -%dc -exec grep -lZiF`, maxText)
		for _, hint := range hints {
			grep += " -e " + remote.Quote(hint)
		}
		grep += " -- {} + 2>/dev/null"
	}
	script := fmt.Sprintf(manifestScript, remote.QuoteAll(paths), remote.QuoteAll(parentsOf(paths)), grep)
	var out bytes.Buffer
	if err := host.Run(ctx, script, nil, &out); err != nil {
		return manifest{}, fmt.Errorf("list files: %w", err)
	}
	m, err := parseManifest(out.Bytes())
	if err != nil {
		return manifest{}, fmt.Errorf("list files of %s: %w", host.Name(), err)
	}
	return m, nil
}

// entryFields is how many fields manifestScript prints for an entry.
const entryFields = 7

func parseManifest(out []byte) (manifest, error) {
	m := manifest{Entries: map[string]entry{}, Parents: map[string]entry{}}
	fields := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	section := ""
	for i := 0; i < len(fields); {
		f := fields[i]
		if isSection(f) {
			section = f
			i++
			continue
		}
		switch section {
		case "missing":
			m.Missing = append(m.Missing, f)
			i++
		case "parents", "entries":
			if i+entryFields > len(fields) {
				return m, fmt.Errorf("the list is cut off")
			}
			e := newEntry(fields[i : i+entryFields])
			if section == "parents" {
				m.Parents[e.Path] = e
			} else {
				m.Entries[e.Path] = e
			}
			i += entryFields
		case "hashes":
			hash, name, ok := strings.Cut(f, "  ")
			if e, known := m.Entries[name]; ok && known {
				e.Hash = hash
				m.Entries[name] = e
			}
			i++
		case "matches":
			m.Matches = append(m.Matches, f)
			i++
		default:
			return m, fmt.Errorf("the list begins with %q", f)
		}
	}
	slices.Sort(m.Matches)
	return m, nil
}

// isSection reports whether a field is the name of a section. The first field of an
// item cannot be one: kinds have one letter, paths a leading slash, hashes 64 digits.
func isSection(f string) bool {
	switch f {
	case "parents", "missing", "entries", "hashes", "matches":
		return true
	}
	return false
}

func newEntry(f []string) entry {
	seconds, _, _ := strings.Cut(f[4], ".")
	return entry{Kind: f[0], Mode: f[1], User: f[2], Group: f[3], MTime: seconds, Link: f[5], Path: f[6]}
}

// parentsOf lists the folders above the paths, outermost first.
func parentsOf(paths []string) []string {
	var all []string
	for _, p := range paths {
		for dir := path.Dir(p); dir != "/" && dir != "."; dir = path.Dir(dir) {
			all = append(all, dir)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// same reports whether two entries agree. It ignores a folder's time, which changes
// with the content, and the mode and time of a link.
func (e entry) same(o entry) bool {
	switch {
	case e.Kind != o.Kind || e.User != o.User || e.Group != o.Group || e.Link != o.Link || e.Hash != o.Hash:
		return false
	case e.Kind == "l":
		return true
	case e.Kind == "d":
		return e.Mode == o.Mode
	}
	return e.Mode == o.Mode && e.MTime == o.MTime
}

// digest identifies the content of a manifest.
func (m manifest) digest() string {
	var paths []string
	for p := range m.Entries {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	h := sha256.New()
	for _, p := range paths {
		e := m.Entries[p]
		if e.Kind == "d" {
			e.MTime = ""
		}
		fmt.Fprintf(h, "%q\n", []string{e.Path, e.Kind, e.Mode, e.User, e.Group, e.Link, e.Hash})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// differing lists the entries of m that differ in have or are missing there. If there
// are any, it also lists the parents that are missing in have. Folders come before their
// content.
func (m manifest) differing(have manifest) []string {
	var paths []string
	for p, e := range m.Entries {
		if h, ok := have.Entries[p]; !ok || !e.same(h) {
			paths = append(paths, p)
		}
	}
	if len(paths) > 0 {
		for p := range m.Parents {
			if _, ok := have.Parents[p]; !ok {
				paths = append(paths, p)
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}
