package diff

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/traits"
)

// judgeVersion judges two versions of a package or server: a patch of the same
// version is harmless if both hosts run the same release of the system.
func (p *pair) judgeVersion(at string, item traits.Item, oldText, newText string) (Class, string, bool) {
	switch {
	case at == "packages.version" && kernelPackage.MatchString(item.Name) && p.old.system == p.new.system:
		return Expected, "another kernel of the same release", true
	case p.old.system != p.new.system:
		return Drift, "another version, of another release of the system", true
	case inventory.CompareVersions(newText, oldText) < 0:
		return Drift, "the new side's version is lower", true
	case upstreamVersion(oldText) == upstreamVersion(newText):
		return Harmless, "the same version, packaged anew", true
	case at == "packages.version" && datedPackage.MatchString(item.Name), isPatch(upstreamVersion(oldText), upstreamVersion(newText)):
		return Harmless, "a patch of the same version", true
	}
	return Drift, "another version upstream", true
}

// upstreamVersion returns the version that the makers of the program gave it:
// without the epoch, the packager's revision and suffixes.
func upstreamVersion(version string) string {
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

var leadingNumber = regexp.MustCompile(`^\d+`)

// datedPackage matches packages of data whose versions are dates: 20230311, 2024a,
// 2023.3.
var datedPackage = regexp.MustCompile(`^(tzdata(-legacy)?|ca-certificates(-java)?|(debian|ubuntu)(-archive)?-keyring|publicsuffix|ieee-data|python3-(certifi|tz)|dns-root-data|hwdata|wireless-regdb|(pci|usb)\.ids|geoip-database|firmware-\S+|linux-firmware\S*)( |$)`)

// minReleaseCount is the first number from which a version counts releases, such as
// systemd's 252.6.
const minReleaseCount = 100

// isPatch reports whether two versions belong to one series that gets only fixes:
// their first two parts are equal, or the first one where it counts releases.
func isPatch(a, b string) bool {
	partsA, partsB := strings.Split(a, "."), strings.Split(b, ".")
	first, err := strconv.Atoi(leadingNumber.FindString(a))
	other, err2 := strconv.Atoi(leadingNumber.FindString(b))
	switch {
	case err != nil || err2 != nil:
		return false
	case first >= minReleaseCount:
		return first == other
	}
	return len(partsA) > 2 && len(partsB) > 2 && slices.Equal(partsA[:2], partsB[:2])
}
