package export_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/export"
)

// An account that exists with another number stops the first boot. The commands run on this
// machine, whose user and group root have the number 0, and create nothing.
func TestCloudInitRefusesAccountWithAnotherNumber(t *testing.T) {
	m := newSite(t)
	h := &inventory.Host{
		Version: inventory.Version, Name: "web1", Roles: []string{"web"}, OS: inventory.OS{ID: "debian"},
		Groups: []inventory.Group{{Name: "site", GID: 1600}}, Users: []inventory.Account{{Name: "site", UID: 1601, GID: 1600, Home: "/home/site", Shell: "/bin/sh"}},
	}
	var doc struct {
		Run []any `yaml:"runcmd"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(m.export(export.CloudInit, h).Files["web.yaml"]), &doc))
	kinds := map[string]string{"group": "1600", "passwd": "1601"}
	for _, c := range doc.Run {
		words, ok := c.([]any)
		if !ok || len(words) < 7 || words[0] != "sh" {
			continue
		}
		kind := text(t, words[4])
		require.Equal(t, "site", words[5])
		require.Equal(t, kinds[kind], words[6])
		delete(kinds, kind)
		run := func(name, id string) (string, error) {
			//nolint:gosec // the export's own words
			out, err := exec.CommandContext(t.Context(), "sh", "-c", text(t, words[2]), "sh", kind, name, id, "echo", "made").CombinedOutput()
			return string(out), err
		}
		out, err := run("root", "0")
		require.NoError(t, err)
		require.Empty(t, out, "it is there")
		out, err = run("no-such-account", "4711")
		require.NoError(t, err)
		require.Equal(t, "made no-such-account\n", out)
		out, err = run("root", "4711")
		require.Error(t, err)
		require.Equal(t, kind+" root has the number 0 here, not 4711\n", out)
	}
	require.Empty(t, kinds)
}
