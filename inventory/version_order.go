package inventory

import (
	"cmp"
	"strings"
)

// CompareVersions compares two package versions in dpkg's order, see
// deb-version(7): negative if a is older, 0 if they are equal. RPM's order is the
// same except for the caret.
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

// compareParts compares two parts of versions: it takes runs of characters that
// are not digits and runs of digits in turn, the latter as numbers.
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

// characterWeight ranks the first character of text: a tilde, then the end of the
// text, then letters, then all else.
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

// leadingDigits returns the digits that text begins with.
func leadingDigits(text string) string {
	end := 0
	for end < len(text) && isDigit(text[end]) {
		end++
	}
	return text[:end]
}
