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

// version is a server's version number.
type version struct{ major, minor, patch int }

// String is major.minor.patch.
func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v.major, v.minor, v.patch) }

// compare is negative, zero or positive as v is older than, equal to or newer than o.
func (v version) compare(o version) int {
	return cmp.Or(cmp.Compare(v.major, o.major), cmp.Compare(v.minor, o.minor), cmp.Compare(v.patch, o.patch))
}

// Dialect is the flavor and version of a server. Its methods return the statements, names
// and capabilities that differ between them.
type Dialect struct {
	Flavor  Flavor
	version version
}

var versionNumber = regexp.MustCompile(`^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)`)

// ParseVersion returns the dialect of a server with these values of VERSION() and
// @@version_comment.
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

// Supported returns an error if the version is older than MariaDB 10.6 or MySQL 8.0.23
// (the first with CHANGE REPLICATION SOURCE TO).
func (d *Dialect) Supported() error {
	if d.isMariaDB() && !d.atLeast(10, 6, 0) {
		return fmt.Errorf("%s is older than MariaDB 10.6", d)
	}
	if !d.isMariaDB() && !d.atLeast(8, 0, 23) {
		return fmt.Errorf("%s is older than MySQL 8.0.23", d)
	}
	return nil
}

// SameFlavor reports whether both servers are of the same flavor. Servers of different
// flavors cannot replicate from each other by GTID.
func (d *Dialect) SameFlavor(o *Dialect) bool { return d.Flavor == o.Flavor }

// OlderThan reports whether d's version is older than o's.
func (d *Dialect) OlderThan(o *Dialect) bool { return d.version.compare(o.version) < 0 }

// Series is the major and minor version, such as "10.11" or "8.4". Releases of one series
// have the same formats.
func (d *Dialect) Series() string { return fmt.Sprintf("%d.%d", d.version.major, d.version.minor) }

// SeriesName is the series with the flavor's name, such as "MariaDB 10.11".
func (d *Dialect) SeriesName() string { return string(d.Flavor) + " " + d.Series() }

// SameStyle reports whether both servers print definitions in the same style. The types
// of columns and the options of tables are spelled differently in other series.
func (d *Dialect) SameStyle(o *Dialect) bool { return d.Series() == o.Series() }
