package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dcmigrate/migrate/report"
)

// Holder is who holds a migration's lock.
type Holder struct {
	Who   string    `json:"who"`
	PID   int       `json:"pid"`
	Verb  string    `json:"verb"`
	Since time.Time `json:"since"`
}

// LockedError refuses a second operator and names the first.
type LockedError struct{ Holder Holder }

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s holds the lock of this migration (pid %d, %s since %s)",
		e.Holder.Who, e.Holder.PID, e.Holder.Verb, e.Holder.Since.Format(time.TimeOnly))
}

// Lock is one migration's lock. The kernel frees it whenever its process ends
// (flock(2)), so a crash never leaves a stale one.
type Lock struct{ file *os.File }

// TakeLock takes the lock at path for h, or returns a *LockedError.
func TakeLock(path string, h Holder) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make state folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := flock(f); err != nil {
		defer f.Close() //nolint:errcheck // nothing was written
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		var first Holder
		if data, err := io.ReadAll(f); err == nil {
			_ = json.Unmarshal(data, &first) // a half-written holder is named as far as it was written
		}
		return nil, report.WithHint(&LockedError{first}, "wait for it to end, or watch it: migrate status")
	}
	data, err := json.Marshal(h)
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(data, 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write lock: %w", err), f.Close())
	}
	return &Lock{f}, nil
}

// flock retries for a moment, because LockHolder also takes the lock for an instant.
func flock(f *os.File) (err error) {
	tick := time.NewTicker(lockTry)
	defer tick.Stop()
	for range lockTries {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		<-tick.C
	}
	return err
}

const (
	lockTry   = 20 * time.Millisecond
	lockTries = 10
)

// LockHolder returns who holds the lock at path now; ok is false when it is free.
func LockHolder(path string) (h Holder, ok bool) {
	f, err := os.Open(path)
	if err != nil {
		return h, false
	}
	defer f.Close() //nolint:errcheck // only read
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		return h, false // free; Close releases it again
	}
	data, err := io.ReadAll(f)
	if err == nil {
		err = json.Unmarshal(data, &h)
	}
	return h, err == nil
}

// Release frees the lock.
func (l *Lock) Release() error { return l.file.Close() }
