package dialect

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Flavor is the family of a server.
type Flavor string

// The flavors that migrate moves.
const (
	MySQL   Flavor = "MySQL"
	MariaDB Flavor = "MariaDB"
)

// Version is a server's version number.
type version struct{ major, minor, patch int }

// String is major.minor.patch.
func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v.major, v.minor, v.patch) }

// Compare is negative, zero or positive as v is older than, equal to or newer than o.
func (v version) compare(o version) int {
	return cmp.Or(cmp.Compare(v.major, o.major), cmp.Compare(v.minor, o.minor), cmp.Compare(v.patch, o.patch))
}

// Dialect owns every difference between the flavors and their versions: statements,
// names of variables and privileges, and what a server can do. No code outside of it
// compares a flavor or a version.
type Dialect struct {
	Flavor  Flavor
	version version
}

var versionNumber = regexp.MustCompile(`^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)`)

// ParseVersion makes a dialect of what VERSION() and @@version_comment say.
func ParseVersion(version, comment string) (*Dialect, error) {
	m := versionNumber.FindStringSubmatch(version)
	if m == nil {
		return nil, fmt.Errorf("parse server version %q: no number in it", version)
	}
	d := &Dialect{Flavor: MySQL}
	if strings.Contains(strings.ToLower(version+" "+comment), "mariadb") {
		d.Flavor = MariaDB
	}
	for i, field := range []*int{&d.version.major, &d.version.minor, &d.version.patch} {
		n, err := strconv.Atoi(m[i+1])
		if err != nil {
			return nil, fmt.Errorf("parse server version %q: %w", version, err)
		}
		*field = n
	}
	return d, nil
}

// String is flavor and version.
func (d *Dialect) String() string { return string(d.Flavor) + " " + d.version.String() }

func (d *Dialect) isMariaDB() bool { return d.Flavor == MariaDB }

// atLeast reports whether the version is major.minor.patch or newer.
func (d *Dialect) atLeast(major, minor, patch int) bool {
	return d.version.compare(version{major, minor, patch}) >= 0
}

// Supported returns an error for a version outside of what migrate is made for:
// MariaDB from 10.6, MySQL from 8.0.23 (CHANGE REPLICATION SOURCE TO).
func (d *Dialect) Supported() error {
	if d.isMariaDB() && !d.atLeast(10, 6, 0) {
		return fmt.Errorf("%s is older than MariaDB 10.6", d)
	}
	if !d.isMariaDB() && !d.atLeast(8, 0, 23) {
		return fmt.Errorf("%s is older than MySQL 8.0.23", d)
	}
	return nil
}

// SameFlavor reports whether both servers are of one flavor. Servers of two
// flavors do not replicate from each other by GTID.
func (d *Dialect) SameFlavor(o *Dialect) bool { return d.Flavor == o.Flavor }

// OlderThan reports whether d's version is older than o's.
func (d *Dialect) OlderThan(o *Dialect) bool { return d.version.compare(o.version) < 0 }

// Series is the part of the version within which releases keep their formats: "10.11", "8.4".
func (d *Dialect) Series() string { return fmt.Sprintf("%d.%d", d.version.major, d.version.minor) }

// SameStyle reports whether both servers print definitions in one style. Servers
// of another series spell the types of columns and the options of tables in another way.
func (d *Dialect) SameStyle(o *Dialect) bool { return d.Series() == o.Series() }
