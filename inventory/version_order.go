package inventory

import (
	"cmp"
	"strings"
)

// CompareVersions orders two versions as dpkg does, see deb-version(7), with
// which RPM's order agrees but for the caret: negative where a is the older.
func CompareVersions(a, b string) int {
	epochA, restA := splitEpoch(a)
	epochB, restB := splitEpoch(b)
	versionA, revisionA := splitRevision(restA)
	versionB, revisionB := splitRevision(restB)
	return cmp.Or(compareParts(epochA, epochB), compareParts(versionA, versionB), compareParts(revisionA, revisionB))
}

func splitEpoch(version string) (number, rest string) {
	if before, after, ok := strings.Cut(version, ":"); ok {
		return before, after
	}
	return "0", version
}

func splitRevision(version string) (upstream, packaging string) {
	if i := strings.LastIndexByte(version, '-'); i >= 0 {
		return version[:i], version[i+1:]
	}
	return version, ""
}

// order compares parts that are no digits and parts that are, in turn.
func compareParts(a, b string) int {
	for a != "" || b != "" {
		for a != "" && !isDigit(a[0]) || b != "" && !isDigit(b[0]) {
			if c := cmp.Compare(characterWeight(a), characterWeight(b)); c != 0 {
				return c
			}
			a, b = a[1:], b[1:]
		}
		numberA, numberB := leadingDigits(a), leadingDigits(b)
		a, b = a[len(numberA):], b[len(numberB):]
		numberA, numberB = strings.TrimLeft(numberA, "0"), strings.TrimLeft(numberB, "0")
		if c := cmp.Or(cmp.Compare(len(numberA), len(numberB)), cmp.Compare(numberA, numberB)); c != 0 {
			return c
		}
	}
	return 0
}

// weight orders what a part begins with: a tilde comes before the end, which
// comes before letters, which come before the rest.
func characterWeight(text string) int {
	switch {
	case text == "" || isDigit(text[0]):
		return 0
	case text[0] == '~':
		return -1
	case text[0] >= 'A' && text[0] <= 'Z' || text[0] >= 'a' && text[0] <= 'z':
		return int(text[0])
	}
	return int(text[0]) + 256
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// digits is the number that text begins with.
func leadingDigits(text string) string {
	end := 0
	for end < len(text) && isDigit(text[end]) {
		end++
	}
	return text[:end]
}
