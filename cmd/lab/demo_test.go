package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab"
	"github.com/dcmigrate/migrate/lab/check"
	"github.com/dcmigrate/migrate/lab/traffic"
	"github.com/dcmigrate/migrate/move/way"
)

// operated is a migrate that only does what the frame of the demo looks at: it
// writes a configuration and a journal, and says by a file which site serves.
const operated = `#!/bin/sh
set -e
mkdir -p .migrate
case "$*" in
init*) echo "endpoint: vendor" >migration.yaml; echo "token $LAB_TOKEN" >/dev/null ;;
plan) grep -q "endpoint: lab" migration.yaml; exit 2 ;;
"cutover --dry-run" | "finish --dry-run") echo nothing was changed ;;
cutover) touch target ;;
rollback) rm target ;;
apply) now=$(date -u +%FT%T.%NZ)
	printf '{"seq":1,"time":"%s","step":"apply/seed/main:seed","event":"started"}\n' "$now" >>.migrate/journal.jsonl ;;
esac
`

// played stands for a lab: its application is served by whichever site the file
// that migrate leaves in the workspace says.
type played struct {
	dir    string
	edge   *httptest.Server
	both   check.Report // what Check answers
	target check.Report
	mu     sync.Mutex
	refuse int // so many writes are still answered with 503
}

func (p *played) Environ() []string { return append(os.Environ(), "LAB_TOKEN=hush-hush") }
func (p *played) Secrets() []string { return []string{"hush-hush"} }
func (p *played) Edits() []lab.Edit {
	return []lab.Edit{{Old: "endpoint: vendor", New: "endpoint: lab"}}
}

func (p *played) Traffic(likes bool) *traffic.Traffic {
	return &traffic.Traffic{
		Edge: strings.TrimPrefix(p.edge.URL, "http://"), Names: []string{"blog.test"},
		Path: filepath.Join(p.dir, "traffic.jsonl"), Think: 5 * time.Millisecond, Likes: likes,
	}
}

func (p *played) Check(context.Context, traffic.Log) (check.Report, error) { return p.both, nil }
func (p *played) CheckTarget(context.Context, traffic.Log) (check.Report, error) {
	return p.target, nil
}

func (p *played) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	server := "10.213.0.11"
	if _, err := os.Stat(filepath.Join(p.dir, "target")); err == nil {
		server = "10.213.1.11"
	}
	w.Header().Set("X-Served-By", server)
	p.mu.Lock()
	refuse := r.Method == http.MethodPost && p.refuse > 0
	if refuse {
		p.refuse--
	}
	p.mu.Unlock()
	if refuse {
		http.Error(w, "read-only for a moment", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte(`{"token":"T"}`))
}

// play runs a demo on a played lab with the script as migrate.
func play(t *testing.T, ctx context.Context, script, name string, change func(*played)) (string, error) {
	t.Helper()
	p := &played{dir: t.TempDir()}
	p.edge = httptest.NewServer(p)
	t.Cleanup(p.edge.Close)
	if change != nil {
		change(p)
	}
	program := filepath.Join(t.TempDir(), "migrate")
	require.NoError(t, os.WriteFile(program, []byte(script), 0o700)) //nolint:gosec // it is run
	var out bytes.Buffer
	w, err := wayNamed(name)
	require.NoError(t, err)
	d := newDemo(p, p, p.dir, w, program, &out)
	err = d.run(ctx)
	_, readErr := traffic.ReadLog(filepath.Join(p.dir, "traffic.jsonl"))
	require.NoError(t, readErr, "the clients have stopped and their log is closed")
	return out.String(), err
}

func TestDemo(t *testing.T) {
	out, err := play(t, t.Context(), operated, "fence", func(p *played) { p.both.Acked, p.refuse = 42, 3 })
	require.NoError(t, err, out)
	var lines []string
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "$ ") || strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "+ ") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	require.Equal(t, []string{
		"# clients read and write through the edge from here to the end",
		"$ migrate init --site blog --host web1=10.213.0.11:web,app --host db1=10.213.0.12:db --zone blog.test --zone shop.test --way fence",
		"$ editor migration.yaml", "+ endpoint: lab",
		"$ migrate inventory capture", "$ migrate plan", "$ migrate apply", "$ migrate verify",
		"$ migrate cutover --dry-run", "$ migrate cutover", "# writes are served by the target now",
		"$ migrate rollback", "# writes are served by the source now",
		"$ migrate cutover --dry-run", "$ migrate cutover", "# writes are served by the target now",
		"# clients paused, links drained: 42 acknowledged writes, each is on both sides once",
		"$ migrate finish --dry-run", "$ migrate finish",
	}, lines)
	_, summary, ok := strings.Cut(out, "summary, way fence")
	require.True(t, ok)
	for _, want := range []string{
		`failed requests +3\n`, `503 read-only for a moment +[123]\n`, `lost writes +0\n`, `doubled writes +0\n`,
		`longest gap between writes: rollback, target → source +[\d.]+m?s\n`, `migrate apply +[\d.]+m?s +[\d.]+ ([KM]i)?B\n    seed 0s\n`, `in all +[\d.]+`,
	} {
		require.Regexp(t, want, summary)
	}
}

