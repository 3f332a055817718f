package capture

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Debian's own keyrings are public keys. A secret key, a part of a key and anything
// else are not.
func TestOnlyPublicKeys(t *testing.T) {
	files, err := filepath.Glob("/usr/share/keyrings/debian-archive-*.gpg")
	require.NoError(t, err)
	whole := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		if len(data) == 0 || data[0] == '-' { // armored
			continue
		}
		whole++
		require.True(t, onlyPublicKeys(data), file)
		require.False(t, onlyPublicKeys(data[:len(data)-1]), "half of %s", file)
		secret := append([]byte{0x95}, data[1:]...) // the same, marked as a secret key
		require.False(t, onlyPublicKeys(secret))
		require.False(t, onlyPublicKeys(append(append([]byte{}, data...), 0xc7, 1, 0)), "with a secret subkey")
	}
	t.Logf("%d keyrings of this host", whole)
	require.True(t, onlyPublicKeys([]byte{0xc6, 2, 4, 0, 0xcd, 1, 'x'}))
	for _, data := range [][]byte{nil, {0x99}, {0xc6, 255, 255, 255, 255, 255, 0}, {0xc6, 230, 0}, []byte("KBXf"), []byte("-----BEGIN PGP PRIVATE KEY BLOCK-----"), {0xcd, 1, 'x'}} {
		require.False(t, onlyPublicKeys(data), "%x", data)
	}
}

func FuzzOnlyPublicKeys(f *testing.F) {
	f.Add([]byte{0xc6, 2, 4, 0, 0xcd, 1, 'x'})
	f.Add([]byte{0x99, 0, 1, 4})
	f.Fuzz(func(t *testing.T, data []byte) {
		if onlyPublicKeys(data) {
			require.NotEmpty(t, data)
			require.NotEqual(t, byte(0x95), data[0])
		}
	})
}
