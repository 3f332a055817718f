package diff

import (
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/traits"
)

// compareContents compares the contents of a file and fills in the difference. It
// returns false if they are equal or cannot be compared.
func (p *pair) compareContents(d *Difference, oldItem, newItem traits.Item, oldValue, newValue traits.Value) bool {
	d.At = oldItem.At
	oldContents, oldNormal, readOld := oldItem.Read(oldValue)
	newContents, newNormal, readNew := newItem.Read(newValue)
	oldKind, _, _ := strings.Cut(oldValue.Text, ":")
	newKind, _, _ := strings.Cut(newValue.Text, ":")
	switch {
	case !(readOld && readNew) && oldKind != newKind: // a keyed and a plain hash, or one is missing
		p.withoutContents = append(p.withoutContents, NotCompared{
			Host: p.name, What: inventory.Printable(oldItem.String()), Side: Both, Reason: inventory.Failed,
			Detail: "the contents are not in both inventories, and the hashes are of different kinds", Hides: 1,
		})
		return false
	case readOld && readNew && oldContents == newContents && oldKind != newKind:
		return false
	}
	d.Class, d.Why = Drift, "the contents differ"
	switch {
	case ownFiles.MatchString(oldItem.Name):
		d.Class, d.Why = Expected, "the file's job is to hold what is the host's own"
	case !readOld || !readNew:
		d.Why = "the hashes differ; the contents are not in both inventories"
		return true
	case oldContents == newContents:
		d.Why = "the files differ in what the inventory does not keep of them"
		return true
	case oldNormal == newNormal:
		d.Class, d.Why = Expected, "only the hosts' names and addresses differ"
	case accountFiles.MatchString(oldItem.Name):
		d.Class, d.Why = Harmless, "users and groups are compared one by one"
	case withoutComments(oldItem.Name, oldNormal) == withoutComments(oldItem.Name, newNormal):
		d.Class, d.Why = Harmless, "only comments, blank lines and spaces at the end of lines differ"
	}
	d.Lines = unifiedDiff(oldContents, newContents)
	return true
}

// withoutComments returns a file without comments, blank lines and blanks at the
// ends of lines. Indentation stays, as it matters in YAML, Python and others. Blanks
// after a backslash stay, as they undo its meaning; so do carriage returns, which
// break a script.
func withoutComments(file, text string) string {
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
	// notComment matches lines that begin like a comment and are not: #! of scripts,
	// #include of sudo, PHP's attributes, the end of a case in a shell script.
	notComment = regexp.MustCompile(`^(#!|#include|#\[|;;|;&)`)
	// sudoersFile matches files in which a line may name a user by number:
	// #1001 ALL=(ALL) ALL.
	sudoersFile = regexp.MustCompile(`^/etc/sudoers(\.d/|$)`)
	userNumber  = regexp.MustCompile(`^#\d`)
)

func isComment(file, line string) bool {
	if notComment.MatchString(line) || sudoersFile.MatchString(file) && userNumber.MatchString(line) {
		return false
	}
	return line[0] == '#' || line[0] == ';' || strings.HasPrefix(line, "//")
}

// unifiedDiff returns the unified diff of two texts without its first line, which
// names the files.
func unifiedDiff(before, after string) string {
	text := string(diff.Diff("old", []byte(before), "new", []byte(after)))
	_, text, _ = strings.Cut(text, "\n") // "diff old new"
	return validUTF8(text)
}
