package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
	"github.com/dcmigrate/migrate/wait"
)

const (
	// jobTimeout is how long a worker waits for its job.
	jobTimeout = time.Minute
	// A worker retries by itself, because no controller may be connected.
	maxAttempts  = 10
	firstBackoff = time.Second
	maxBackoff   = time.Minute
	// longAttempt is how long an attempt must last for the count of attempts to start again.
	longAttempt = 5 * time.Minute
)

// job is what a worker receives through its pipe. It holds logins: it is never
// stored and never printed.
type job struct {
	Pair    string       `json:"pair"`
	Schemas []string     `json:"schemas"`
	Options seed.Options `json:"options"`
	Source  jobServer    `json:"source"`
	Target  jobServer    `json:"target"`
}

type jobServer struct {
	Name            string `json:"name"`
	Network         string `json:"network"`
	Address         string `json:"address"`
	User            string `json:"user"`
	Password        string `json:"password"`
	ReplicaUser     string `json:"replica_user,omitempty"`
	ReplicaPassword string `json:"replica_password,omitempty"`
}

// pair returns the job's pair; the target is on this host.
func (j job) pair() replication.Pair {
	return replication.Pair{
		Name: j.Pair, Schemas: j.Schemas,
		Source: replication.NewServer(replication.ServerConfig{
			Name: j.Source.Name, Side: replication.Source, Network: j.Source.Network, Address: j.Source.Address,
			User: j.Source.User, Password: secret.New(j.Source.Password), OnlyReads: true,
			ReplicaUser: j.Source.ReplicaUser, ReplicaPassword: secret.New(j.Source.ReplicaPassword),
		}),
		Target: replication.NewServer(replication.ServerConfig{
			Name: j.Target.Name, Side: replication.Target, Host: remote.NewLocal(j.Target.Name), Network: j.Target.Network, Address: j.Target.Address,
			User: j.Target.User, Password: secret.New(j.Target.Password),
		}),
	}
}

// readJob decodes one job. Its errors do not quote the input, which holds passwords.
func readJob(r io.Reader) (job, error) {
	var j job
	if err := json.NewDecoder(r).Decode(&j); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return j, report.Transient(errors.New("read the job: no controller has written it"), 0)
		}
		return j, errors.New("read the job: it is not one")
	}
	return j, nil
}

// Check reads a job from r and logs in to both of its servers. The status is meant
// to be the process's exit status, by which the controller tells which login failed.
func Check(ctx context.Context, r io.Reader) (status int, err error) {
	j, err := readJob(r)
	if err != nil {
		return 1, err
	}
	pair := j.pair()
	defer pair.Source.Close() //nolint:errcheck // the process ends
	defer pair.Target.Close() //nolint:errcheck // as above
	if _, err := pair.Target.Dialect(ctx); err != nil {
		return exitTarget, err
	}
	if _, err := pair.Source.Dialect(ctx); err != nil {
		return exitSource, err
	}
	return 0, nil
}

// Run is the worker: it reads its job from the pipe "job" in dir, runs the seed, and
// writes its notes and its outcome to the file "events" there.
func Run(ctx context.Context, dir string) (err error) {
	events, err := openEvents(filepath.Join(dir, "events"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, events.close(err)) }()
	j, err := receiveJob(filepath.Join(dir, "job"), jobTimeout)
	if err != nil {
		return err
	}
	pair := j.pair()
	defer pair.Source.Close() //nolint:errcheck // the process ends
	defer pair.Target.Close() //nolint:errcheck // as above
	err = applyWithRetries(report.WithNotes(ctx, events.note), &seed.Op{Pair: pair, Options: j.Options.WithDefaults()})
	if ctx.Err() != nil { // its host may be restarting
		return report.Transient(errors.New("the worker was told to end before the seed was done"), 0)
	}
	return err
}

// receiveJob reads the job from a pipe and removes the pipe. It opens the pipe for
// both directions, so that opening does not block, and a controller that disappeared
// before it wrote anything ends the worker when the timeout is over.
func receiveJob(path string, timeout time.Duration) (job, error) {
	pipe, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return job{}, fmt.Errorf("open the pipe of the job: %w", err)
	}
	defer pipe.Close() //nolint:errcheck // it is only read
	if err := pipe.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return job{}, fmt.Errorf("wait for the job: %w", err)
	}
	j, err := readJob(pipe)
	return j, errors.Join(err, os.Remove(path))
}

// applyWithRetries applies the seed, and again after transient errors.
func applyWithRetries(ctx context.Context, s *seed.Op) error {
	backoff := firstBackoff
	for n := 1; ; n++ {
		began := time.Now()
		err := s.Apply(ctx)
		var transient *report.TransientError
		if err == nil || ctx.Err() != nil || !errors.As(err, &transient) {
			return err
		}
		if time.Since(began) > longAttempt {
			n, backoff = 1, firstBackoff
		}
		if n == maxAttempts {
			return err
		}
		delay := max(backoff, transient.After)
		report.Note(ctx, "attempt %d of %d, again in %s: %v", n, maxAttempts, delay, err)
		if err := wait.For(ctx, delay); err != nil {
			return err
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// eventFile is the file that a follower reads. Each event is one line, written at once.
type eventFile struct {
	mu   sync.Mutex
	file *os.File
}

func openEvents(path string) (*eventFile, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the events: %w", err)
	}
	return &eventFile{file: f}, nil
}

func (f *eventFile) write(e event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	return nil
}

// note writes a note. A failed write does not end the seed.
func (f *eventFile) note(text string) { _ = f.write(event{Note: text}) }

// close writes how the worker ended.
func (f *eventFile) close(err error) error {
	return errors.Join(f.write(event{End: newOutcome(err)}), f.file.Close())
}
