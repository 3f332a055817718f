package capture

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/internal/planted"
	"github.com/dcmigrate/migrate/inventory/show"
)

// I7: more than 200 secrets of more than 40 kinds are planted where operators keep them
// on a Debian system. None is in anything that is written or shown. A clean system
// gives fewer than five false alarms.
func TestPlantedSecretsStayOnTheHost(t *testing.T) {
	host := newDebianHost(t, "bookworm")
	var roots []string
	all := planted.All()
	for _, s := range all {
		mode := os.FileMode(0o644)
		if strings.HasSuffix(s.Path, ".sh") {
			mode = 0o755
		}
		host.write(t, s.Path, s.Text, mode)
		if strings.HasPrefix(s.Path, "/srv/") {
			roots = append(roots, "/srv/planted")
		}
	}
	require.NotEmpty(t, roots)
	host.write(t, "/etc/ssl/private/web1.key", "never-read-canary", 0o600)
	state := t.TempDir()
	o := testOptions()
	o.Objects = inventory.NewObjects(filepath.Join(state, "objects"))
	target := Target{Host: host, Files: roots[:1]}
	results := Hosts(t.Context(), []Target{target}, o)
	require.NoError(t, results[0].Err)
	h := results[0].Host
	require.NoError(t, inventory.Save(state, h))
	var shown bytes.Buffer
	require.NoError(t, show.Overview(&shown, []*inventory.Host{h}))
	require.NoError(t, show.Host(&shown, h))
	require.NoError(t, os.WriteFile(filepath.Join(state, "shown.txt"), shown.Bytes(), 0o600))

	var written strings.Builder
	objects := 0
	require.NoError(t, filepath.WalkDir(state, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(path, "/objects/") {
			objects++
		}
		fmt.Fprintf(&written, "%s\n%s\n", path, text)
		return err
	}))
	require.Greater(t, objects, 100)
	leaks := 0
	for _, s := range all {
		for _, forbidden := range s.Forbidden {
			if strings.Contains(written.String(), forbidden) {
				leaks++
				t.Errorf("%s of %s: %q was written", s.Kind, s.Path, forbidden)
			}
		}
	}
	require.Zero(t, leaks)
	require.NotContains(t, written.String(), "never-read-canary")
	leaking, err := Audit(state, o.Redactor)
	require.NoError(t, err)
	require.Empty(t, leaking)

	listed := map[string]bool{}
	for _, s := range h.Secrets {
		listed[string(s.Path)] = true
	}
	for _, s := range all {
		require.True(t, listed[s.Path], "%s is not in the manifest", s.Path)
	}
	require.True(t, listed["/etc/ssl/private/web1.key"])

	clean := captureOne(t, Target{Host: newDebianHost(t, "bookworm")})
	var alarms []inventory.Secret
	for _, s := range clean.Secrets {
		if s.Kind != "file" && s.Path != "/etc/shadow" { // these are true: a rebuilt host needs them
			alarms = append(alarms, s)
		}
	}
	require.Less(t, len(alarms), 5, "%v", alarms)
}

func TestAuditFindsWhatWasWritten(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "web1.json"), []byte(`{"note": "deploys with ghp_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5"}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "web2.json"), []byte(`{"name": "web2"}`), 0o600))
	leaks, err := Audit(dir, testOptions().Redactor)
	require.NoError(t, err)
	require.Len(t, leaks, 1)
	require.Equal(t, filepath.Join(dir, "web1.json"), string(leaks[0].Path))
	require.NotContains(t, fmt.Sprint(leaks), "ghp_")
	_, err = Audit(filepath.Join(dir, "absent"), testOptions().Redactor)
	require.NoError(t, err)
}
