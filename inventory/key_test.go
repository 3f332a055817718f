package inventory

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory/redact"
	"github.com/dcmigrate/migrate/report"
)

func TestOpenKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state", "inventory.key")
	key, err := OpenKey(file)
	require.NoError(t, err)
	require.Len(t, key, redact.KeySize)
	again, err := OpenKey(file)
	require.NoError(t, err)
	require.Equal(t, key, again)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.NoError(t, os.WriteFile(file, key[:5], 0o600))
	_, err = OpenKey(file)
	require.ErrorContains(t, err, "it has 5 bytes, not 32")
	require.NotEmpty(t, report.Hint(err))
}
