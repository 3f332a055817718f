package machine

import (
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/dcmigrate/migrate/report"
)

// programs maps the programs that this package runs to their Debian packages.
var programs = map[string]string{
	"debootstrap":    "debootstrap",
	"systemd-nspawn": "systemd-container",
	"ip":             "iproute2",
	"nft":            "nftables",
	"unshare":        "util-linux",
	"nsenter":        "util-linux",
	"dpkg-deb":       "dpkg",
}

// Require returns an error with a hint if this machine cannot run hosts of the lab:
// without root, programs, or a cgroup hierarchy for systemd. It changes nothing.
func Require() error {
	var missing, packages []string
	if syscall.Geteuid() != 0 {
		return report.WithHint(fmt.Errorf("lab hosts need root, this is user %d", syscall.Geteuid()), "run it with sudo")
	}
	for _, program := range slices.Sorted(maps.Keys(programs)) {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
			packages = append(packages, programs[program])
		}
	}
	if len(missing) > 0 {
		return report.WithHint(fmt.Errorf("lab hosts need %s", strings.Join(missing, ", ")),
			"apt-get install --no-install-recommends %s", strings.Join(slices.Compact(slices.Sorted(slices.Values(packages))), " "))
	}
	_, err := cgroupRoots()
	return err
}
