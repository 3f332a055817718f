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
	case code(oldNormal) == code(newNormal):
		d.Class, d.Why = Harmless, "only comments, blank lines and spaces at the end of lines differ"
	}
	d.Lines = unified(oldText, newText)
	return true
}

// code is a file without its comments, blank lines and spaces at the end of
// lines. Those at the beginning count in YAML, Python and others.
func code(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if word := strings.TrimSpace(line); word != "" && !isComment(word) {
			b.WriteString(strings.TrimRight(line, " \t\r\n") + "\n")
		}
	}
	return b.String()
}

// counts begins like a comment and is none: #! of scripts, #include of sudo,
// PHP's attributes, the end of a case in a shell script.
var counts = regexp.MustCompile(`^(#!|#include|#\[|;;|;&)`)

func isComment(line string) bool {
	return (line[0] == '#' || line[0] == ';' || strings.HasPrefix(line, "//")) && !counts.MatchString(line)
}

// unified is the unified diff of two texts without the line that names it.
func unified(before, after string) string {
	text := string(diff.Diff("old", []byte(before), "new", []byte(after)))
	_, text, _ = strings.Cut(text, "\n") // diff old new
	return valid(text)
}
