package candidates

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// release is what a Release file says of the indices of its suite; see
// https://wiki.debian.org/DebianRepository/Format.
type release struct {
	// indices are those called Packages, by path below the Release file.
	indices map[string]index
	// byHash: indices can be had by their sums, which an update leaves in place.
	byHash bool
	// all: packages for every architecture have indices of their own.
	all bool
}

// index is a file as the Release file has it.
type index struct {
	sum  string // SHA-256, in hexadecimal
	size int64
}

const (
	maxRelease = 16 << 20
	// maxLine is the longest line that is read: Provides can be long.
	maxLine = 1 << 20
	// maxIndices bounds what is kept of a Release file.
	maxIndices = 10_000
)

var errNoSums = errors.New("its Release file names no index with its SHA-256, without which apt does not take it either")

// parseRelease reads a Release file, or one inside of its signature. That is
// not checked: what is read is advice, and apt checks on the new host.
func parseRelease(r io.Reader) (*release, error) {
	rel := &release{indices: map[string]index{}}
	var architectures []string
	apart, sums := true, false
	lines := newLines(r)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, " ") {
			if sums {
				rel.index(strings.Fields(line))
			}
			continue
		}
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		sums = key == "SHA256"
		switch key {
		case "Acquire-By-Hash":
			rel.byHash = value == "yes"
		case "Architectures":
			architectures = strings.Fields(value)
		case "No-Support-for-Architecture-all":
			apart = apart && value != "Packages"
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read its Release file: %w", tooLong(err))
	}
	if len(rel.indices) == 0 {
		return nil, errNoSums
	}
	rel.all = apart && (len(architectures) == 0 || slices.Contains(architectures, "all"))
	return rel, nil
}

func (rel *release) index(f []string) {
	if len(f) != 3 || len(rel.indices) >= maxIndices {
		return
	}
	name := strings.TrimPrefix(f[2], "./")
	base := name[strings.LastIndexByte(name, '/')+1:]
	size, err := strconv.ParseInt(f[1], 10, 64)
	if sum, e := hex.DecodeString(f[0]); e != nil || len(sum) != 32 || err != nil || size < 0 {
		return
	}
	if base == "Packages" || base == "Packages.gz" || base == "Packages.xz" {
		rel.indices[name] = index{strings.ToLower(f[0]), size}
	}
}

// forms are the endings of an index, the quickest to unpack first.
var forms = []string{".gz", ".xz", ""}

// has reports whether there is an index in any form.
func (rel *release) has(path string) bool {
	return slices.ContainsFunc(forms, func(form string) bool {
		_, ok := rel.indices[path+form]
		return ok
	})
}

// paths are the indices of a component for architectures, as far as there are.
func (rel *release) paths(s suite, component string, architectures []string) []string {
	if s.flat() && rel.has("Packages") {
		return []string{"Packages"}
	}
	var paths []string
	for _, a := range architectures {
		path := component + "/binary-" + a + "/Packages"
		if rel.has(path) && (a != anyArchitecture || rel.all) {
			paths = append(paths, path)
		}
	}
	return paths
}

func newLines(r io.Reader) *bufio.Scanner {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), maxLine)
	return s
}

func tooLong(err error) error {
	if errors.Is(err, bufio.ErrTooLong) {
		return errors.New("a line of it is longer than 1 MiB")
	}
	return err
}
