package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/dcmigrate/migrate"

// base are the packages at the bottom; what they may import of each other is in allowed.
var base = []string{"plan", "report", "remote", "secret", "httpretry", "phrase", "wait"}

// allowed says which packages of the module a folder's code may import, besides
// its own subfolders: docs/adr/0001. A folder that is missing here is an error,
// so that a new one is placed on purpose.
var allowed = map[string][]string{
	"cmd/migrate":      {"config", "move", "inventory", "provision", "replication", "dns", "plan", "report", "remote", "secret", "phrase", "wait"},
	"cmd/lab":          {"lab", "move/way", "config", "plan", "report", "remote", "secret", "phrase", "wait"},
	"move":             append([]string{"config", "inventory", "provision", "replication", "dns"}, base...),
	"move/verb":        {"dns", "plan", "report"},
	"move/pairs":       {"replication", "plan"},
	"move/way":         {"move/verb", "move/pairs", "config", "replication", "plan"},
	"move/state":       {"move/verb", "replication", "plan"},
	"move/wiring":      append([]string{"move/state", "move/pairs", "config", "provision", "replication", "dns"}, base...),
	"move/inventories": append([]string{"move/wiring", "move/verb", "config", "inventory", "provision"}, base...),
	"move/records":     append([]string{"move/wiring", "move/state", "move/verb", "dns", "provision", "replication"}, base...),
	"move/plans":       append([]string{"move/wiring", "move/state", "move/verb", "move/pairs", "move/way", "move/records", "move/inventories", "config", "provision", "replication"}, base...),
	"move/movetest":    append([]string{"move/wiring", "config", "replication", "lab"}, base...),
	"inventory":        base,
	"provision":        base,
	"replication":      base,
	"dns":              base,
	"config":           {"secret"},
	"httpretry":        {"report", "secret", "wait"},
	"remote":           {"report", "secret"},
	"plan":             {"report", "wait"}, // knows no vendor and no database
	"report":           nil,
	"phrase":           nil,
	"wait":             nil,
	"secret":           nil,
	"lab":              append([]string{"config"}, base...),
	"internal":         nil,
}

// vendors says which folders alone may use a library; what is in no list is for all.
var vendors = map[string][]string{
	"github.com/digitalocean/godo":           {"provision/digitalocean"},
	"github.com/cloudflare/cloudflare-go/v7": {"dns/cloudflare"},
	"github.com/spf13/cobra":                 {"cmd/migrate", "cmd/lab"},
	"github.com/spf13/viper":                 {"config", "inventory/redact"}, // redact: the rules of a scanner that come in its format
	"github.com/go-mysql-org/go-mysql":       {"replication"},
	"github.com/go-sql-driver/mysql":         {"replication", "lab"},
	"github.com/pkg/sftp":                    {"remote"},
	"github.com/getkin/kin-openapi":          {"lab/spec"},
	"github.com/rogpeppe/go-internal":        {"inventory/diff"}, // its unified diffs; testscript is for tests
	"pgregory.net/rapid":                     nil,
	"github.com/stretchr/testify":            {"plan/plantest", "remote/remotetest", "move/movetest", "replication/servertest"},
}

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath    string
	Imports, Deps []string
}

// folder is the package's place in the tree, such as "dns/cloudflare".
func (p pkg) folder() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports,Deps", "./...")
	cmd.Dir = root(t)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, p)
	}
}

// place returns the entry of allowed that a folder belongs to.
func place(folder string) string {
	for ; folder != "."; folder = path.Dir(folder) {
		if _, ok := allowed[folder]; ok {
			return folder
		}
	}
	return ""
}

func within(folder, parent string) bool {
	return folder == parent || strings.HasPrefix(folder, parent+"/")
}

// breaches lists what breaks the rules in a package's own imports.
func breaches(p pkg) []string {
	home := place(p.folder())
	if home == "" {
		return []string{p.folder() + " has no place in the import rules"}
	}
	var out []string
	for _, imported := range p.Imports {
		breach := p.folder() + " imports " + imported
		if to, ours := strings.CutPrefix(imported, module+"/"); ours {
			// A folder of its own may be imported by the house that it is in: wiring.
			if !slices.ContainsFunc(append([]string{home}, allowed[home]...), func(a string) bool { return within(to, a) }) {
				out = append(out, breach)
			}
			continue
		}
		for library, users := range vendors {
			if within(imported, library) && !slices.ContainsFunc(users, func(u string) bool { return within(p.folder(), u) }) {
				out = append(out, breach)
			}
		}
	}
	return out
}

// TestImportsPointOneWay is the import rules of docs/adr/0001, package by package.
func TestImportsPointOneWay(t *testing.T) {
	all := packages(t)
	require.Greater(t, len(all), 10, "go list sees the module")
	for _, p := range all {
		require.Empty(t, breaches(p))
	}
}

// TestTheBinaryIsTheProductOnly: whatever the way, cmd/migrate reaches neither
// the lab nor anything made for tests, nor cloudflare-go's root package, which
// costs two minutes of compile time and 17 MB.
func TestTheBinaryIsTheProductOnly(t *testing.T) {
	found := false
	for _, p := range packages(t) {
		if p.folder() != "cmd/migrate" {
			continue
		}
		found = true
		require.Contains(t, p.Deps, module+"/plan")
		for _, dep := range p.Deps {
			require.False(t, within(dep, module+"/lab"), dep)
			require.False(t, strings.HasSuffix(dep, "test") && strings.HasPrefix(dep, module), dep)
			require.NotContains(t, []string{"testing", "github.com/stretchr/testify/require", "github.com/cloudflare/cloudflare-go/v7"}, dep)
		}
	}
	require.True(t, found, "cmd/migrate is in the module")
}

// TestBreachesAreSeen: the rules above can fail.
func TestBreachesAreSeen(t *testing.T) {
	for _, c := range []struct{ from, to string }{
		{"plan", "/replication"},
		{"plan", "/remote"},
		{"remote", "/plan"},
		{"httpretry", "/plan"},
		{"report", "/plan"},
		{"phrase", "/report"},
		{"wait", "/report"},
		{"dns", "/replication"},
		{"dns/cloudflare", "/config"},
		{"replication", "/move"},
		{"provision", "/lab/machine"},
		{"cmd/migrate", "/lab"},
		{"move", "/lab"},
		{"config", "/plan"},
		{"secret", "/plan"},
		{"move/way", "/move"},
		{"move/way", "/dns"},
		{"move/verb", "/move/way"},
		{"inventory", "/provision"},
		{"lab/dosim", "/provision/digitalocean"},
		{"hold", "/plan"},
	} {
		require.Len(t, breaches(pkg{ImportPath: module + "/" + c.from, Imports: []string{module + c.to}}), 1, c)
	}
	require.Len(t, breaches(pkg{ImportPath: module + "/dns", Imports: []string{"github.com/cloudflare/cloudflare-go/v7/dns"}}), 1)
	require.Len(t, breaches(pkg{ImportPath: module + "/plan", Imports: []string{"github.com/stretchr/testify/require"}}), 1)
	require.Empty(t, breaches(pkg{ImportPath: module + "/dns/cloudflare", Imports: []string{module + "/dns", module + "/httpretry", "context"}}))
	require.Empty(t, breaches(pkg{ImportPath: module + "/move", Imports: []string{module + "/dns/cloudflare"}}))
}

// root is the module's folder.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(dir, "go.mod"))
	return dir
}
