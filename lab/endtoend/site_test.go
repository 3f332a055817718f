// Package endtoend moves the lab's site with the real migrate binary, under traffic and
// faults: kills, crashes, misbehaving vendors. It holds tests only, and needs what package
// lab needs.
package endtoend

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab"
	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/lab/machine"
	"github.com/dcmigrate/migrate/lab/traffic"
)

// site is a lab with an operator who moves it.
type site struct {
	t       *testing.T
	lab     *lab.Lab
	dir     string
	program string
	traffic *traffic.Traffic
	output  bytes.Buffer // of every command
}

// unlimitedAccounts has no request limits that matter: a kill loop starts migrate a hundred
// times in a minute, which the vendors' limits are not made for.
var unlimitedAccounts = lab.Options{
	Limits: dosim.Limits{PerHour: 1e6, PerMinute: 1e6, KeysPerMinute: 1e6},
	Edge:   cfsim.Limits{Requests: 1e6},
}

// shortTTL is a TTL, in seconds, that needs no lowering, so that no cutover waits for it.
const shortTTL = 60

// openSite boots the lab, builds migrate, writes the configuration, captures the inventory
// and starts traffic.
func openSite(t *testing.T, way string, ttl int) *site {
	t.Helper()
	if err := machine.Require(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI must be able to run the lab: %v", err)
		}
		t.Skipf("the lab cannot run here: %v", err)
	}
	s := &site{t: t, dir: t.TempDir()}
	_ = os.Getenv("MIGRATE_TEST_PROGRAMS") // a result that is cached holds for these programs only (scripts/test)
	s.program = filepath.Join(s.dir, "bin", "migrate")
	build := exec.Command("go", "build", "-o", s.program, "github.com/dcmigrate/migrate/cmd/migrate")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	options := unlimitedAccounts
	options.Dir, options.TTL = s.dir, ttl
	options.Progress = func(line string) { t.Log(time.Now().Format(time.TimeOnly), line) }
	s.lab, err = lab.Open(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.lab.Close(context.Background()))
		left, err := s.lab.Network.Leftovers()
		require.NoError(t, err)
		require.Empty(t, left, "the lab leaves nothing behind")
	})
	s.run("init", "--site", "blog", "--way", way, "--host", "web1=10.213.0.11:web,app", "--host", "db1=10.213.0.12:db", "--zone", "blog.test", "--zone", "shop.test")
	require.NoError(t, lab.Apply(filepath.Join(s.dir, "migration.yaml"), s.lab.Edits()))
	s.run("inventory", "capture")
	s.traffic = s.lab.Traffic(way == "fence")
	require.NoError(t, s.traffic.Open(t.Context()))
	return s
}

// command returns a command line of migrate in the workspace.
func (s *site) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.program, args...)
	cmd.Dir, cmd.Env = s.dir, s.lab.Environ()
	return cmd
}

// run runs a command to its end, requires exit code 0 (plan: also 2), and returns its output.
func (s *site) run(args ...string) string {
	s.t.Helper()
	out, code := s.runForExitCode(args...)
	if code != 0 && (code != 2 || args[0] != "plan") {
		require.Zero(s.t, code, "migrate %s:\n%s", strings.Join(args, " "), out)
	}
	return out
}

func (s *site) runForExitCode(args ...string) (string, int) {
	s.t.Helper()
	start := time.Now()
	out, err := s.command(s.t.Context(), args...).CombinedOutput()
	s.output.Write(out)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(s.t, err)
	}
	code := 0
	if exit != nil {
		code = exit.ExitCode()
	}
	s.t.Logf("migrate %s: exit %d in %s", strings.Join(args, " "), code, time.Since(start).Round(time.Millisecond))
	return string(out), code
}

// runWithKills runs a verb to its end, with a kill -9 at every journal event, and requires
// at least minKills.
func (s *site) runWithKills(minKills int, args ...string) {
	s.t.Helper()
	start := time.Now()
	kills, err := lab.KillEvery(s.t.Context(), func(ctx context.Context) *exec.Cmd { return s.command(ctx, args...) }, s.journal())
	require.NoError(s.t, err)
	require.GreaterOrEqual(s.t, kills, minKills, "the loop covered the verb's events")
	s.t.Logf("migrate %s: finished after %d kills in %s", strings.Join(args, " "), kills, time.Since(start).Round(time.Second))
}

func (s *site) journal() string { return filepath.Join(s.dir, ".migrate", "journal.jsonl") }

// requireServedBy requires that only one site answers the next 20 writes.
func (s *site) requireServedBy(want string) {
	s.t.Helper()
	from := len(s.traffic.Log())
	require.Eventually(s.t, func() bool {
		n := 0
		for _, r := range s.traffic.Log()[from:] {
			if r.Kind.Write() && r.OK() {
				n++
				require.Equal(s.t, want, traffic.Site(r.Server))
			}
		}
		return n >= 20
	}, 20*time.Second, 100*time.Millisecond, "the "+want+" serves writes")
}

// requireNothingLost stops the traffic and proves I1, from the outside, and I7.
func (s *site) requireNothingLost() traffic.Summary {
	s.t.Helper()
	require.NoError(s.t, s.traffic.Close())
	log := s.traffic.Log()
	var clean bool
	require.Eventually(s.t, func() bool { // the links drain within moments
		report, err := s.lab.Check(s.t.Context(), log)
		require.NoError(s.t, err)
		if clean = report.Clean(); !clean {
			s.t.Logf("%+v", report)
		}
		return clean
	}, 30*time.Second, time.Second, "I1: every acknowledged write is on both sides, once")
	s.requireNoSecrets()
	sum := log.Summary()
	s.t.Logf("%d requests, %d failed %v, %d acknowledged writes, %d sign-ups crossed", sum.Requests, sum.Failed, sum.Errors, sum.AckedWrites, sum.Crossed)
	require.Greater(s.t, sum.AckedWrites, 100)
	return sum
}

// requireNoSecrets proves I7: no secret is in the output or in any file of the state folder.
func (s *site) requireNoSecrets() {
	s.t.Helper()
	for _, secret := range s.lab.Secrets() {
		require.NotContains(s.t, s.output.String(), secret, "I7")
	}
	err := filepath.WalkDir(filepath.Join(s.dir, ".migrate"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		for _, secret := range s.lab.Secrets() {
			require.NotContains(s.t, string(data), secret, "I7: %s", path)
		}
		return err
	})
	require.NoError(s.t, err)
}
