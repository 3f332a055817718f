package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

// newOp returns the operation of a seed by a worker, with folders of the test's own.
func newOp(t *testing.T, pair replication.Pair, target *servertest.Instance, host remote.Host) *op {
	pair.Target = replication.NewServer(replication.ServerConfig{Name: "main (target)", Side: replication.Target, Host: host, Network: "unix", Address: target.Socket, User: "root"})
	t.Cleanup(func() { _ = pair.Target.Close() })
	step := Step(pair, seed.Options{}, Config{Program: os.Args[0], Command: []string{"seed-worker"}, RunDir: t.TempDir(), LibDir: t.TempDir()})
	return step.Op.(*op)
}

// jobOf makes the worker's account and returns its job and password.
func jobOf(t *testing.T, s *op) (job []byte, password string) {
	user, err := s.account(t.Context())
	require.NoError(t, err)
	secret := account.NewPassword()
	require.NoError(t, user.Create(t.Context(), replication.AnyHost, secret))
	job, err = s.writeJob(t.Context(), user.Name, secret)
	require.NoError(t, err)
	return job, secret.Open()
}

// work runs a worker with a job as a unit would, and returns its folder and its error.
func work(ctx context.Context, t *testing.T, job []byte) (dir string, err error) {
	dir = t.TempDir()
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "job"), 0o600))
	done := make(chan error, 1)
	go func() { done <- Run(ctx, dir) }()
	pipe, err := os.OpenFile(filepath.Join(dir, "job"), os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = pipe.Write(job)
	require.NoError(t, err)
	require.NoError(t, pipe.Close())
	return dir, <-done
}

// lastEvent returns the outcome that a worker has written.
func lastEvent(t *testing.T, dir string) *outcome {
	lines := strings.Split(strings.TrimSpace(replicationtest.ReadFile(t, filepath.Join(dir, "events"))), "\n")
	var e event
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &e))
	require.NotNil(t, e.End)
	return e.End
}

// TestSeedWorkerCopiesEverything proves that the worker's account may read all that a seed
// copies, over the network, and that its password is stored nowhere.
func TestSeedWorkerCopiesEverything(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		source.Exec("CREATE VIEW load1.v AS SELECT id, title FROM load1.posts",
			"CREATE PROCEDURE load1.p() SELECT 1", "CREATE FUNCTION load1.f() RETURNS INT DETERMINISTIC RETURN 2",
			"CREATE TRIGGER load1.tr BEFORE INSERT ON load1.posts FOR EACH ROW SET NEW.title = UPPER(NEW.title)",
			"CREATE EVENT load1.e ON SCHEDULE EVERY 1 DAY DO DELETE FROM load1.nokey", "INSERT INTO load1.nokey VALUES (1, 'one')",
			"CREATE USER app@'10.%' IDENTIFIED BY 'hashed'", "GRANT SELECT, EXECUTE ON load1.* TO app@'10.%'")
		s := newOp(t, pair, target, remote.NewLocal("db1"))
		job, password := jobOf(t, s)
		status, err := Check(t.Context(), bytes.NewReader(job))
		require.NoError(t, err)
		require.Zero(t, status)
		dir, err := work(t.Context(), t, job)
		require.NoError(t, err)
		require.Empty(t, lastEvent(t, dir).Error)
		require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"))
		for _, query := range []string{
			"SELECT COUNT(*) FROM load1.v", "SELECT load1.f()", "SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'load1'",
			"SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'load1'",
			"SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'load1'", "SELECT COUNT(*) FROM mysql.user WHERE User = 'app'",
		} {
			require.Equal(t, source.Value(query), target.Value(query), query)
		}
		require.NoFileExists(t, filepath.Join(dir, "job"))
		files, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, f := range files {
			require.NotContains(t, replicationtest.ReadFile(t, filepath.Join(dir, f.Name())), password, "I7")
		}

		state, err := s.Check(t.Context())
		require.NoError(t, err)
		require.False(t, state.Done, "its account is left")
		require.NoError(t, s.Apply(t.Context()), "there is nothing but that to do")
		state, err = s.Check(t.Context())
		require.NoError(t, err)
		require.True(t, state.Done)
		require.NoError(t, s.Verify(t.Context()))
		require.Equal(t, "0", source.Value("SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'migrate%'"))
		replicationtest.WhileFenced(target, func() { require.NoError(t, s.Undo(t.Context(), state.Before)) })
		require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'load1'"))
	})
}

