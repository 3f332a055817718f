package endtoend

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/dcmigrate/migrate/lab"
	"github.com/dcmigrate/migrate/lab/machine"
	"github.com/dcmigrate/migrate/lab/traffic"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/seed/worker"
)

const seedUnit = "migrate-seed-main.service"

// TestSeedRunsOnTarget seeds by a worker on the target's host, under traffic. The controller
// is killed while the worker copies, and finds it again. The worker is killed, and another
// continues. The throttle changes meanwhile. The worker's login is not found on the host
// (I7), the worker leaves nothing, and nothing is lost (I1).
func TestSeedRunsOnTarget(t *testing.T) {
	s := openSite(t, "fence", shortTTL)
	require.NoError(t, lab.Apply(filepath.Join(s.dir, "migration.yaml"), []lab.Edit{
		{Old: "seed: auto", New: "seed: copy"}, {Old: "run_on: controller", New: "run_on: target"}, {Old: "throttle: {", New: "throttle: {rate: 500kB, "},
	}))
	s.run("plan")
	out, code := s.runForExitCode("throttle", "--pause")
	require.Equal(t, 5, code, out)
	require.Contains(t, out, "no seed is running")
	out, code = s.runForExitCode("apply", "--to", "match")
	require.Equal(t, 7, code, out)
	target, err := s.lab.Target("db1")
	require.NoError(t, err)
	step := s.seedOnTargetStep(target)
	plantest.Exercise(t, step)
	require.Empty(t, s.workerLeftovers(target))
	require.NoError(t, step.Op.Undo(t.Context(), []byte("{}")))

	require.NoError(t, s.lab.DB.Exec(t.Context(), `exec mariadb blog -e "CREATE TABLE archive (id INT PRIMARY KEY AUTO_INCREMENT, body VARCHAR(1000) NOT NULL);
		INSERT INTO archive (body) SELECT REPEAT(CHAR(97 + seq % 26), 900) FROM seq_1_to_20000"`, nil, nil))
	s.killApplyAtNote("the seed runs on the target's host as "+seedUnit, 2*time.Second)
	firstInvocation := s.workerInvocation(target)
	require.NotEmpty(t, firstInvocation, "the worker lives without its controller")
	require.Contains(t, s.run("throttle", "--pause"), "paused", "it stays paused for the next part of this test")
	s.requireNoStoredLogin(target)
	require.Eventually(t, func() bool { return strings.Contains(s.run("status"), "waits: paused by migrate throttle") }, 20*time.Second, time.Second)

	s.killApplyAtNote("runs on the target's host: it is followed", time.Second)
	require.Equal(t, firstInvocation, s.workerInvocation(target), "no second worker was started")

	outputFile := filepath.Join(s.dir, "output.log")
	ended := s.startCommand(outputFile, "apply")
	require.Eventually(t, func() bool { return strings.Contains(readFile(t, outputFile), "it is followed") }, time.Minute, 100*time.Millisecond)
	require.NoError(t, target.Exec(t.Context(), "systemctl kill -s KILL "+seedUnit, nil, nil))
	require.Eventually(t, func() bool { next := s.workerInvocation(target); return next != "" && next != firstInvocation }, time.Minute, 200*time.Millisecond, "another worker continues")
	require.Eventually(t, func() bool { return strings.Contains(readFile(t, outputFile), "the seed goes on; it has what") }, time.Minute, 200*time.Millisecond)
	require.Eventually(t, func() bool { return strings.Contains(s.run("throttle", "--show"), "paused") }, time.Minute, time.Second,
		"the next worker inherits the throttle")
	require.Contains(t, s.run("throttle", "main", "--resume", "--rate", "0", "--workers", "2"), "2 workers, no limit of the rate")
	require.NoError(t, <-ended, "%s", readFile(t, outputFile))
	s.output.WriteString(readFile(t, outputFile))
	require.Contains(t, readFile(t, outputFile), "was killed, or its host has restarted")

	require.Empty(t, s.workerLeftovers(target))
	s.requireServedBy(traffic.OldSite)
	require.Contains(t, s.run("verify"), "main")
	s.requireNothingLost()
	s.run("rollback", "--all")
	require.Empty(t, s.lab.DO.Machines())
}

