// Testreport reads the output of `go test -json` from its standard input, or of
// several runs at the same time from the files that its arguments name. It prints
// one line for each package as it ends, the whole output of each failure, and every
// skipped test with its reason. With -no-skips a skipped test fails the run, so that
// no test is left out unseen. The exit code is 1 if a test or a build failed or no
// test ran.
package main

import (
	"bufio"
	"cmp"
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

// event is a line of test2json's output, or of the build's before it.
// See `go doc test2json` and `go help buildjson`.
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64
}

// testID identifies a test, or its package if test is empty.
type testID struct{ pkg, test string }

// summary holds the outcomes so far.
type summary struct {
	out          io.Writer
	output       map[testID][]string
	passed       int
	failed       []testID
	skipped      []testID
	slow         []timed
	failedBuilds int
}

// timed is a test and the seconds that it took.
type timed struct {
	testID
	seconds float64
}

// The slowest tests are named in the end, down to this many seconds and at most so
// many: they are what a faster run begins with.
const (
	slowSeconds = 20
	slowListed  = 15
)

// report prints the runs that it reads and returns the exit code.
func report(out io.Writer, noSkips bool, in ...io.Reader) int {
	lines := make(chan string)
	var reading sync.WaitGroup
	for _, in := range in {
		reading.Go(func() { sendLines(in, lines) })
	}
	go func() { reading.Wait(); close(lines) }()
	r := &summary{out: out, output: map[testID][]string{}}
	for line := range lines {
		var e event
		if json.Unmarshal([]byte(line), &e) == nil {
			r.add(e)
		} else {
			r.print("%s", line) // not an event: a message of the go command
		}
	}
	return r.close(noSkips)
}

// sendLines sends the lines of in, of any length.
func sendLines(in io.Reader, lines chan<- string) {
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

func (r *summary) print(format string, args ...any) { _, _ = fmt.Fprintf(r.out, format, args...) }

func (r *summary) add(e event) {
	k := testID{e.Package, e.Test}
	switch e.Action {
	case "output":
		if e.Test == "" && isPackageResult(e.Output) {
			r.print("%s", e.Output)
		}
		r.output[k] = append(r.output[k], e.Output)
	case "build-output":
		r.print("%s", e.Output)
	case "build-fail":
		r.failedBuilds++
	case "pass":
		if e.Test != "" {
			r.passed++
		}
		if e.Test != "" && e.Elapsed >= slowSeconds {
			r.slow = append(r.slow, timed{k, e.Elapsed})
		}
		delete(r.output, k)
	case "skip":
		if e.Test != "" {
			r.skipped = append(r.skipped, k)
		}
	case "fail":
		r.failed = append(r.failed, k)
		if e.Test != "" || !r.testFailedIn(e.Package) {
			r.print("%s", strings.Join(r.output[k], ""))
		}
	}
}

// testFailedIn reports whether a test of the package has already been printed as
// failed. The package's own output then adds nothing.
func (r *summary) testFailedIn(pkg string) bool {
	return slices.ContainsFunc(r.failed, func(k testID) bool { return k.pkg == pkg && k.test != "" })
}

// isPackageResult reports whether the line is go test's last one for a package.
func isPackageResult(line string) bool {
	return strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "FAIL\t")
}

func (r *summary) close(noSkips bool) int {
	for _, k := range r.skipped {
		r.print("skipped: %s %s: %s\n", k.pkg, k.test, skipReason(r.output[k]))
	}
	slices.SortFunc(r.slow, func(a, b timed) int { return cmp.Compare(b.seconds, a.seconds) })
	for _, t := range r.slow[:min(len(r.slow), slowListed)] {
		r.print("slow: %.0f s %s %s\n", t.seconds, t.pkg, t.test)
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
	case len(r.failed) > 0 || r.failedBuilds > 0:
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

// skipReason returns the output of a skipped test without its framing lines.
func skipReason(output []string) string {
	var lines []string
	for _, line := range output {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " ")
}
