package inventory

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// CompareVersions orders versions as dpkg does.
func TestVersionOrder(t *testing.T) {
	_, err := exec.LookPath("dpkg")
	require.NoError(t, err, "dpkg is on every Debian")
	version := rapid.StringMatching(`([01]:)?[0-9][0-9a-cA-C.+~]{0,5}(-[0-9a-c.+~]{1,4})?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := version.Draw(t, "a"), version.Draw(t, "b")
		lower := exec.Command("dpkg", "--compare-versions", a, "lt", b).Run() == nil
		require.Equal(t, lower, CompareVersions(a, b) < 0, "%s %s", a, b)
		equal := exec.Command("dpkg", "--compare-versions", a, "eq", b).Run() == nil
		require.Equal(t, equal, CompareVersions(a, b) == 0, "%s %s", a, b)
	})
}
