package statement

import "strings"

// Name is the name of a table in a statement. Schema is "" if neither the statement nor
// the session names one.
type Name struct{ Schema, Name string }

// Names compares names as the server does.
type Names struct {
	// Folded is true if the server compares names without regard to case
	// (lower_case_table_names is not 0).
	Folded bool
}

// Same reports whether a name of a statement may be a known one. Characters that could not
// be decoded may be any that are not ASCII.
func (n Names) Same(name, known string) bool {
	if n.Folded {
		name, known = strings.ToLower(name), strings.ToLower(known)
		if strings.EqualFold(name, known) {
			return true
		}
	}
	if Readable(name) {
		return name == known
	}
	return like([]rune(name), []rune(known))
}

// Plain reports whether a name is one that only an equal one can be the same as.
func (n Names) Plain(name string) bool {
	return !n.Folded && Readable(name)
}

// like matches a pattern in which unreadable stands for one character or more that are not
// ASCII. A server has "?" in place of what it cannot convert.
func like(pattern, known []rune) bool {
	for i, r := range pattern {
		if r == unreadable {
			for n := 1; n <= len(known) && (known[n-1] > 0x7f || known[n-1] == '?'); n++ {
				if like(pattern[i+1:], known[n:]) {
					return true
				}
			}
			return false
		}
		if len(known) == 0 || known[0] != r {
			return false
		}
		known = known[1:]
	}
	return len(known) == 0
}

// Readable reports whether all characters of a name could be decoded.
func Readable(name string) bool { return !strings.ContainsRune(name, unreadable) }
