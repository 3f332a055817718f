package house

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/move/way"
)

// TestExamplesLoad: every file in examples/ is a configuration that migrate takes.
func TestExamplesLoad(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root(t), "examples", "*.yaml"))
	require.NoError(t, err)
	var ways []string
	ids := map[string]bool{}
	for _, file := range files {
		c, err := config.Load(file, way.All().Settings())
		require.NoError(t, err)
		require.NotEmpty(t, c.Digest)
		require.Equal(t, strings.TrimSuffix(filepath.Base(file), ".yaml"), c.Cutover.Way, "an example has the name of its way")
		require.False(t, ids[c.ID], "ids are unique")
		ways, ids[c.ID] = append(ways, c.Cutover.Way), true
	}
	require.ElementsMatch(t, way.All().Names(), ways, "there is an example of each way")
}

// TestTemplateNamesEverySetting: the file that migrate init writes says of every
// setting that there is, set or as a comment.
func TestTemplateNamesEverySetting(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "config", "template.yaml"))
	require.NoError(t, err)
	names := settings(reflect.TypeFor[config.Config]())
	require.Contains(t, names, "identity_file")
	require.NotContains(t, names, "-")
	var missing []string
	for _, name := range names {
		if !regexp.MustCompile(`(?m)(^|[\s{#])` + name + `:`).Match(text) {
			missing = append(missing, name)
		}
	}
	require.Empty(t, missing, "settings that config/template.yaml does not name")
}

// settings lists the keys of a configuration type and of all types in it.
func settings(t reflect.Type) []string {
	switch t.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer:
		return settings(t.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	var out []string
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("yaml")
		if name == "" || name == "-" {
			continue // no setting: derived, secret, or embedded in a type with its own form
		}
		out = append(out, name)
		out = append(out, settings(t.Field(i).Type)...)
	}
	return out
}
