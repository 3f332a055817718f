package candidates

import (
	"bytes"
	"io"
	"regexp"
	"slices"

	"github.com/dcmigrate/migrate/inventory"
)

const (
	// targetArchitecture is a droplet's.
	targetArchitecture = "amd64"
	// anyArchitecture is that of packages without machine code.
	anyArchitecture = "all"
	// maxNames bounds what is kept of others' names beside one that is asked for.
	maxNames = 20
)

// wanted is what is asked of every index.
type wanted struct {
	names  map[string]bool
	shapes map[string]bool // of names with numbers in them
}

func newWanted() wanted { return wanted{map[string]bool{}, map[string]bool{}} }

func (w wanted) add(name string) {
	w.names[name] = true
	if s := shape([]byte(name)); s != "" {
		w.shapes[s] = true
	}
}

// binary is a package of an architecture.
type binary struct{ name, architecture string }

// offers is what an index has of what is asked for.
type offers struct {
	best      map[binary]string   // the highest version
	providers map[string][]string // packages that provide a name
	alike     map[string][]string // packages by shape
}

func newOffers() *offers {
	return &offers{map[binary]string{}, map[string][]string{}, map[string][]string{}}
}

var (
	packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
	versionText = regexp.MustCompile(`^[0-9A-Za-z.+:~-]+$`)
)

// parsePackages reads an index as it comes in, and keeps what is asked for.
func parsePackages(r io.Reader, w wanted, o *offers) error {
	var s stanza
	lines := newLines(r)
	for lines.Scan() {
		line := bytes.TrimRight(lines.Bytes(), " \t\r")
		switch {
		case len(line) == 0:
			s.end(w, o)
		case line[0] == ' ' || line[0] == '\t':
			s.more(line)
		default:
			s.field(line)
		}
	}
	s.end(w, o)
	return tooLong(lines.Err())
}

// stanza is what matters of a package. Its memory is used again for the next.
type stanza struct {
	name, version, architecture, provides []byte
	inProvides                            bool
}

func (s *stanza) field(line []byte) {
	key, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimSpace(value)
	s.inProvides = false
	switch {
	case bytes.EqualFold(key, []byte("Package")):
		s.name = append(s.name[:0], value...)
	case bytes.EqualFold(key, []byte("Version")):
		s.version = append(s.version[:0], value...)
	case bytes.EqualFold(key, []byte("Architecture")):
		s.architecture = append(s.architecture[:0], value...)
	case bytes.EqualFold(key, []byte("Provides")):
		s.provides, s.inProvides = append(s.provides[:0], value...), true
	}
}

// more is a line that goes on with the field before it.
func (s *stanza) more(line []byte) {
	if s.inProvides && len(s.provides)+len(line) <= maxLine {
		s.provides = append(s.provides, line...)
	}
}

func (s *stanza) end(w wanted, o *offers) {
	defer func() {
		s.name, s.version, s.architecture, s.provides, s.inProvides = s.name[:0], s.version[:0], s.architecture[:0], s.provides[:0], false
	}()
	if !packageName.Match(s.name) || !versionText.Match(s.version) {
		return
	}
	if w.names[string(s.name)] && len(s.version) <= maxText && len(s.architecture) <= maxText {
		key, version := binary{string(s.name), string(s.architecture)}, string(s.version)
		best, ok := o.best[key]
		if !ok && len(o.best) >= mostArchitectures*len(w.names) {
			return // no archive has so many
		}
		if !ok || inventory.CompareVersions(version, best) > 0 {
			o.best[key] = version
		}
	}
	if string(s.architecture) != targetArchitecture && string(s.architecture) != anyArchitecture {
		return
	}
	for item := range bytes.SplitSeq(s.provides, []byte(",")) {
		item = bytes.TrimSpace(item)
		if i := bytes.IndexAny(item, " (:"); i >= 0 { // a version, or an architecture
			item = item[:i]
		}
		if w.names[string(item)] {
			keep(o.providers, string(item), string(s.name))
		}
	}
	if sh := shape(s.name); w.shapes[sh] {
		keep(o.alike, sh, string(s.name))
	}
}

func keep(names map[string][]string, under, name string) {
	if list := names[under]; len(list) < maxNames && !slices.Contains(list, name) {
		names[under] = append(list, name)
	}
}

// shape is a name with its numbers, dots between them, made alike: php#-fpm is
// that of php7.4-fpm and of php8.2-fpm. A name without any has none.
func shape(name []byte) string {
	if !bytes.ContainsAny(name, "0123456789") {
		return ""
	}
	var buffer [128]byte
	out := buffer[:0]
	for i := 0; i < len(name); i++ {
		if !isDigit(name[i]) {
			out = append(out, name[i])
			continue
		}
		for i+1 < len(name) && (isDigit(name[i+1]) || name[i+1] == '.' && i+2 < len(name) && isDigit(name[i+2])) {
			i++
		}
		out = append(out, '#')
	}
	return string(out)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
