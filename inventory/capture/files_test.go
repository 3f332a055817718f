package capture

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/remote"
)

func TestCaptureFiles(t *testing.T) {
	dir := t.TempDir()
	odd := filepath.Join(dir, "app", "tab\tnew\nline\xff")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "app"), 0o750))
	require.NoError(t, os.WriteFile(odd, []byte("contents-canary"), 0o640))
	require.NoError(t, os.Symlink("/nowhere/it's", filepath.Join(dir, "app", "link")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "it's $(one)"), nil, 0o4755))
	require.NoError(t, os.Chmod(filepath.Join(dir, "it's $(one)"), 0o755|os.ModeSetuid))
	h := captureOne(t, Target{Host: remote.NewLocal("web1"), onlySections: basicSections, Files: []string{
		dir + "/app/", odd, dir + "/it's $(one)", dir + "/absent",
	}})
	sum := sha256.Sum256([]byte("contents-canary"))
	empty := sha256.Sum256(nil)
	user, group := h.Files[0].Owner, h.Files[0].Group
	require.NotEmpty(t, user)
	base := inventory.File{UID: os.Getuid(), GID: os.Getgid(), Owner: user, Group: group}
	with := func(path, kind, mode string, size int64, sha, target string) inventory.File {
		f := base
		f.Path, f.Kind, f.Mode, f.Size, f.SHA256, f.Target = inventory.Text(path), kind, mode, size, sha, inventory.Text(target)
		return f
	}
	kept := with(odd, "file", "0640", 15, "", "")
	kept.HMAC = testOptions().Redactor.Hash(hex.EncodeToString(sum[:]))
	require.Equal(t, []inventory.File{
		with(dir+"/app", "folder", "0750", 0, "", ""),
		with(dir+"/app/link", "link", "0777", 0, "", "/nowhere/it's"),
		kept, // not readable by everybody: a keyed hash allows no guesses
		with(dir+"/it's $(one)", "file", "4755", 0, hex.EncodeToString(empty[:]), ""),
	}, h.Files)
	require.Equal(t, inventory.Absent, missingReasons(h)[dir+"/absent"])

	state := filepath.Join(t.TempDir(), "inventory") // the store keeps every byte of the name
	require.NoError(t, inventory.Save(state, h))
	loaded, err := inventory.Load(state)
	require.NoError(t, err)
	require.Equal(t, []*inventory.Host{h}, loaded)
}
