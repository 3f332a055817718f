package main

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab"
	"github.com/dcmigrate/migrate/lab/machine"
	"github.com/dcmigrate/migrate/move/way"
)

// needLab skips where the lab cannot run, and fails there when CI asks for all.
func needLab(t *testing.T) {
	t.Helper()
	err := machine.Require()
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI must be able to run the lab: %v", err)
	}
	t.Skipf("the lab cannot run here: %v", err)
}

func requireNothingLeft(t *testing.T) {
	t.Helper()
	left, err := lab.Leftovers(t.Context())
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestWholeMove is the demo: the real migrate moves the real site, both ways.
func TestWholeMove(t *testing.T) {
	needLab(t)
	_ = os.Getenv("MIGRATE_TEST_PROGRAMS") // a result that is cached holds for these programs only (scripts/test)
	program := filepath.Join(t.TempDir(), "migrate")
	built, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/dcmigrate/migrate/cmd/migrate").CombinedOutput()
	require.NoError(t, err, string(built))
	for _, name := range way.All().Names() {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := run([]string{"demo", "--way", name, "--ttl", "60", "--migrate", program, "--dir", filepath.Join(t.TempDir(), "workspace")}, &out, &errs)
			_, summary, _ := strings.Cut(out.String(), "summary, way ")
			require.Zero(t, code, "%s\n%s", errs.String(), out.String())
			t.Log(summary)
			requireNothingLeft(t)
		})
	}
}

// shared is a buffer that is read while it is written.
type shared struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestUp starts the lab for an operator, who can work in it until it is ended.
func TestUp(t *testing.T) {
	needLab(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, ended := &shared{}, make(chan error, 1)
	go func() { ended <- up(ctx, dir, way.Fence{}.Traits(), out) }()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "Ctrl-C ends the lab") || len(ended) > 0 },
		5*time.Minute, 100*time.Millisecond)
	require.Empty(t, ended)
	env, err := os.ReadFile(filepath.Join(dir, "env.sh"))
	require.NoError(t, err)
	require.Contains(t, string(env), "export CLOUDFLARE_API_TOKEN=")
	_, token, _ := strings.Cut(strings.TrimSpace(string(env)), "DIGITALOCEAN_TOKEN=")
	require.NotEmpty(t, token)
	require.NotContains(t, out.String(), token, "secrets are in the file only")
	for _, want := range []string{"cd " + dir, "migrate init --site blog", "+ identity_file: id_ed25519", "migrate cutover --dry-run"} {
		require.Contains(t, out.String(), want)
	}
	cancel()
	require.NoError(t, <-ended)
	requireNothingLeft(t)
}

// TestClean removes what a lab that died has left, here its record and its bridge.
func TestClean(t *testing.T) {
	needLab(t)
	dead := machine.NewNetwork("")
	dead.Bridge, dead.Prefix = "mlabdead0", "mlabd-"
	dead.Address = netip.MustParsePrefix("10.218.0.1/16")
	require.NoError(t, os.MkdirAll(filepath.Join(dead.StateDir, dead.Bridge, "hosts"), 0o700))
	record := `{"bridge":"mlabdead0","prefix":"mlabd-","address":"10.218.0.1/16"}`
	require.NoError(t, os.WriteFile(filepath.Join(dead.StateDir, dead.Bridge, "network.json"), []byte(record), 0o600))
	left, err := dead.Leftovers()
	require.NoError(t, err)
	require.NotEmpty(t, left)

	var out, errs bytes.Buffer
	require.Zero(t, run([]string{"clean"}, &out, &errs), errs.String())
	left, err = dead.Leftovers()
	require.NoError(t, err)
	require.Empty(t, left)
}
