package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReportOfRealRuns runs the go command on small modules.
func TestReportOfRealRuns(t *testing.T) {
	const passes = "func TestPasses(t *testing.T) { t.Log(\"quiet\") }\n"
	const skips = "func TestSkips(t *testing.T) { t.Skip(\"no cow\") }\n"
	for name, c := range map[string]struct {
		body    string
		noSkips bool
		code    int
		want    []string
	}{
		"passed": {body: passes, want: []string{"ok  \tsmall\t", "\n1 passed, 0 failed, 0 skipped\n"}},
		"skips are listed": {
			body: passes + skips,
			want: []string{"skipped: small TestSkips: ", "no cow\n", "1 passed, 0 failed, 1 skipped\n"},
		},
		"skips fail where nothing may be skipped": {
			body: passes + skips, noSkips: true, code: 1, want: []string{"no cow", "nothing may be skipped here\n"},
		},
		"failures are shown whole": {
			body: passes + "func TestFails(t *testing.T) { t.Log(\"why\"); t.Run(\"sub\", func(t *testing.T) { t.Fatal(\"broken\") }) }\n",
			code: 1, want: []string{"why", "broken", "FAIL\tsmall\t", "failed: small TestFails/sub\n", "1 passed, 2 failed, 0 skipped\n"},
		},
		"a panic":              {body: passes + "func TestPanics(*testing.T) { panic(\"ouch\") }\n", code: 1, want: []string{"panic: ouch", "FAIL\tsmall\t"}},
		"a build that fails":   {body: "func TestNot(t *testing.T) { nonsense }\n", code: 1, want: []string{"undefined: nonsense", "0 passed"}},
		"no test":              {body: "var _ testing.T\n", code: 1, want: []string{"no test ran\n"}},
		"a test that exits":    {body: "func TestExits(*testing.T) { os.Exit(3) }\nvar _ = os.Exit\n", code: 1, want: []string{"FAIL\tsmall\t"}},
		"output of a TestMain": {body: "func TestMain(*testing.M) { println(\"no database\"); os.Exit(1) }\n", code: 1, want: []string{"no database"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			imports := "import \"testing\"\n"
			if strings.Contains(c.body, "os.") {
				imports += "import \"os\"\n"
			}
			dir := t.TempDir()
			write(t, filepath.Join(dir, "go.mod"), "module small\n\ngo 1.26.0\n")
			write(t, filepath.Join(dir, "small_test.go"), "package small\n"+imports+c.body)
			cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "./...")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GOFLAGS=")
			events, err := cmd.CombinedOutput()
			require.Equal(t, c.code == 1 && !c.noSkips && name != "no test", err != nil, "the go command itself: %s", events)
			var out bytes.Buffer
			require.Equal(t, c.code, report(&out, c.noSkips, bytes.NewReader(events)), out.String())
			for _, part := range c.want {
				require.Contains(t, out.String(), part)
			}
			require.NotContains(t, out.String(), "quiet", "a passed package is one line")
		})
	}
}

// TestReportOfForeignLines: a line that is not an event is printed unchanged.
func TestReportOfForeignLines(t *testing.T) {
	line, err := json.Marshal(event{Action: "pass", Package: "p", Test: "T"})
	require.NoError(t, err)
	var out bytes.Buffer
	require.Zero(t, report(&out, true, strings.NewReader("go: downloading 100% of x\n"+string(line))))
	require.Equal(t, "go: downloading 100% of x\n1 passed, 0 failed, 0 skipped\n", out.String())
}

// TestReportOfSeveralRuns: one failed run fails the whole.
func TestReportOfSeveralRuns(t *testing.T) {
	run := func(pkg, action string) *strings.Reader {
		line, err := json.Marshal(event{Action: action, Package: pkg, Test: "T"})
		require.NoError(t, err)
		return strings.NewReader(string(line) + "\n")
	}
	var out bytes.Buffer
	require.Equal(t, 1, report(&out, true, run("p", "pass"), run("q", "fail"), run("r", "pass")))
	require.Equal(t, "failed: q T\n2 passed, 1 failed, 0 skipped\n", out.String())
}

func TestSlowTestsAreNamedSlowestFirst(t *testing.T) {
	var events bytes.Buffer
	for name, seconds := range map[string]float64{"TestQuick": slowSeconds - 1, "TestSlow": slowSeconds, "TestSlower": slowSeconds + 1} {
		require.NoError(t, json.NewEncoder(&events).Encode(event{Action: "pass", Package: "small", Test: name, Elapsed: seconds}))
	}
	var out bytes.Buffer
	require.Zero(t, report(&out, true, &events))
	require.Equal(t, "slow: 21 s small TestSlower\nslow: 20 s small TestSlow\n3 passed, 0 failed, 0 skipped\n", out.String())
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}