// TestSeedWorkerSaysHowItEnds runs workers that cannot do their job.
func TestSeedWorkerSaysHowItEnds(t *testing.T) {
	pair, source, target := replicationtest.Start(t, servertest.MariaDB)
	source.Exec("CREATE DATABASE app")
	s := newOp(t, pair, target, remote.NewLocal("db1"))
	good, password := jobOf(t, s)
	stranger := bytes.Replace(good, []byte(password), []byte("wrong-secret"), 1)
	lost := bytes.Replace(good, []byte(target.Socket), []byte("/nowhere"), 1)

	status, err := Check(t.Context(), bytes.NewReader(stranger))
	require.Equal(t, exitSource, status)
	require.ErrorContains(t, err, "main (source)")
	require.NotContains(t, err.Error(), "wrong-secret", "I7")
	status, err = Check(t.Context(), bytes.NewReader(lost))
	require.Equal(t, exitTarget, status)
	require.ErrorContains(t, err, "main (target)")
	status, err = Check(t.Context(), strings.NewReader(`{"password": "wrong-secret", `))
	require.Equal(t, 1, status)
	require.NotContains(t, err.Error(), "wrong-secret", "I7")

	dir, err := work(t.Context(), t, stranger)
	require.ErrorContains(t, err, "log in")
	end := lastEvent(t, dir).err()
	require.EqualError(t, end, err.Error())
	require.Equal(t, report.Hint(err), report.Hint(end))

	other := replication.Pair{Name: "main", Source: pair.Source, Target: replicationtest.Server(t, servertest.Start(t, servertest.MariaDB), replication.Target, nil)}
	require.NoError(t, seed.Step(other).Op.Apply(t.Context()))
	require.Equal(t, "0", source.Value("SELECT COUNT(*) FROM mysql.user WHERE User = 'migrate_seed'"), "a seed elsewhere takes a worker's account away")
	good, _ = jobOf(t, s)
	target.Exec("CREATE DATABASE app")
	dir, err = work(t.Context(), t, good)
	require.ErrorContains(t, err, "already holds app")
	require.NotEmpty(t, lastEvent(t, dir).Hint)

	told, stop := context.WithCancel(t.Context())
	stop()
	dir, _ = work(told, t, good)
	require.True(t, lastEvent(t, dir).Transient, "it is started again")

	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "job"), 0o600))
	_, err = receiveJob(filepath.Join(dir, "job"), 20*time.Millisecond)
	require.ErrorContains(t, err, "no controller has written it")
	var transient *report.TransientError
	require.ErrorAs(t, err, &transient)
}

// TestFollowerMissesNothing proves that a second follower neither repeats nor misses what the first passed on.
func TestFollowerMissesNothing(t *testing.T) {
	pair, _, target := replicationtest.Start(t, servertest.MariaDB)
	s := newOp(t, pair, target, remote.NewLocal("db1"))
	require.NoError(t, os.MkdirAll(s.runDir(), 0o700))
	events, err := openEvents(filepath.Join(s.runDir(), "events"))
	require.NoError(t, err)
	poll := func(f *follower) (observation, string) {
		var notes replicationtest.Notes
		seen, err := f.poll(notes.Context(t.Context()))
		require.NoError(t, err)
		return seen, notes.Text()
	}
	events.note("one")
	events.note("zwei: ü\n")
	first := &follower{op: s}
	_, notes := poll(first)
	require.Equal(t, "one\nzwei: ü", notes, "a note is one line")
	events.note("three")
	_, notes = poll(first)
	require.Equal(t, "three", notes)
	_, err = events.file.WriteString(`{"note":"cut`)
	require.NoError(t, err)
	_, notes = poll(first)
	require.Empty(t, notes)
	_, notes = poll(&follower{op: s})
	require.Empty(t, notes, "the next controller goes on where the first was")
	_, err = events.file.WriteString(" short\"}\n")
	require.NoError(t, err)
	require.NoError(t, events.close(report.WithHint(report.Transient(io.ErrUnexpectedEOF, time.Minute), "again")))
	seen, notes := poll(&follower{op: s})
	require.Equal(t, "cut short", notes)
	require.False(t, seen.alive)
	require.EqualError(t, seen.end.err(), io.ErrUnexpectedEOF.Error())
	require.Equal(t, "again", report.Hint(seen.end.err()))
	require.ErrorContains(t, (&follower{op: s}).endedSilently(t.Context(), observation{lastLine: "panic"}), "said: panic")
}

// otherHost is this host under the name of another architecture.
type otherHost struct{ *remote.Local }

// Run runs the script with another uname.
func (o otherHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	return o.Local.Run(ctx, "uname() { echo sparc64; }\n"+script, stdin, stdout)
}

func TestSeedWorkerNeedsAHostLikeThis(t *testing.T) {
	pair := replication.Pair{Name: "main", Source: replication.NewServer(replication.ServerConfig{}), Target: replication.NewServer(replication.ServerConfig{Host: otherHost{remote.NewLocal("db1")}})}
	s := Step(pair, seed.Options{}, Config{}).Op.(*op)
	err := s.requireFittingHost(t.Context())
	require.ErrorContains(t, err, "the host is sparc64")
	require.Contains(t, report.Hint(err), "run_on: controller")
	s.Pair.Target = replication.NewServer(replication.ServerConfig{})
	_, err = s.host()
	require.ErrorContains(t, err, "cannot be reached")
}
