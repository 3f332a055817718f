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

// release is what a Release file says about the indices of its suite, see
// https://wiki.debian.org/DebianRepository/Format.
type release struct {
	// indices are the files named Packages, by path below the Release file.
	indices map[string]index
	// byHash reports that indices are also available by their sums, where they stay
	// when the archive is updated.
	byHash bool
	// separateAll reports that packages for all architectures have their own indices.
	separateAll bool
}

// index is a file as the Release file lists it.
type index struct {
	sum  string // SHA-256, in hexadecimal
	size int64
}

const (
	maxRelease = 16 << 20
	// maxLine is the length of the longest line that is read: Provides can be long.
	maxLine = 1 << 20
	// maxIndices is the number of indices that are kept of a Release file.
	maxIndices = 10_000
)

var errNoSums = errors.New("its Release file names no index with its SHA-256, without which apt does not take it either")

// parseRelease reads a Release file, with or without an inline signature. It does not
// check the signature: the result is advice, and apt checks on the new host.
func parseRelease(r io.Reader) (*release, error) {
	rel := &release{indices: map[string]index{}}
	var architectures []string
	apart, sums := true, false
	lines := newLines(r)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, " ") {
			if sums {
				rel.addIndex(strings.Fields(line))
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
		return nil, fmt.Errorf("read its Release file: %w", lineError(err))
	}
	if len(rel.indices) == 0 {
		return nil, errNoSums
	}
	rel.separateAll = apart && (len(architectures) == 0 || slices.Contains(architectures, "all"))
	return rel, nil
}

func (rel *release) addIndex(f []string) {
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

// indexSuffixes are the suffixes of an index, the quickest to unpack first.
var indexSuffixes = []string{".gz", ".xz", ""}

// has reports whether an index exists in any form.
func (rel *release) has(path string) bool {
	return slices.ContainsFunc(indexSuffixes, func(form string) bool {
		_, ok := rel.indices[path+form]
		return ok
	})
}

// paths returns the existing indices of a component for architectures.
func (rel *release) paths(s suite, component string, architectures []string) []string {
	if s.flat() && rel.has("Packages") {
		return []string{"Packages"}
	}
	var paths []string
	for _, a := range architectures {
		path := component + "/binary-" + a + "/Packages"
		if rel.has(path) && (a != anyArchitecture || rel.separateAll) {
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

func lineError(err error) error {
	if errors.Is(err, bufio.ErrTooLong) {
		return errors.New("a line of it is longer than 1 MiB")
	}
	return err
}
