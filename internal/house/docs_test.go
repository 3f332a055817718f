package house

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/move/way"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), path))
	require.NoError(t, err)
	return string(text)
}

// TestDependenciesAreNamed: docs/dependencies.md has every module that our code
// or tests import, and none that go.mod does not know.
func TestDependenciesAreNamed(t *testing.T) {
	text := read(t, "docs/dependencies.md")
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(text, -1) {
		documented = append(documented, m[1])
	}
	require.Greater(t, len(documented), 10)
	gomod := read(t, "go.mod")
	for _, module := range documented {
		require.Contains(t, gomod, "\t"+module+" v", "documented, but not in go.mod")
	}
	for _, imported := range externalImports(t) {
		named := false
		for _, module := range documented {
			named = named || within(imported, module)
		}
		require.True(t, named, "%s is imported, and its module is not in docs/dependencies.md", imported)
	}
}

func externalImports(t *testing.T) []string {
	t.Helper()
	const list = `{{join .Imports "\n"}}{{"\n"}}{{join .TestImports "\n"}}{{"\n"}}{{join .XTestImports "\n"}}`
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-f", list, "./...")
	cmd.Dir = root(t)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var external []string
	for _, path := range strings.Fields(string(out)) {
		first, _, _ := strings.Cut(path, "/")
		if strings.Contains(first, ".") && !within(path, module) {
			external = append(external, path)
		}
	}
	require.NotEmpty(t, external)
	return external
}

var hazardRow = regexp.MustCompile(`(?m)^\| (H\d+) \| .+ \| .+ \|$`)

// TestHazardsAreExplained: docs/hazards.md has H1 to H30 in order, and whatever
// id the code shows to an operator.
func TestHazardsAreExplained(t *testing.T) {
	explained := map[string]bool{}
	for i, m := range hazardRow.FindAllStringSubmatch(read(t, "docs/hazards.md"), -1) {
		require.Equal(t, fmt.Sprintf("H%d", i+1), m[1])
		explained[m[1]] = true
	}
	require.GreaterOrEqual(t, len(explained), 30)
	id := regexp.MustCompile(`^H\d{1,2}$`)
	shown := 0
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			if text, err := strconv.Unquote(lit.Value); err == nil && id.MatchString(text) {
				shown++
				require.True(t, explained[text], "%s: hazard %s is not in docs/hazards.md", s.at(lit), text)
			}
			return true
		})
	}
	require.Positive(t, shown)
}

// TestGuideHasTheExitCodes: what migrate --help says of exit codes stands in the guide.
func TestGuideHasTheExitCodes(t *testing.T) {
	_, help, found := strings.Cut(read(t, "cmd/migrate/errors.go"), "const exitCodes = `")
	require.True(t, found)
	help, _, _ = strings.Cut(help, "`")
	guide := read(t, "docs/guide.md")
	lines := strings.Split(strings.TrimSpace(help), "\n")[1:]
	require.NotEmpty(t, lines)
	for _, line := range lines {
		require.Contains(t, guide, "    "+line)
	}
}

// TestGuideHasTheVerbs: every command of the CLI is in the guide's table, and the
// guide names none that there is not.
func TestGuideHasTheVerbs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root(t), "cmd", "migrate", "*.go"))
	require.NoError(t, err)
	verb := regexp.MustCompile(`Use:\s+"([a-z]+)`)
	verbs := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range verb.FindAllStringSubmatch(string(text), -1) {
			verbs[m[1]] = true
		}
	}
	guide := read(t, "docs/guide.md")
	for name := range verbs {
		if name != "migrate" && name != "show" { // show is a part of inventory
			require.Regexp(t, "`migrate "+name+`\b|inventory `+name, guide)
		}
	}
	for _, m := range regexp.MustCompile("`migrate ([a-z]+)").FindAllStringSubmatch(guide, -1) {
		require.True(t, verbs[m[1]], "the guide names migrate %s", m[1])
	}
}

// TestReadmeHasTheWays: the README's table has each way to cut over with its price.
func TestReadmeHasTheWays(t *testing.T) {
	readme := regexp.MustCompile(`\[([^]]+)\]\([^)]+\)`).ReplaceAllString(read(t, "README.md"), "$1")
	for _, w := range way.All() {
		traits := w.Traits()
		require.Contains(t, readme, fmt.Sprintf("\n| `%s` | %s | %s", traits.Name, traits.Writers, traits.Notice))
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

// TestLinksLeadSomewhere: relative links of all documents.
func TestLinksLeadSomewhere(t *testing.T) {
	top, seen := root(t), 0
	require.NoError(t, filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != top || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			seen++
			_, err := os.Stat(filepath.Join(filepath.Dir(path), m[1]))
			require.NoError(t, err, "%s links to %s", path, m[1])
		}
		return nil
	}))
	require.Positive(t, seen)
}

// TestNoMergeIsHalfDone: no file has the marks of a merge that somebody forgot.
func TestNoMergeIsHalfDone(t *testing.T) {
	out, err := exec.Command("git", "-C", root(t), "grep", "-nIE", "^(<<<<<<<|>>>>>>>) ").CombinedOutput()
	require.Error(t, err, "git grep found: %s", out) // it ends with 1 if there is none
	require.Empty(t, string(out))
}
