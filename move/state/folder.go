// Package state is a move's state folder: the journal, the lock, the reviewed
// plans, and the reports of verifies and conflicts. It needs only the folder's path.
// It promises that each file is written completely or not at all, and that one verb
// writes at a time.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/dcmigrate/migrate/plan"
)

// Folder is the state folder. It is created by the first write.
type Folder struct {
	dir string

	mu      sync.Mutex
	journal *plan.Journal // inside Write
}

// At is the state folder at a path.
func At(dir string) *Folder { return &Folder{dir: dir} }

// Path is the path of a file or folder in the state folder.
func (f *Folder) Path(name string) string { return filepath.Join(f.dir, name) }

// JournalPath is where the journal is kept.
func (f *Folder) JournalPath() string { return f.Path("journal.jsonl") }

// ReviewPath is where the reviewed plan of a kind is kept.
func (f *Folder) ReviewPath(kind string) string { return f.Path("plan-" + kind + ".json") }

// Events are all events of the journal; a missing journal has none.
func (f *Folder) Events() ([]plan.Event, error) { return plan.ReadJournal(f.JournalPath()) }

// History is the history so far: inside Write that of the open journal.
func (f *Folder) History() (*plan.History, error) {
	f.mu.Lock()
	j := f.journal
	f.mu.Unlock()
	if j != nil {
		return j.History(), nil
	}
	events, err := f.Events()
	if err != nil {
		return nil, err
	}
	return plan.Fold(events), nil
}

// Holder is who is running a verb that writes; ok is false if none runs.
func (f *Folder) Holder() (h plan.Holder, ok bool) { return plan.LockHolder(f.Path("lock")) }

// Write runs work with the move's lock held and its journal open. A second operator
// gets a *plan.LockedError. watch, which may be nil, reads every event.
func (f *Folder) Write(verb string, watch func(plan.Event), work func(*plan.Journal) error) (err error) {
	lock, err := plan.TakeLock(f.Path("lock"), plan.Holder{Who: who(), PID: os.Getpid(), Verb: verb, Since: time.Now().UTC()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	j, err := plan.OpenJournal(f.JournalPath(), who())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	if watch != nil {
		j.Subscribe(watch)
	}
	if j.Torn > 0 {
		if err := j.Append(plan.Event{Kind: verb, Type: plan.StepNote, Text: fmt.Sprintf("cut %d bytes of a torn last line off the journal", j.Torn)}); err != nil {
			return err
		}
	}
	f.live(j)
	defer f.live(nil)
	return work(j)
}

func (f *Folder) live(j *plan.Journal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.journal = j
}

// read reads a JSON file of the folder; ok is false when it does not exist.
func (f *Folder) read(name string, into any) (ok bool, err error) {
	path := f.Path(name)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	return true, nil
}

// who is the operator, for the journal and the lock.
func who() string {
	name := "uid " + strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return name + "@" + host
}
