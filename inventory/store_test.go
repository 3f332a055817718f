package inventory

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/report"
)

// capturedHost is the inventory that a test of capture makes of a recorded host.
const capturedHost = "../testdata/hosts/db1.json"

func TestLoad(t *testing.T) {
	host, err := LoadFile(capturedHost)
	require.NoError(t, err)
	dir := t.TempDir()
	none, err := Load(filepath.Join(dir, "absent"))
	require.NoError(t, err)
	require.Empty(t, none)
	require.NoError(t, Save(dir, host))
	info, err := os.Stat(filepath.Join(dir, "db1.json"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	loaded, err := Load(dir)
	require.NoError(t, err)
	require.Equal(t, []*Host{host}, loaded)
	require.Error(t, Save(dir, &Host{Name: "../etc"}))
	for name, c := range map[string]struct{ text, err, hint string }{
		"newer":   {`{"version": 3, "compatible": 3, "name": "x"}`, "version 3 is newer", "use the newer migrate"},
		"older":   {`{"version": 1, "name": "x"}`, "version 1 is older", "migrate inventory capture"},
		"torn":    {`{"version": 2, "na`, "unexpected end", "migrate inventory capture"},
		"foreign": {`{}`, "no inventory of a host", "migrate inventory capture"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "x.json"), []byte(c.text), 0o600))
			_, err := Load(dir)
			require.ErrorContains(t, err, c.err)
			require.ErrorContains(t, err, "x.json")
			require.Contains(t, report.Hint(err), c.hint)
		})
	}
}

// A newer program's file that this program may read is read, and the fields that
// it does not know are listed.
func TestLoadNewer(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "web1.json"), []byte(`{"version": 7, "compatible": 2, "name": "web1",
		"gpus": [{"name": "x"}], "packages": [{"name": "a", "version": "1", "flavour": "b"}, {"name": "c", "flavour": "d"}],
		"files": [{"path": {"base64": "/w=="}, "kind": "file"}], "mysql": {"variables": {"any": "name"}}}`), 0o600))
	loaded, err := Load(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"gpus", "packages.flavour"}, loaded[0].Unknown)
	require.Equal(t, Text("\xff"), loaded[0].Files[0].Path)
}
