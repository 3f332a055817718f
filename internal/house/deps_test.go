package house

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// everyDebian are programs of packages that no Debian is without.
var everyDebian = []string{"apt-get", "bash", "chroot", "cp", "dpkg", "dpkg-query", "mktemp", "mount", "sh", "umount"}

// otherPrograms are the other programs that scripts/deps does not name, and why.
var otherPrograms = map[string]string{
	"go":           "it has a function of its own there",
	"/nonexistent": "a test wants it to be missing",
	"salt-call":    "no package of Debian has it; the test goes without",
}

// TestDepsNameWhatTestsRun: a program or a server's plugin that is only on the
// machine of whoever wrote the test would fail the test on every new machine.
func TestDepsNameWhatTestsRun(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(root(t), "scripts", "deps"))
	require.NoError(t, err)
	named := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)[\s(]([\w./-]+)=[a-z0-9.+-]+`).FindAllStringSubmatch(string(script), -1) {
		named[m[1]] = true
		named[filepath.Base(m[1])] = true
	}
	programs, plugins := 0, 0
	for _, s := range sources(t) {
		for program, at := range programsOf(s) {
			programs++
			if !named[program] && !slices.Contains(everyDebian, filepath.Base(program)) && otherPrograms[program] == "" {
				t.Errorf("%s: scripts/deps installs no package for %s", s.at(at), program)
			}
		}
		for plugin, at := range pluginsOf(s) {
			plugins++
			if !named[plugin+".so"] {
				t.Errorf("%s: scripts/deps installs no package for MariaDB's plugin %s", s.at(at), plugin)
			}
		}
	}
	require.Greater(t, programs, 20)
	require.Greater(t, plugins, 2)
}

// programsOf are the programs that a file runs or looks for by a name that is
// written in the call, in the list that the call's loop goes over, or as a constant.
func programsOf(s source) map[string]ast.Node {
	found, lists := map[string]ast.Node{}, map[string][]ast.Expr{}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			if len(n.Names) == 1 {
				lists[n.Names[0].Name] = n.Values
			}
		case *ast.RangeStmt:
			if list, ok := n.X.(*ast.CompositeLit); ok && n.Value != nil {
				lists[name(n.Value)] = list.Elts
			}
		case *ast.CallExpr:
			call, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || name(call.X) != "exec" {
				return true
			}
			at := map[string]int{"LookPath": 0, "Command": 0, "CommandContext": 1}
			i, ok := at[call.Sel.Name]
			if !ok || i >= len(n.Args) {
				return true
			}
			for _, value := range append(lists[name(n.Args[i])], n.Args[i]) {
				if text, ok := literal(value); ok {
					found[text] = n
				}
			}
		}
		return true
	})
	return found
}

// pluginsOf are the plugins that a test has MariaDB load; those of MySQL come with its tree.
func pluginsOf(s source) map[string]ast.Node {
	found := map[string]ast.Node{}
	install := regexp.MustCompile(`^INSTALL SONAME '(\w+)'$`)
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if len(n.Args) == 2 {
				if option, _ := literal(n.Args[0]); option == "plugin_load_add" {
					plugin, _ := literal(n.Args[1])
					found[plugin] = n
				}
			}
		case *ast.BasicLit:
			text, _ := literal(n)
			if m := install.FindStringSubmatch(text); m != nil {
				found[m[1]] = n
			}
		}
		return true
	})
	return found
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || !strings.HasPrefix(lit.Value, `"`) {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// name is an identifier's, or empty.
func name(e ast.Expr) string {
	if id, ok := e.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// TestBenchRunsWhatIsThere: a benchmark that has moved would be reported as absent by every later `make bench`.
func TestBenchRunsWhatIsThere(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(root(t), "scripts", "bench"))
	require.NoError(t, err)
	calls := regexp.MustCompile(`(?m)^\tbenchmark (\w+) \./(\S+)`).FindAllStringSubmatch(string(script), -1)
	require.Greater(t, len(calls), 5)
	there := map[string]bool{}
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				there[filepath.Dir(s.path)+" "+f.Name.Name] = true
			}
		}
	}
	for _, call := range calls {
		require.True(t, there[call[2]+" Benchmark"+call[1]], "scripts/bench: %s", call[0])
	}
}
