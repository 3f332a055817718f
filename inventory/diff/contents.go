package diff

import (
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/traits"
)

// contents compares what is in a file; false: nothing can be said, or it is the
// same after all.
func (p *pair) contents(d *Difference, was, is traits.Item, old, now traits.Value) bool {
	d.At = was.At
	oldText, oldNormal, readOld := was.Read(old)
	newText, newNormal, readNew := is.Read(now)
	oldKind, _, _ := strings.Cut(old.Text, ":")
	newKind, _, _ := strings.Cut(now.Text, ":")
	switch {
	case !(readOld && readNew) && oldKind != newKind: // keyed and plain, or none
		p.reason = append(p.reason, NotCompared{
			Host: p.name, What: inventory.Printable(was.String()), Side: Both, Reason: inventory.Failed,
			Detail: "the contents are not in both inventories, and the hashes are of different kinds", Hides: 1,
		})
		return false
	case readOld && readNew && oldText == newText && oldKind != newKind:
		return false
	}
	d.Class, d.Why = Drift, "the contents differ"
	switch {
	case siteFiles.MatchString(was.Name):
		d.Class, d.Why = Expected, "the file's job is to hold what is the host's own"
	case !readOld || !readNew:
		d.Why = "the hashes differ; the contents are not in both inventories"
		return true
	case oldText == newText:
		d.Why = "the files differ in what the inventory does not keep of them"
		return true
	case oldNormal == newNormal:
		d.Class, d.Why = Expected, "only the hosts' names and addresses differ"
	case listedFiles.MatchString(was.Name):
		d.Class, d.Why = Harmless, "users and groups are compared one by one"
	case code(was.Name, oldNormal) == code(was.Name, newNormal):
		d.Class, d.Why = Harmless, "only comments, blank lines and spaces at the end of lines differ"
	}
	d.Lines = unified(oldText, newText)
	return true
}

// code is a file without its comments, blank lines and blanks at the end of
// lines. Those at the beginning count in YAML, Python and others; one behind a
// backslash takes its meaning away, and so does a carriage return to a script.
func code(file, text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		word := strings.Trim(line, " \t\n")
		if word == "" || isComment(file, word) {
			continue
		}
		kept := strings.TrimRight(line, " \t\n")
		if strings.HasSuffix(kept, `\`) {
			kept = strings.TrimSuffix(line, "\n")
		}
		b.WriteString(kept + "\n")
	}
	return b.String()
}

var (
	// counts begins like a comment and is none: #! of scripts, #include of sudo,
	// PHP's attributes, the end of a case in a shell script.
	counts = regexp.MustCompile(`^(#!|#include|#\[|;;|;&)`)
	// sudoers name users by their numbers as well: #1001 ALL=(ALL) ALL.
	sudoers  = regexp.MustCompile(`^/etc/sudoers(\.d/|$)`)
	byNumber = regexp.MustCompile(`^#\d`)
)

func isComment(file, line string) bool {
	if counts.MatchString(line) || sudoers.MatchString(file) && byNumber.MatchString(line) {
		return false
	}
	return line[0] == '#' || line[0] == ';' || strings.HasPrefix(line, "//")
}

// unified is the unified diff of two texts without the line that names it.
func unified(before, after string) string {
	text := string(diff.Diff("old", []byte(before), "new", []byte(after)))
	_, text, _ = strings.Cut(text, "\n") // diff old new
	return valid(text)
}
