package machine

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// needLab skips a test if this machine cannot run hosts, and fails it under CI.
func needLab(t *testing.T) {
	t.Helper()
	err := Require()
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI must be able to run lab hosts: %v", err)
	}
	t.Skipf("lab hosts cannot run here: %v", err)
}

func TestBaseIsBuiltOnce(t *testing.T) {
	needLab(t)
	first, err := Base(t.Context(), DefaultCache, func(line string) { t.Log(line) })
	require.NoError(t, err)
	require.FileExists(t, first+"/core/var/cache/debian/Packages")
	require.FileExists(t, first+"/site/usr/sbin/mariadbd")
	require.NoFileExists(t, first+"/droplet/usr/sbin/mariadbd")
	require.FileExists(t, first+"/droplet/usr/bin/cloud-init")
	for _, layer := range []string{"core", "site", "droplet"} {
		require.NoFileExists(t, first+"/"+layer+"/usr/sbin/policy-rc.d")
	}
	again, err := Base(t.Context(), DefaultCache, func(line string) { t.Errorf("built again: %s", line) })
	require.NoError(t, err)
	require.Equal(t, first, again)
}
