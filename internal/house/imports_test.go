package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the generated parts anew")

const module = "github.com/dcmigrate/migrate"

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath    string
	Imports, Deps []string
}

// room is the package's place in the tree, such as "dns/cloudflare".
func (p pkg) room() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

// ours lists the packages of the module that p imports, as paths in the module.
func (p pkg) ours() (list []string) {
	for _, imported := range p.Imports {
		if to, ok := strings.CutPrefix(imported, module+"/"); ok {
			list = append(list, to)
		}
	}
	return list
}

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

func within(room, parent string) bool {
	return room == parent || strings.HasPrefix(room, parent+"/")
}

// breaches lists what breaks the rules in a package's own imports.
func breaches(p pkg) []string {
	list, known := allowed(p.room())
	if !known {
		return []string{p.room() + " has no place in the table of rooms"}
	}
	var out []string
	for _, to := range p.ours() {
		if !slices.Contains(list, to) {
			out = append(out, p.room()+" imports "+to)
		}
	}
	for _, imported := range p.Imports {
		for library, users := range vendors {
			if within(imported, library) && !slices.ContainsFunc(users, func(u string) bool { return within(p.room(), u) }) {
				out = append(out, p.room()+" imports "+imported)
			}
		}
	}
	return out
}

// TestRoomsImportWhatTheTableSays holds each package to its line, and each line to
// the package: a table with arrows that no code needs says less every year.
func TestRoomsImportWhatTheTableSays(t *testing.T) {
	all := packages(t)
	require.Greater(t, len(all), 10, "go list sees the module")
	var seen []string
	for _, p := range all {
		seen = append(seen, p.room())
		require.Empty(t, breaches(p))
		list, _ := allowed(p.room())
		for _, to := range list {
			require.Contains(t, p.ours(), to, "%s does not import %s any more: take it out of the table", p.room(), to)
		}
	}
	for _, r := range rooms {
		require.Contains(t, seen, r.room, "a room of the table that is not there")
	}
}

// TestArrowsPointUpThePage reads the table as what it is: an order without cycles.
func TestArrowsPointUpThePage(t *testing.T) {
	above := map[string]bool{}
	for _, r := range rooms {
		list, _ := allowed(r.room)
		for _, to := range list {
			require.True(t, above[to], "%s imports %s, which stands below it", r.room, to)
		}
		require.False(t, above[r.room], "%s stands twice", r.room)
		above[r.room] = true
	}
}

// TestTheBinaryIsTheProductOnly: whatever the way, cmd/migrate reaches neither
// the lab nor anything made for tests, nor cloudflare-go's root package, which
// costs two minutes of compile time and 17 MB.
func TestTheBinaryIsTheProductOnly(t *testing.T) {
	found := false
	for _, p := range packages(t) {
		if p.room() != "cmd/migrate" {
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
		{"plan", "replication"},
		{"plan", "remote"},
		{"report", "plan"},
		{"address", "report"},
		{"phrase", "report"},
		{"wait", "report"},
		{"remote", "plan"},
		{"dns", "replication"},
		{"dns/cloudflare", "config"},
		{"replication", "move"},
		{"replication", "replication/seed"},
		{"replication/query", "replication"},
		{"replication/link", "replication/seed"},
		{"replication/verify", "replication/seed"},
		{"replication/seed", "replication/seed/physical"},
		{"inventory", "inventory/capture"},
		{"provision/machine", "lab/machine"},
		{"provision", "lab/machine"},
		{"cmd/migrate", "lab"},
		{"move", "lab"},
		{"config", "plan"},
		{"secret", "plan"},
		{"inventory", "provision"},
		{"lab/dosim", "provision/digitalocean"},
		{"hold", "plan"},
	} {
		require.Len(t, breaches(pkg{ImportPath: module + "/" + c.from, Imports: []string{module + "/" + c.to}}), 1, c)
	}
	require.Len(t, breaches(pkg{ImportPath: module + "/dns", Imports: []string{"github.com/cloudflare/cloudflare-go/v7/dns"}}), 1)
	require.Len(t, breaches(pkg{ImportPath: module + "/plan", Imports: []string{"github.com/stretchr/testify/require"}}), 1)
	require.Empty(t, breaches(pkg{ImportPath: module + "/dns/cloudflare", Imports: []string{module + "/dns", module + "/httpretry", "context"}}))
	require.Empty(t, breaches(pkg{ImportPath: module + "/move/wiring", Imports: []string{module + "/dns/cloudflare"}}))
}

// The linter's depguard holds the same table, so that an editor shows a breach
// while it is written.
const (
	depguardBegin = "        # The rooms: written by `make golden` from internal/house/rooms_test.go.\n"
	depguardEnd   = "        # End of the rooms.\n"
)

func depguardRules() string {
	var b strings.Builder
	for _, r := range rooms {
		list, _ := allowed(r.room)
		fmt.Fprintf(&b, "        %s:\n          list-mode: lax\n          files: [\"**/%s/*.go\", ", strings.ReplaceAll(r.room, "/", "-"), r.room)
		for _, o := range rooms { // cmd/lab is none of lab's
			if strings.HasSuffix(o.room, "/"+r.room) {
				fmt.Fprintf(&b, "\"!**/%s/*.go\", ", o.room)
			}
		}
		b.WriteString("\"!$test\"]\n")
		fmt.Fprintf(&b, "          deny: [{pkg: %s, desc: \"not in the line of %s in internal/house/rooms_test.go\"}]\n", module, r.room)
		if len(list) > 0 {
			fmt.Fprintf(&b, "          allow: [%s/%s$]\n", module, strings.Join(list, "$, "+module+"/"))
		}
	}
	return b.String()
}

func TestTheLinterHoldsTheSameTable(t *testing.T) {
	file := filepath.Join(root(t), ".golangci.yml")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), depguardBegin)
	require.True(t, ok, "the linter's rules have the rooms' part")
	rules, after, ok := strings.Cut(rest, depguardEnd)
	require.True(t, ok, "the rooms' part has an end")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(before+depguardBegin+depguardRules()+depguardEnd+after), 0o644))
		return
	}
	require.Equal(t, depguardRules(), rules, "run make golden")
}

// root is the module's folder.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(dir, "go.mod"))
	return dir
}
