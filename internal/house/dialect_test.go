package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOnlyTheDialectComparesFlavors: what differs between the flavors and versions
// of a server is a method of dialect.Dialect, named for what differs. Then a
// new version is one change in one place. The test reads the source without types: a
// flavor or version that was given another name first is not seen.
func TestOnlyTheDialectComparesFlavors(t *testing.T) {
	seen := 0
	for _, s := range sources(t) {
		if !within(s.path, "replication") || s.test() {
			continue
		}
		if ofDialect(s.path) {
			seen++
			continue
		}
		for _, line := range comparesFlavors(s) {
			t.Error(line)
		}
	}
	require.NotZero(t, seen, "the dialect's files are known")
}

// ofDialect reports whether a file is one of the dialect's.
func ofDialect(file string) bool { return within(file, "replication/dialect") }

// comparesFlavors lists where a file tells flavors or versions apart.
func comparesFlavors(s source) []string {
	var out []string
	miss := func(n ast.Node, what string) {
		out = append(out, fmt.Sprintf("%s: %s: make the difference a method of Dialect", s.at(n), what))
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			if n.Name == "MySQL" || n.Name == "MariaDB" {
				miss(n, "it names a flavor")
			}
		case *ast.BinaryExpr:
			if n.Op.Precedence() == token.EQL.Precedence() && (holdsFlavor(n.X) || holdsFlavor(n.Y)) {
				miss(n, "it compares a flavor or a version")
			}
		case *ast.SwitchStmt:
			if n.Tag != nil && holdsFlavor(n.Tag) {
				miss(n, "it compares a flavor or a version")
			}
		case *ast.IndexExpr:
			if holdsFlavor(n.Index) {
				miss(n, "it looks up a flavor or a version")
			}
		case *ast.CallExpr:
			if calls := called(n); calls != "" {
				miss(n, "it calls "+calls)
			}
		}
		return true
	})
	return out
}

// called is what a call compares flavors or versions with, or "".
func called(call *ast.CallExpr) string {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	switch strings.ToLower(f.Sel.Name) {
	case "atleast", "mariadb", "mysql", "ismariadb", "ismysql":
		return f.Sel.Name
	case "compare":
		if holdsFlavor(f.X) {
			return f.Sel.Name
		}
		fallthrough
	case "contains", "equalfold", "hasprefix", "hassuffix", "index", "cut", "equal":
		for _, arg := range call.Args {
			if holdsFlavor(arg) {
				return f.Sel.Name
			}
		}
	}
	return ""
}

// holdsFlavor reports whether an expression is made of a flavor or a version. The
// answer of a flavor's own method is not.
func holdsFlavor(e ast.Expr) bool {
	found := false
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if method, ok := n.Fun.(*ast.SelectorExpr); ok && isFlavor(method.X) {
				return false
			}
		case ast.Expr:
			found = found || isFlavor(n)
		}
		return !found
	})
	return found
}

// isFlavor recognises a flavor or a version by its name.
func isFlavor(e ast.Expr) bool {
	var name string
	switch e := e.(type) {
	case *ast.Ident:
		name = e.Name
	case *ast.SelectorExpr:
		name = e.Sel.Name
	}
	switch name {
	case "Flavor", "flavor", "Version", "version", "Major", "Minor", "Patch":
		return true
	}
	return false
}

// TestFlavorRuleCanFail: the rule on the comparisons that it is for, and on what it allows.
func TestFlavorRuleCanFail(t *testing.T) {
	see := func(body string) []string {
		s, err := parse("replication/a.go", []byte("package replication\nfunc f() {\n"+body+"\n}"))
		require.NoError(t, err)
		return comparesFlavors(s)
	}
	for _, body := range []string{
		"if a.Flavor != b.Flavor {}",
		`if string(d.Flavor) == "MariaDB" {}`,
		"_ = ParseGTIDSet(MariaDB, text)",
		"_ = dialect.MySQL",
		"switch s.flavor {}",
		"_ = speeds[d.Flavor]",
		"if d.Version.Major >= 8 {}",
		"if a.Version.Compare(b.Version) < 0 {}",
		`if strings.HasPrefix(version, "8.") {}`,
		`if strings.EqualFold(string(d.Flavor), "mariadb") {}`,
		"if d.mariadb() {}",
		"if d.AtLeast(8, 0, 22) {}",
	} {
		require.NotEmpty(t, see(body), body)
	}
	for _, body := range []string{
		"if d.Flavor.FilesMethod() == ClonePlugin {}",
		"_ = ParseGTIDSet(d.Flavor, text)",
		"if !a.SameFlavor(b) {}",
		"if lag.AtLeast || d.CopiesHistory() {}",
	} {
		require.Empty(t, see(body), body)
	}
	require.True(t, ofDialect("replication/dialect/link.go"))
	require.False(t, ofDialect("replication/link.go"))
	require.False(t, ofDialect("replication/dialect_link.go"))
	require.False(t, ofDialect("replication/link/dialect.go"))
}
