package candidates

import (
	"fmt"
	"regexp"
	"strings"
)

// distribution is the distribution of the new hosts, whose architecture is amd64.
type distribution struct {
	ID       string // debian, ubuntu
	Release  string // VERSION_ID of os-release: 12, 24.04
	Codename string // bookworm
}

// String returns "debian 12".
func (t distribution) String() string { return t.ID + " " + t.Release }

// codenames are those of the releases that a droplet's image can have.
var codenames = map[string]string{
	"debian 11": "bullseye", "debian 12": "bookworm", "debian 13": "trixie",
	"ubuntu 20.04": "focal", "ubuntu 22.04": "jammy", "ubuntu 24.04": "noble",
	"ubuntu 25.04": "plucky", "ubuntu 25.10": "questing", "ubuntu 26.04": "resolute",
}

var slug = regexp.MustCompile(`^(debian|ubuntu)-(\d+(?:-\d+)?)-x64$`)

// parseImage reads the slug of a DigitalOcean image: debian-12-x64. The error says why
// the packages of another image are unknown.
func parseImage(image string) (distribution, error) {
	m := slug.FindStringSubmatch(image)
	if m == nil {
		return distribution{}, fmt.Errorf("image %s is neither Debian nor Ubuntu: its package archives are unknown", image)
	}
	t := distribution{ID: m[1], Release: strings.ReplaceAll(m[2], "-", ".")}
	if t.Codename = codenames[t.String()]; t.Codename == "" {
		return distribution{}, fmt.Errorf("image %s has a release that this program does not know", image)
	}
	return t, nil
}
