package machine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFindMirrors(t *testing.T) {
	for _, c := range []struct {
		name, file, text string
		want             mirrors
	}{
		{"classic", "sources.list", "# deb http://no.example/debian bookworm main\ndeb http://a.example/debian/ bookworm main contrib\n" +
			"deb http://b.example/security bookworm-security main\n", mirrors{"http://a.example/debian", "http://b.example/security"}},
		{"other release", "sources.list", "deb [arch=amd64] http://a.example/debian trixie main\n", mirrors{main: "http://a.example/debian"}},
		{
			"stanzas", "sources.list.d/debian.sources", "Types: deb\nURIs: http://a.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n" +
				"Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\nTypes: deb deb-src\nURIs: http://b.example/s\nSuites: bookworm-security\nComponents:\n main\n",
			mirrors{"http://a.example/debian", "http://b.example/s"},
		},
		{"disabled and foreign", "sources.list.d/x.sources", "Types: deb\nEnabled: no\nURIs: http://no.example\nSuites: bookworm\nComponents: main\n\n" +
			"Types: deb\nURIs: http://db.example\nSuites: bookworm\nComponents: main\nSigned-By: /etc/keys/db.gpg\n\n" +
			"Types: deb\nURIs: http://a.example\nSuites: stable\nComponents: main\n", mirrors{main: "http://a.example"}},
		{
			"backports are not the archive", "sources.list", "deb http://b.example bookworm-backports main\ndeb http://a.example bookworm main\n",
			mirrors{main: "http://a.example"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			require.NoError(t, os.MkdirAll(filepath.Join(root, "etc/apt/sources.list.d"), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(root, "etc/apt", c.file), []byte(c.text), 0o644))
			got, err := readMirrors(root)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	_, err := readMirrors(t.TempDir())
	require.ErrorContains(t, err, "no Debian archive")
}
