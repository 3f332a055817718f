package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/dcmigrate/migrate/report"
)

// lockPollInterval is how often a waiting lab tries the lock again.
const lockPollInterval = 200 * time.Millisecond

// acquireLock takes the exclusive lock on path and waits for it as long as ctx
// allows. If it must wait, it calls onWait once with the holder. The kernel drops
// the lock when the process dies, so a lock is never stale. Closing the file
// releases it.
func acquireLock(ctx context.Context, path string, onWait func(holder string)) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	ticker := time.NewTicker(lockPollInterval)
	defer ticker.Stop()
	for announced := false; ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !announced {
			announced = true
			onWait(readHolder(path))
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, report.WithHint(fmt.Errorf("lock %s, held by %s: %w", path, readHolder(path), context.Cause(ctx)),
				"wait for the other lab to end, or end it")
		case <-ticker.C:
		}
	}
	if err := writeHolder(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// writeHolder writes the process id into the lock file, for waiting labs.
func writeHolder(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("sign lock: %w", err)
	}
	if _, err := f.WriteAt(fmt.Appendf(nil, "process %d", os.Getpid()), 0); err != nil {
		return fmt.Errorf("sign lock: %w", err)
	}
	return nil
}

// readHolder returns the process that took the lock last.
func readHolder(path string) string {
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return "another process"
	}
	return strings.TrimSpace(string(text))
}
