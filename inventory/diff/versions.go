package diff

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/traits"
)

// version judges two versions of a package or server: a patch of the same
// version does no harm where both hosts run the same release of the system.
func (p *pair) version(at string, was traits.Item, old, now string) (Class, string, bool) {
	switch {
	case at == "packages.version" && kernelPackage.MatchString(was.Name) && p.old.system == p.new.system:
		return Expected, "another kernel of the same release", true
	case p.old.system != p.new.system:
		return Drift, "another version, of another release of the system", true
	case inventory.CompareVersions(now, old) < 0:
		return Drift, "the new side's version is lower", true
	case upstream(old) == upstream(now):
		return Harmless, "the same version, packaged anew", true
	case at == "packages.version" && dated.MatchString(was.Name), patch(upstream(old), upstream(now)):
		return Harmless, "a patch of the same version", true
	}
	return Drift, "another version upstream", true
}

// upstream is what the program's makers call the version: without the epoch,
// the packager's revision and what the packager added.
func upstream(version string) string {
	if _, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
	}
	if i := strings.LastIndexByte(version, '-'); i > 0 {
		version = version[:i]
	}
	if i := strings.IndexAny(version, "+~"); i > 0 {
		version = version[:i]
	}
	return version
}

var number = regexp.MustCompile(`^\d+`)

// dated are packages of data, whose versions are dates: 20230311, 2024a, 2023.3.
var dated = regexp.MustCompile(`^(tzdata(-legacy)?|ca-certificates(-java)?|(debian|ubuntu)(-archive)?-keyring|publicsuffix|ieee-data|python3-(certifi|tz)|dns-root-data|hwdata|wireless-regdb|(pci|usb)\.ids|geoip-database|firmware-\S+|linux-firmware\S*)( |$)`)

// Versions that begin with such a number count releases, as of systemd 252.6.
const countsReleases = 100

// patch reports whether two versions are of one series, in which makers mend
// and add nothing: all but the third part and what follows agree.
func patch(a, b string) bool {
	partsA, partsB := strings.Split(a, "."), strings.Split(b, ".")
	first, err := strconv.Atoi(number.FindString(a))
	other, err2 := strconv.Atoi(number.FindString(b))
	switch {
	case err != nil || err2 != nil:
		return false
	case first >= countsReleases:
		return first == other
	}
	return len(partsA) > 2 && len(partsB) > 2 && slices.Equal(partsA[:2], partsB[:2])
}
