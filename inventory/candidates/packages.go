package candidates

import (
	"bytes"
	"io"
	"regexp"
	"slices"

	"github.com/dcmigrate/migrate/inventory"
)

const (
	// targetArchitecture is the architecture of droplets.
	targetArchitecture = "amd64"
	// anyArchitecture is the architecture of packages without machine code.
	anyArchitecture = "all"
	// maxNames is the number of providers or similar names kept for a wanted name.
	maxNames = 20
)

// wanted is what is looked up in every index.
type wanted struct {
	names      map[string]bool
	nameShapes map[string]bool // shapes of names that contain numbers
}

func newWanted() wanted { return wanted{map[string]bool{}, map[string]bool{}} }

func (w wanted) add(name string) {
	w.names[name] = true
	if s := shape([]byte(name)); s != "" {
		w.nameShapes[s] = true
	}
}

// binary is a package for an architecture.
type binary struct{ name, architecture string }

// offers is what an index has of the wanted packages.
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

// parsePackages reads an index as a stream and keeps only what is wanted.
func parsePackages(r io.Reader, w wanted, o *offers) error {
	var s stanza
	lines := newLines(r)
	for lines.Scan() {
		line := bytes.TrimRight(lines.Bytes(), " \t\r")
		switch {
		case len(line) == 0:
			s.finish(w, o)
		case line[0] == ' ' || line[0] == '\t':
			s.continueField(line)
		default:
			s.field(line)
		}
	}
	s.finish(w, o)
	return lineError(lines.Err())
}

// stanza has the fields of a package that matter. Its buffers are reused for the
// next package.
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

// continueField adds a continuation line to the field before it.
func (s *stanza) continueField(line []byte) {
	if s.inProvides && len(s.provides)+len(line) <= maxLine {
		s.provides = append(s.provides, line...)
	}
}

func (s *stanza) finish(w wanted, o *offers) {
	defer func() {
		s.name, s.version, s.architecture, s.provides, s.inProvides = s.name[:0], s.version[:0], s.architecture[:0], s.provides[:0], false
	}()
	if !packageName.Match(s.name) || !versionText.Match(s.version) {
		return
	}
	if w.names[string(s.name)] && len(s.version) <= maxFieldLength && len(s.architecture) <= maxFieldLength {
		key, version := binary{string(s.name), string(s.architecture)}, string(s.version)
		best, ok := o.best[key]
		if !ok && len(o.best) >= maxArchitectures*len(w.names) {
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
		if i := bytes.IndexAny(item, " (:"); i >= 0 { // a version or an architecture
			item = item[:i]
		}
		if w.names[string(item)] {
			addName(o.providers, string(item), string(s.name))
		}
	}
	if sh := shape(s.name); w.nameShapes[sh] {
		addName(o.alike, sh, string(s.name))
	}
}

func addName(names map[string][]string, under, name string) {
	if list := names[under]; len(list) < maxNames && !slices.Contains(list, name) {
		names[under] = append(list, name)
	}
}

// shape returns a name with each number, dots included, replaced by "#": php7.4-fpm
// and php8.2-fpm have the shape php#-fpm. For a name without numbers it returns "".
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
