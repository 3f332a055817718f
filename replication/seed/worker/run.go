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
	// jobPatience is how long a worker waits for its job.
	jobPatience = time.Minute
	// A worker tries again by itself, because nobody may be there to do so.
	workerTries   = 10
	workerBackoff = time.Second
	workerLongest = time.Minute
	// workerGood is how long a try must have lasted for the tries to be counted anew.
	workerGood = 5 * time.Minute
)

// seedJob is what a worker is handed over its pipe. It holds logins: it is
// never stored and never printed.
type seedJob struct {
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

// pair is the job's pair, the target on this machine.
func (j seedJob) pair() replication.Pair {
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

// readJob decodes one job; what is said of a wrong one does not quote it.
func readJob(r io.Reader) (seedJob, error) {
	var job seedJob
	if err := json.NewDecoder(r).Decode(&job); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return job, report.Transient(errors.New("read the job: nobody has written it"), 0)
		}
		return job, errors.New("read the job: it is not one")
	}
	return job, nil
}

// Check reads a job from r and logs in to both of its servers. Its
// status is the process's exit status: SeedOnTarget knows it.
func Check(ctx context.Context, r io.Reader) (status int, err error) {
	job, err := readJob(r)
	if err != nil {
		return 1, err
	}
	pair := job.pair()
	defer pair.Source.Close() //nolint:errcheck // of a process that ends
	defer pair.Target.Close() //nolint:errcheck // as above
	if _, err := pair.Target.Dialect(ctx); err != nil {
		return exitWorkerTarget, err
	}
	if _, err := pair.Source.Dialect(ctx); err != nil {
		return exitWorkerSource, err
	}
	return 0, nil
}

// Run is the worker of SeedOnTarget: it reads its job from the pipe
// "job" in dir, runs the seed, and writes what there is to say into "events".
func Run(ctx context.Context, dir string) (err error) {
	events, err := openEvents(filepath.Join(dir, "events"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, events.close(err)) }()
	job, err := receiveJob(filepath.Join(dir, "job"), jobPatience)
	if err != nil {
		return err
	}
	pair := job.pair()
	defer pair.Source.Close() //nolint:errcheck // of a process that ends
	defer pair.Target.Close() //nolint:errcheck // as above
	err = applyAgain(report.WithNotes(ctx, events.note), &seed.Op{Pair: pair, Options: job.Options.WithDefaults()})
	if ctx.Err() != nil { // its host restarts, perhaps
		return report.Transient(errors.New("the worker was told to end before the seed was done"), 0)
	}
	return err
}

// receiveJob reads the job from a pipe and takes the pipe away. It is opened for
// both directions: so opening waits for nobody, and a controller that has gone
// before it wrote anything ends the worker when the patience does.
func receiveJob(path string, patience time.Duration) (seedJob, error) {
	pipe, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return seedJob{}, fmt.Errorf("open the pipe of the job: %w", err)
	}
	defer pipe.Close() //nolint:errcheck // only read
	if err := pipe.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return seedJob{}, fmt.Errorf("wait for the job: %w", err)
	}
	job, err := readJob(pipe)
	return job, errors.Join(err, os.Remove(path))
}

// applyAgain applies the seed, again where that is right.
func applyAgain(ctx context.Context, s *seed.Op) error {
	backoff := workerBackoff
	for n := 1; ; n++ {
		began := time.Now()
		err := s.Apply(ctx)
		var transient *report.TransientError
		if err == nil || ctx.Err() != nil || !errors.As(err, &transient) {
			return err
		}
		if time.Since(began) > workerGood {
			n, backoff = 1, workerBackoff
		}
		if n == workerTries {
			return err
		}
		rest := max(backoff, transient.After)
		report.Note(ctx, "attempt %d of %d, again in %s: %v", n, workerTries, rest, err)
		if err := wait.For(ctx, rest); err != nil {
			return err
		}
		backoff = min(2*backoff, workerLongest)
	}
}

// events is the file that a follower reads: a line each, whole or not at all.
type events struct {
	mu   sync.Mutex
	file *os.File
}

func openEvents(path string) (*events, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the events: %w", err)
	}
	return &events{file: f}, nil
}

func (e *events) write(event workerEvent) error {
	line, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	return nil
}

// note writes a note. One that cannot be written does not end the seed.
func (e *events) note(text string) { _ = e.write(workerEvent{Note: text}) }

// close writes how the worker has ended.
func (e *events) close(err error) error {
	return errors.Join(e.write(workerEvent{End: newWorkerEnd(err)}), e.file.Close())
}
