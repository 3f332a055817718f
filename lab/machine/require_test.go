package machine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/report"
)

func TestRequireNamesAllThatIsMissing(t *testing.T) {
	needLab(t)
	t.Setenv("PATH", t.TempDir())
	err := Require()
	require.EqualError(t, err, "lab hosts need debootstrap, dpkg-deb, ip, nft, nsenter, systemd-nspawn, unshare")
	require.Equal(t, "apt-get install --no-install-recommends debootstrap dpkg iproute2 nftables systemd-container util-linux", report.Hint(err))
	require.ErrorContains(t, NewNetwork("").Open(t.Context()), "lab hosts need")
	_, err = Base(t.Context(), t.TempDir(), func(string) {})
	require.ErrorContains(t, err, "lab hosts need")
}
