package candidates

import (
	"fmt"
	"regexp"
	"strings"
)

// Target is the distribution of the new hosts, whose architecture is amd64.
type Target struct {
	ID       string // debian, ubuntu
	Release  string // as of VERSION_ID: 12, 24.04
	Codename string // bookworm
}

// String is how people call it: "debian 12".
func (t Target) String() string { return t.ID + " " + t.Release }

// codenames are of the releases that a droplet's image can have.
var codenames = map[string]string{
	"debian 11": "bullseye", "debian 12": "bookworm", "debian 13": "trixie",
	"ubuntu 20.04": "focal", "ubuntu 22.04": "jammy", "ubuntu 24.04": "noble",
	"ubuntu 25.04": "plucky", "ubuntu 25.10": "questing", "ubuntu 26.04": "resolute",
}

var slug = regexp.MustCompile(`^(debian|ubuntu)-(\d+(?:-\d+)?)-x64$`)

// ParseImage reads the slug of DigitalOcean's image: debian-12-x64. The error
// says why nothing can be known of the packages that another image will have.
func ParseImage(image string) (Target, error) {
	m := slug.FindStringSubmatch(image)
	if m == nil {
		return Target{}, fmt.Errorf("image %s is none of Debian or Ubuntu by its name, so it is not known what its archives offer", image)
	}
	t := Target{ID: m[1], Release: strings.ReplaceAll(m[2], "-", ".")}
	if t.Codename = codenames[t.String()]; t.Codename == "" {
		return Target{}, fmt.Errorf("image %s is of a release that this program does not know", image)
	}
	return t, nil
}
