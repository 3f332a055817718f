package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The limits are the house style's "about 400 lines" and "about 60", with room
// for the word "about": past them there is usually a missing noun.
const (
	fileLines     = 440
	testFileLines = 480
	functionLines = 75
)

// source is one Go file of the module.
type source struct {
	path  string // from the module's root, with slashes
	lines int
	fset  *token.FileSet
	file  *ast.File
}

func (s source) test() bool {
	dir := filepath.Base(filepath.Dir(s.path))
	return strings.HasSuffix(s.path, "_test.go") || strings.HasSuffix(dir, "test")
}

func (s source) program() bool { return s.file.Name.Name == "main" }

func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.fset.Position(n.Pos()).Line)
}

func sources(t *testing.T) []source {
	t.Helper()
	top := root(t)
	var all []source
	require.NoError(t, filepath.WalkDir(top, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); file != top && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, file)
		if err != nil {
			return err
		}
		s, err := parse(filepath.ToSlash(rel), text)
		all = append(all, s)
		return err
	}))
	require.NotEmpty(t, all)
	return all
}

func parse(path string, text []byte) (source, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
	return source{path, strings.Count(string(text), "\n"), fset, f}, err
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for _, s := range sources(t) {
		for _, line := range tooLong(s) {
			t.Error(line)
		}
	}
}

func tooLong(s source) []string {
	var out []string
	limit := fileLines
	if s.test() {
		limit = testFileLines
	}
	if s.lines > limit {
		out = append(out, fmt.Sprintf("%s: %d lines, the limit is %d", s.path, s.lines, limit))
	}
	for _, d := range s.file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil || s.test() {
			continue
		}
		if n := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line - 1; n > functionLines {
			out = append(out, fmt.Sprintf("%s: %s has %d lines, the limit is %d", s.at(f), f.Name.Name, n, functionLines))
		}
	}
	return out
}

// forbidden is what is written nowhere, by package and name.
var forbidden = map[string]string{
	"time.Sleep":                "timers and tickers wait, and can be cancelled",
	"ssh.InsecureIgnoreHostKey": "a host is known by its key, or refused",
	"context.TODO":              "a context comes from the caller",
	"http.DefaultClient":        "it has no time limit",
	"http.Get":                  "it has no time limit and no context",
}

// printed is what only programs and tests may call.
var printed = []string{"fmt.Print", "fmt.Println", "fmt.Printf", "log.Print", "log.Println", "log.Printf", "log.Fatal", "log.Fatalf", "os.Exit", "slog.Info", "slog.Warn", "slog.Error", "slog.Debug"}

func TestForbiddenNamesAreNotUsed(t *testing.T) {
	for _, s := range sources(t) {
		for _, line := range misused(s) {
			t.Error(line)
		}
	}
}

func misused(s source) []string {
	var out []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			from, ok := n.X.(*ast.Ident)
			if !ok {
				return true
			}
			name := from.Name + "." + n.Sel.Name
			if why, ok := forbidden[name]; ok && !s.test() {
				out = append(out, fmt.Sprintf("%s: %s: %s", s.at(n), name, why))
			}
			for _, p := range printed {
				if p == name && !s.test() && !s.program() {
					out = append(out, fmt.Sprintf("%s: %s: a library neither prints nor exits", s.at(n), name))
				}
			}
		case *ast.Ident:
			if n.Name == "InsecureSkipVerify" && !s.test() {
				out = append(out, fmt.Sprintf("%s: InsecureSkipVerify", s.at(n)))
			}
		}
		return true
	})
	return out
}

func TestExportedNamesHaveDocComments(t *testing.T) {
	for _, s := range sources(t) {
		if strings.HasSuffix(s.path, "_test.go") || s.program() {
			continue
		}
		for _, line := range undocumented(s) {
			t.Error(line)
		}
	}
}

func undocumented(s source) []string {
	var out []string
	miss := func(n ast.Node, name string, docs ...*ast.CommentGroup) {
		for _, d := range docs {
			if d != nil {
				return
			}
		}
		if ast.IsExported(name) {
			out = append(out, fmt.Sprintf("%s: %s has no doc comment", s.at(n), name))
		}
	}
	for _, d := range s.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil || exportedReceiver(d) && !conventional(d) {
				miss(d, d.Name.Name, d.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					miss(spec, spec.Name.Name, d.Doc, spec.Doc, spec.Comment)
				case *ast.ValueSpec:
					for _, n := range spec.Names {
						miss(spec, n.Name, d.Doc, spec.Doc, spec.Comment)
					}
				}
			}
		}
	}
	return out
}

func exportedReceiver(d *ast.FuncDecl) bool {
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if generic, ok := t.(*ast.IndexExpr); ok {
		t = generic.X
	}
	id, ok := t.(*ast.Ident)
	return ok && ast.IsExported(id.Name)
}

// conventional are the methods whose names say it all, by Go's own interfaces.
func conventional(d *ast.FuncDecl) bool {
	switch d.Name.Name {
	case "Error", "Unwrap", "Is", "As", "String", "GoString", "LogValue",
		"MarshalJSON", "MarshalText", "MarshalYAML", "UnmarshalJSON", "UnmarshalText", "UnmarshalYAML":
		return true
	}
	return false
}

// TestSourceRulesCanFail: each rule on a file that breaks it.
func TestSourceRulesCanFail(t *testing.T) {
	see := func(path, text string) source {
		s, err := parse(path, []byte(text))
		require.NoError(t, err)
		return s
	}
	require.Len(t, misused(see("a/a.go", "package a\nfunc f() { time.Sleep(1) }")), 1)
	require.Len(t, misused(see("a/a.go", "package a\nfunc f() { fmt.Println(1) }")), 1)
	require.Empty(t, misused(see("a/a.go", "package main\nfunc f() { fmt.Println(1) }")))
	require.Len(t, misused(see("a/a.go", "package a\nvar c = tls.Config{InsecureSkipVerify: true}")), 1)
	require.Len(t, undocumented(see("a/a.go", "package a\nfunc F() {}\ntype T int\nvar V int\nfunc (T) M() {}")), 4)
	require.Empty(t, undocumented(see("a/a.go", "package a\n// F does.\nfunc F() {}\nfunc (e *E) Error() string { return \"\" }")))
	require.Len(t, tooLong(see("a/a.go", "package a\nfunc f() {"+strings.Repeat("\n", functionLines+2)+"}")), 1)
	require.Len(t, tooLong(see("a/a.go", "package a\n"+strings.Repeat("\n", fileLines))), 1)
}