// seedOnTargetStep returns the seed step of the lab's pair, outside of a run.
func (s *site) seedOnTargetStep(target *machine.Host) plan.Step {
	server := func(side replication.Side, h *machine.Host) *replication.Server {
		host := remote.NewSSH(remote.SSHConfig{
			Name: "db1", Address: func(context.Context) (string, error) { return h.Address().String(), nil },
			IdentityFile: filepath.Join(s.dir, "id_ed25519"), HostKey: ssh.InsecureIgnoreHostKey(), //nolint:gosec // of the lab
		})
		out := replication.NewServer(replication.ServerConfig{
			Name: "db1 (" + string(side) + ")", Side: side, Host: host, Network: "unix", Address: "/run/mysqld/mysqld.sock", User: "root",
			Endpoint: func(context.Context) (replication.Endpoint, error) {
				return replication.Endpoint{Host: h.Address().String(), Port: 3306}, nil
			},
		})
		s.t.Cleanup(func() { // the host may be gone by then
			_ = out.Close()
			_ = host.Close()
		})
		return out
	}
	pair := replication.Pair{Name: "main", Source: server(replication.Source, s.lab.DB), Target: server(replication.Target, target)}
	return worker.Step(pair, seed.Options{}, worker.Config{Program: s.program, Command: []string{"seed-worker"}})
}

// workerLeftovers returns what exists of a worker: its unit, its files, its account.
func (s *site) workerLeftovers(target *machine.Host) string {
	return s.workerInvocation(target) + s.runOnHost(target, "ls -d /run/migrate/seed-* /var/lib/migrate/seed-* 2>/dev/null; true") +
		s.runOnHost(s.lab.DB, `mariadb -BN -e "SELECT User FROM mysql.user WHERE User = 'migrate_seed'"`)
}

// killApplyAtNote runs apply and kills it some time after a note that contains text.
func (s *site) killApplyAtNote(text string, after time.Duration) {
	s.t.Helper()
	killed, err := lab.KillAt(s.t.Context(), func(ctx context.Context) *exec.Cmd { return s.command(ctx, "apply") }, s.journal(),
		func(e plan.Event) bool { return e.Type == plan.StepNote && strings.Contains(e.Text, text) }, after)
	require.NoError(s.t, err)
	require.True(s.t, killed, "apply was killed during the seed")
}

// startCommand starts a command whose output goes to a file. The channel receives the
// command's error when it ends.
func (s *site) startCommand(outputFile string, args ...string) <-chan error {
	out, err := os.Create(outputFile)
	require.NoError(s.t, err)
	cmd := s.command(s.t.Context(), args...)
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(s.t, cmd.Start())
	ended := make(chan error, 1)
	go func() {
		defer out.Close() //nolint:errcheck // the command has written it
		ended <- cmd.Wait()
	}()
	return ended
}

// workerInvocation returns systemd's invocation id of the running worker, or "".
func (s *site) workerInvocation(h *machine.Host) string {
	return s.runOnHost(h, "systemctl is-active --quiet "+seedUnit+" && systemctl show -p InvocationID --value "+seedUnit+"; true")
}

// runOnHost runs a script on a host and returns its output.
func (s *site) runOnHost(h *machine.Host, script string) string {
	s.t.Helper()
	var out bytes.Buffer
	require.NoError(s.t, h.Exec(s.t.Context(), script, nil, &out), script)
	return strings.TrimSpace(out.String())
}

// requireNoStoredLogin searches for the worker's password, by the ending that all of
// migrate's passwords have, wherever a host shows or keeps commands and files. A file with
// such a password proves that the search works.
func (s *site) requireNoStoredLogin(h *machine.Host) {
	s.t.Helper()
	found := s.runOnHost(h, `
end=-aZ; end=${end}7 # this script must not find itself
echo "proof$end" >/run/proof
for f in /proc/[0-9]*/cmdline /proc/[0-9]*/environ; do
	tr '\0' '\n' <"$f" 2>/dev/null | grep -q -- "$end" && echo "$f: $(tr '\0' ' ' <"$f")"
done
journalctl --no-pager -o cat 2>/dev/null | grep -- "$end"
systemctl show '*' 2>/dev/null | grep -- "$end"
grep -rlIs -- "$end" /run /tmp /var/tmp /var/lib/migrate /var/log /etc/systemd
rm -f /run/proof`)
	require.Equal(s.t, "/run/proof", found, "I7: no login of the worker is stored or shown")
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}