func TestDemoFails(t *testing.T) {
	replace := func(old, new string) string {
		require.Contains(t, operated, old)
		return strings.Replace(operated, old, new, 1)
	}
	for _, c := range []struct {
		name, script, way string
		change            func(*played)
		want              string
	}{
		{"a write lost on one side", operated, "fence", func(p *played) {
			p.both.Lost = []check.Finding{{Side: "target", Kind: traffic.Publish, Op: "A", Text: "acknowledged, but not there"}}
		}, "the demo failed: 1 writes lost"},
		{"a write doubled, and the target differs", operated, "dual", func(p *played) {
			p.target.Doubled, p.target.Differences = []check.Finding{{Op: "A"}}, []string{"target: the tally"}
		}, "the demo failed: 1 writes doubled; 1 differences"},
		{"a request failed, way dual", operated, "dual", func(p *played) { p.refuse = 2 }, "the demo failed: 2 requests failed"},
		{"nothing to plan", replace("exit 2", "exit 0"), "fence", nil, "migrate plan ended with exit code 0, 2 was expected"},
		{"apply fails", replace("apply) ", "apply) exit 4; "), "fence", nil, "migrate apply ended with exit code 4, 0 was expected"},
		{"the writers stay", replace("touch target", "true"), "fence", nil, "after migrate cutover a write was served by 10.213.0.11 (source), not by the target"},
		{"a secret is printed", replace(">/dev/null", ""), "fence", nil, "the demo failed: a secret is in what migrate printed"},
		{"a secret is in a file", replace(">/dev/null", ">.migrate/note"), "fence", nil, "a secret is in /"},
		{"the file to edit is another", replace("endpoint: vendor", "endpoint: other"), "fence", nil, `"endpoint: vendor" is not in it`},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := play(t, t.Context(), c.script, c.way, c.change)
			require.ErrorContains(t, err, c.want, out)
		})
	}
}

// Ctrl-C reaches migrate once; it is waited for, and the clients stop.
func TestDemoIsInterrupted(t *testing.T) {
	script := strings.Replace(operated, "apply) ", "apply) trap 'echo stopping between steps; exit 7' INT; echo ready; while :; do sleep 0.05; done; ", 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	out, err := play(t, ctx, script, "fence", nil)
	require.EqualError(t, err, "interrupted during migrate apply, which ended with exit code 7")
	require.Equal(t, 1, strings.Count(out, "stopping between steps"))
	require.NotContains(t, out, "migrate verify")
}

func TestPeakMemory(t *testing.T) {
	ballast := bytes.Repeat([]byte("x"), 80<<20) // what this process holds is none of a child's
	r := runner{program: "perl", dir: t.TempDir(), env: os.Environ(), out: &bytes.Buffer{}}
	small, err := r.run(t.Context(), 3, "-e", "select(undef, undef, undef, 0.05); exit 3")
	require.NoError(t, err)
	require.Equal(t, 3, small.exit)
	require.Greater(t, small.peak, int64(1<<20))
	require.Less(t, small.peak, int64(40<<20))
	big, err := r.run(t.Context(), 0, "-e", `my $x = "a" x (150 << 20); $x = ""; select(undef, undef, undef, 0.05)`)
	require.NoError(t, err)
	require.Greater(t, big.peak, int64(140<<20))
	require.Len(t, ballast, 80<<20)
	require.Equal(t, []string{"migrate apply took 150.0 MiB of memory, over 64.0 MiB"},
		summary{commands: []execution{{line: "migrate apply", peak: 150 << 20}}}.problems())
}

// I2: way fence, no moment has two writers.
func TestOverlapIsAProblem(t *testing.T) {
	s := summary{way: way.Fence{}.Traits(), switches: []switched{{name: "cutover", overlap: time.Second}}}
	require.Equal(t, []string{"both sides took writes for 1s during cutover"}, s.problems())
	s.way = way.Dual{}.Traits()
	require.Empty(t, s.problems())
}

func TestDiff(t *testing.T) {
	require.Equal(t, "- a: 1\n+ a: 2\n", diff(lab.Edit{Old: "a: 1", New: "a: 2"}))
	require.Equal(t, "+ - new\n", diff(lab.Edit{Old: "      - old\n", New: "      - old\n      - new\n"}))
}

func TestWorkspace(t *testing.T) {
	var out bytes.Buffer
	full := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(full, "file"), nil, 0o600))
	require.ErrorContains(t, withWorkspace(full, &out, nil), "is not empty")
	var made string
	require.NoError(t, withWorkspace("", &out, func(dir string) error { made = dir; return nil }))
	require.NoDirExists(t, made)
	require.Error(t, withWorkspace("", &out, func(dir string) error { made = dir; return os.ErrInvalid }))
	require.DirExists(t, made)
	require.Contains(t, out.String(), "the workspace is kept: "+made)
	require.NoError(t, os.RemoveAll(made))
}

func TestCommandLine(t *testing.T) {
	for _, args := range [][]string{{"demo", "--way", "neither"}, {"up", "--way", ""}, {"nonsense"}, {"clean", "extra"}} {
		var errs bytes.Buffer
		require.Equal(t, 1, run(args, &bytes.Buffer{}, &errs), args)
		require.Contains(t, errs.String(), "lab: error: ")
	}
	var out bytes.Buffer
	require.Zero(t, run([]string{"--help"}, &out, &out))
	require.Contains(t, out.String(), "Exit codes:")
}
