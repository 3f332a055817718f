package capture

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Of files that are named like private keys, only those that sign repositories are
// read. find(1) on the host leaves out the same files as the program.
func TestNeverRead(t *testing.T) {
	for file, never := range map[string]bool{
		"/etc/apt/keyrings/vendor.key":         false,
		"/etc/apt/keyrings/vendor.gpg":         false,
		"/etc/apt/trusted.gpg.d/vendor.key":    false,
		"/etc/pki/rpm-gpg/RPM-GPG-KEY.key":     false,
		"/etc/apt/sources.list.d/site.list":    false,
		"/etc/apt/ssl/client.key":              true,
		"/etc/apt/client.key":                  true,
		"/etc/apt/x.secret":                    true,
		"/etc/apt/keyrings/id_rsa":             true,
		"/etc/apt/keyrings/secring.gpg":        true,
		"/etc/apt/trusted.gpg.d/client.p12":    true,
		"/etc/pki/rpm-gpg/server.secret":       true,
		"/etc/ssl/private/www.example.com.key": true,
	} {
		t.Run(file, func(t *testing.T) {
			require.Equal(t, never, neverRead.match(file))
			if strings.HasPrefix(file, "/etc/apt/") || strings.HasPrefix(file, "/etc/pki/") {
				require.Equal(t, never, !findListsFile(t, file))
			}
		})
	}
}

// findListsFile reports whether find(1) lists a file of this name. A folder of the
// test stands in place of the root.
func findListsFile(t *testing.T, file string) bool {
	host := &debianHost{root: t.TempDir()}
	host.write(t, file, "x", 0o600)
	arguments := strings.ReplaceAll(neverRead.findArguments(), "-path '", "-path '"+host.root)
	out, err := exec.Command("sh", "-c", "find "+filepath.Join(host.root, "etc")+" -type f "+arguments).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out)) != ""
}
