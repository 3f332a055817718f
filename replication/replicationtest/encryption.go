package replicationtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/servertest"
)

// EncryptedBinlog returns the settings of a MariaDB server that encrypts its binlog.
func EncryptedBinlog(t *testing.T) []servertest.Option {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(file, []byte("1;"+strings.Repeat("0123456789abcdef", 4)+"\n"), 0o600))
	return []servertest.Option{
		servertest.Set("plugin_load_add", "file_key_management"), servertest.Set("file_key_management_filename", file), servertest.Set("encrypt_binlog", "1"),
	}
}
