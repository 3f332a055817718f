package dialect

import "strings"

// archives are the series that distributions ship (packages.debian.org,
// packages.ubuntu.com), by the beginning of a droplet's image.
var archives = []struct {
	image  string
	series map[Flavor]string
}{
	{"debian-11", map[Flavor]string{MariaDB: "10.5"}},
	{"debian-12", map[Flavor]string{MariaDB: "10.11"}},
	{"debian-13", map[Flavor]string{MariaDB: "11.8"}},
	{"ubuntu-20-04", map[Flavor]string{MariaDB: "10.3", MySQL: "8.0"}},
	{"ubuntu-22-04", map[Flavor]string{MariaDB: "10.6", MySQL: "8.0"}},
	{"ubuntu-24-04", map[Flavor]string{MariaDB: "10.11", MySQL: "8.0"}},
}

// ArchiveSeries is the series of the flavor that hosts of a droplet's image install from
// their distribution's archive. ok is false if that is not known.
func (d *Dialect) ArchiveSeries(image string) (series string, ok bool) {
	for _, a := range archives {
		if strings.HasPrefix(image, a.image) {
			series, ok = a.series[d.Flavor]
			return series, ok
		}
	}
	return "", false
}
