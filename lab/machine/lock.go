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

// lockPoll is how often a waiting lab looks whether a lock is free.
const lockPoll = 200 * time.Millisecond

// lock takes the exclusive lock on path and waits for it as long as ctx allows;
// waiting is called once, with who holds it. The kernel drops the lock when the
// process dies, so a lock is never stale. Closing the file releases it.
func lock(ctx context.Context, path string, waiting func(holder string)) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	ticker := time.NewTicker(lockPoll)
	defer ticker.Stop()
	for told := false; ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !told {
			told = true
			waiting(holder(path))
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, report.WithHint(fmt.Errorf("lock %s, held by %s: %w", path, holder(path), context.Cause(ctx)),
				"wait for the other lab to end, or end it")
		case <-ticker.C:
		}
	}
	if err := sign(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// sign leaves the process id in the lock file, for those who wait.
func sign(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("sign lock: %w", err)
	}
	if _, err := f.WriteAt(fmt.Appendf(nil, "process %d", os.Getpid()), 0); err != nil {
		return fmt.Errorf("sign lock: %w", err)
	}
	return nil
}

// holder returns who signed the lock last.
func holder(path string) string {
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return "another process"
	}
	return strings.TrimSpace(string(text))
}
