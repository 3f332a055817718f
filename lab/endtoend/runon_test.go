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

// TestTheSeedRunsOnTheTarget seeds by a worker on the target's host, under
// traffic: the controller is killed while the worker copies, and finds it again;
// the worker is killed, and another goes on; the throttle is changed meanwhile.
// No login of the worker can be found on the host (I7), nothing is left of it,
// and nothing is lost (I1).
func TestTheSeedRunsOnTheTarget(t *testing.T) {
	s := open(t, "fence", brief)
	require.NoError(t, lab.Apply(filepath.Join(s.dir, "migration.yaml"), []lab.Edit{
		{Old: "seed: auto", New: "seed: copy"}, {Old: "run_on: controller", New: "run_on: target"}, {Old: "throttle: {", New: "throttle: {rate: 500kB, "},
	}))
	s.run("plan")
	out, code := s.exit("throttle", "--pause")
	require.Equal(t, 5, code, out)
	require.Contains(t, out, "no seed is running")
	out, code = s.exit("apply", "--to", "match")
	require.Equal(t, 7, code, out)
	target, err := s.lab.Target("db1")
	require.NoError(t, err)
	step := s.seedOnTarget(target)
	plantest.Exercise(t, step)
	require.Empty(t, s.leftOf(target))
	require.NoError(t, step.Op.Undo(t.Context(), []byte("{}")))

	require.NoError(t, s.lab.DB.Exec(t.Context(), `exec mariadb blog -e "CREATE TABLE archive (id INT PRIMARY KEY AUTO_INCREMENT, body VARCHAR(1000) NOT NULL);
		INSERT INTO archive (body) SELECT REPEAT(CHAR(97 + seq % 26), 900) FROM seq_1_to_20000"`, nil, nil))
	s.killedAtNote("the seed runs on the target's host as "+seedUnit, 2*time.Second)
	first := s.invocation(target)
	require.NotEmpty(t, first, "the worker lives without its controller")
	require.Contains(t, s.run("throttle", "--pause"), "paused", "it holds still for the rest of this test")
	s.findsNoLogin(target)
	require.Eventually(t, func() bool { return strings.Contains(s.run("status"), "waits: paused by migrate throttle") }, 20*time.Second, time.Second)

	s.killedAtNote("runs on the target's host: it is followed", time.Second)
	require.Equal(t, first, s.invocation(target), "no second one was started")

	said := filepath.Join(s.dir, "said")
	ended := s.start(said, "apply")
	require.Eventually(t, func() bool { return strings.Contains(read(t, said), "it is followed") }, time.Minute, 100*time.Millisecond)
	require.NoError(t, target.Exec(t.Context(), "systemctl kill -s KILL "+seedUnit, nil, nil))
	require.Eventually(t, func() bool { next := s.invocation(target); return next != "" && next != first }, time.Minute, 200*time.Millisecond, "another goes on")
	require.Eventually(t, func() bool { return strings.Contains(read(t, said), "the seed goes on; it has what") }, time.Minute, 200*time.Millisecond)
	require.Eventually(t, func() bool { return strings.Contains(s.run("throttle", "--show"), "paused") }, time.Minute, time.Second,
		"what was wanted of the first is wanted of the next")
	require.Contains(t, s.run("throttle", "main", "--resume", "--rate", "0", "--workers", "2"), "2 workers, no limit of the rate")
	require.NoError(t, <-ended, "%s", read(t, said))
	s.output.WriteString(read(t, said))
	require.Contains(t, read(t, said), "was killed, or its host has restarted")

	require.Empty(t, s.leftOf(target))
	s.served(traffic.OldSite)
	require.Contains(t, s.run("verify"), "main")
	s.proven()
	s.run("rollback", "--all")
	require.Empty(t, s.lab.DO.Machines())
}

// seedOnTarget is the step of the lab's pair, apart from a run.
func (s *site) seedOnTarget(target *machine.Host) plan.Step {
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
	return worker.Step(pair, seed.Options{}, worker.Config{Program: s.migrate, Command: []string{"seed-worker"}})
}

// leftOf is what is there of a worker: its unit, its files, its account.
func (s *site) leftOf(target *machine.Host) string {
	return s.invocation(target) + s.sh(target, "ls -d /run/migrate/seed-* /var/lib/migrate/seed-* 2>/dev/null; true") +
		s.sh(s.lab.DB, `mariadb -BN -e "SELECT User FROM mysql.user WHERE User = 'migrate_seed'"`)
}

// killedAtNote runs apply and kills it some time after it has noted a text.
func (s *site) killedAtNote(text string, after time.Duration) {
	s.t.Helper()
	killed, err := lab.KillAt(s.t.Context(), func(ctx context.Context) *exec.Cmd { return s.command(ctx, "apply") }, s.journal(),
		func(e plan.Event) bool { return e.Type == plan.StepNote && strings.Contains(e.Text, text) }, after)
	require.NoError(s.t, err)
	require.True(s.t, killed, "it was killed in the middle of the seed")
}

// start starts a command whose output goes to a file.
func (s *site) start(said string, args ...string) <-chan error {
	out, err := os.Create(said)
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

// invocation is systemd's id of the worker that runs, or nothing.
func (s *site) invocation(h *machine.Host) string {
	return s.sh(h, "systemctl is-active --quiet "+seedUnit+" && systemctl show -p InvocationID --value "+seedUnit+"; true")
}

// sh runs a script on a host and returns what it prints.
func (s *site) sh(h *machine.Host, script string) string {
	s.t.Helper()
	var out bytes.Buffer
	require.NoError(s.t, h.Exec(s.t.Context(), script, nil, &out), script)
	return strings.TrimSpace(out.String())
}

// findsNoLogin looks for the password of the worker, which ends like every one
// that migrate makes, wherever a host shows or keeps what it was told. A file
// that has such a password proves that the look would find one.
func (s *site) findsNoLogin(h *machine.Host) {
	s.t.Helper()
	found := s.sh(h, `
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

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}
