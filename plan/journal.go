package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/dcmigrate/migrate/report"
)

// Journal is the append-only record of a migration: JSON lines, mode 0600. Each is
// fsynced before Append returns. The terminal, the status page and the report are
// readers of this one stream.
type Journal struct {
	mu      sync.Mutex
	file    *os.File
	seq     int
	history *History
	readers []func(Event)
	who     string
	size    int64 // up to the last whole line
	broken  error // set once a torn line could not be cut off: nothing may follow it

	// Now is the clock; time.Now unless a test sets it.
	Now func() time.Time
	// Torn is the number of bytes of an unfinished last line that OpenJournal cut
	// off: the process died during a write.
	Torn int
}

// OpenJournal opens or creates the journal at path; its events carry who as their
// writer. It cuts off a torn last line. A damaged line anywhere else is an error
// that names the line.
func OpenJournal(path, who string) (*Journal, error) {
	created, err := ensure(path)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j := &Journal{file: f, who: who, Now: time.Now}
	if err := j.load(path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if created {
		if err := syncDir(filepath.Dir(path)); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return j, nil
}

func ensure(path string) (created bool, err error) {
	if _, err := os.Stat(path); err == nil {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return false, fmt.Errorf("make state folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return false, fmt.Errorf("create journal: %w", err)
	}
	return true, f.Close()
}

func (j *Journal) load(path string) error {
	data, err := io.ReadAll(j.file)
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	whole := data[:bytes.LastIndexByte(data, '\n')+1]
	if j.Torn = len(data) - len(whole); j.Torn > 0 {
		if err := j.file.Truncate(int64(len(whole))); err != nil {
			return fmt.Errorf("cut the torn line off %s: %w", path, err)
		}
		if err := j.file.Sync(); err != nil {
			return fmt.Errorf("sync journal: %w", err)
		}
	}
	events, err := parseEvents(whole, path)
	if err != nil {
		return err
	}
	j.size = int64(len(whole))
	j.history = newHistory()
	for _, e := range events {
		j.history.add(e)
		j.seq = e.Seq
	}
	return nil
}

func parseEvents(data []byte, path string) ([]Event, error) {
	var events []Event
	for n, line := range bytes.Split(data, []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, report.WithHint(fmt.Errorf("%s:%d: damaged journal line: %w", path, n+1, err),
				"the journal is append-only: restore it from a copy, nothing was changed")
		}
		events = append(events, e)
	}
	return events, nil
}

// ReadJournal returns the events of the journal at path and changes nothing. It
// leaves out a torn last line; a missing file has no events.
func ReadJournal(path string) ([]Event, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	return parseEvents(data[:bytes.LastIndexByte(data, '\n')+1], path)
}

// Fold returns the history of events.
func Fold(events []Event) *History {
	h := newHistory()
	for _, e := range events {
		h.add(e)
	}
	return h
}

// Subscribe adds a reader of every later event. Readers are called in order, one
// at a time, and must be quick.
func (j *Journal) Subscribe(read func(Event)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.readers = append(j.readers, read)
}

// Events is the number of the last event.
func (j *Journal) Events() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.seq
}

// History returns the history so far, as a copy.
func (j *Journal) History() *History {
	j.mu.Lock()
	defer j.mu.Unlock()
	h := newHistory()
	for key, r := range j.history.Steps {
		c := *r
		h.Steps[key] = &c
	}
	maps.Copy(h.inForce, j.history.inForce)
	for _, r := range j.history.Runs {
		c := *r
		h.Runs = append(h.Runs, &c)
	}
	return h
}

// Append gives e its number, time and writer, writes and syncs it, and passes it
// to the readers.
func (j *Journal) Append(e Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.Seq, e.Time, e.Who = j.seq+1, j.Now().UTC(), j.who
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode journal event: %w", err)
	}
	if err := j.write(append(line, '\n')); err != nil {
		return err
	}
	j.seq = e.Seq
	j.history.add(e)
	j.tell(e)
	return nil
}

// write appends one line, whole or not at all: after a full disk, the next line
// must not continue half of this one.
func (j *Journal) write(line []byte) error {
	if j.broken != nil {
		return j.broken
	}
	_, err := j.file.Write(line)
	if err == nil {
		err = j.file.Sync()
	}
	if err == nil {
		j.size += int64(len(line))
		return nil
	}
	err = fmt.Errorf("write journal: %w", err)
	if cut := j.file.Truncate(j.size); cut != nil {
		j.broken = errors.Join(err, fmt.Errorf("cut off the torn line: %w", cut))
		return j.broken
	}
	return err
}

// show passes an event that is not written to the file (progress) to the readers.
func (j *Journal) show(e Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.Time, e.Who = j.Now().UTC(), j.who
	j.tell(e)
}

func (j *Journal) tell(e Event) {
	for _, read := range j.readers {
		read(e)
	}
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }

func sortRecords(rs []Record) {
	slices.SortFunc(rs, func(a, b Record) int { return a.Order - b.Order })
}
