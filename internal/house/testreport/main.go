// Testreport reads `go test -json` on its standard input, or of several runs at
// once from the files that are named, and prints what people need of it: one line a package as it ends, the whole output of what failed,
// and every skipped test with its reason. With -no-skips a skipped test fails
// the run, so that nothing is left out unseen. Its exit code is 1 when a test or
// a build failed, or nothing ran at all.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
)

func main() {
	noSkips := flag.Bool("no-skips", false, "a skipped test fails the run")
	flag.Parse()
	runs := []io.Reader{os.Stdin}
	if flag.NArg() > 0 {
		runs = nil
	}
	for _, name := range flag.Args() {
		file, err := os.Open(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, "testreport:", err)
			os.Exit(1)
		}
		runs = append(runs, file)
	}
	os.Exit(report(os.Stdout, *noSkips, runs...))
}

// event is a line of test2json, or of the build before it.
// See `go doc test2json` and `go help buildjson`.
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64
}

// key names a test, or with an empty test its package.
type key struct{ pkg, test string }

// run is what was seen so far.
type run struct {
	out     io.Writer
	output  map[key][]string
	passed  int
	failed  []key
	skipped []key
	builds  int // that failed
}

// report prints the runs that in describe and returns the exit code.
func report(out io.Writer, noSkips bool, in ...io.Reader) int {
	lines := make(chan string)
	var reading sync.WaitGroup
	for _, in := range in {
		reading.Go(func() { split(in, lines) })
	}
	go func() { reading.Wait(); close(lines) }()
	r := &run{out: out, output: map[key][]string{}}
	for line := range lines {
		var e event
		if json.Unmarshal([]byte(line), &e) == nil {
			r.add(e)
		} else {
			r.print("%s", line) // not of a test: a complaint of the go command
		}
	}
	return r.close(noSkips)
}

// split sends the lines of in, however long they are.
func split(in io.Reader, lines chan<- string) {
	for buffered := bufio.NewReader(in); ; {
		line, err := buffered.ReadString('\n')
		if line != "" {
			lines <- line
		}
		if err != nil {
			return
		}
	}
}

func (r *run) print(format string, args ...any) { _, _ = fmt.Fprintf(r.out, format, args...) }

func (r *run) add(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "output":
		if e.Test == "" && isClosing(e.Output) {
			r.print("%s", e.Output)
		}
		r.output[k] = append(r.output[k], e.Output)
	case "build-output":
		r.print("%s", e.Output)
	case "build-fail":
		r.builds++
	case "pass":
		if e.Test != "" {
			r.passed++
		}
		delete(r.output, k)
	case "skip":
		if e.Test != "" {
			r.skipped = append(r.skipped, k)
		}
	case "fail":
		r.failed = append(r.failed, k)
		if e.Test != "" || !r.failedInside(e.Package) {
			r.print("%s", strings.Join(r.output[k], ""))
		}
	}
}

// failedInside reports whether a test of the package has been shown as failed:
// then the package's own output says nothing new.
func (r *run) failedInside(pkg string) bool {
	return slices.ContainsFunc(r.failed, func(k key) bool { return k.pkg == pkg && k.test != "" })
}

// isClosing recognises the line that go test closes a package with.
func isClosing(line string) bool {
	return strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "FAIL\t")
}

func (r *run) close(noSkips bool) int {
	for _, k := range r.skipped {
		r.print("skipped: %s %s: %s\n", k.pkg, k.test, reason(r.output[k]))
	}
	tests := 0
	for _, k := range r.failed {
		if k.test != "" {
			tests++
			r.print("failed: %s %s\n", k.pkg, k.test)
		}
	}
	r.print("%d passed, %d failed, %d skipped\n", r.passed, tests, len(r.skipped))
	switch {
	case len(r.failed) > 0 || r.builds > 0:
		return 1
	case r.passed == 0:
		r.print("no test ran\n")
		return 1
	case noSkips && len(r.skipped) > 0:
		r.print("nothing may be skipped here\n")
		return 1
	}
	return 0
}

// reason is what a skipped test said: its output less the framing lines.
func reason(output []string) string {
	var said []string
	for _, line := range output {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			said = append(said, line)
		}
	}
	return strings.Join(said, " ")
}
