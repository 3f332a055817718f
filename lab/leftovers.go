package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/dcmigrate/migrate/lab/machine"
)

// Leftovers waits until no lab runs, for as long as ctx allows, and lists what
// earlier labs left on this machine: hosts, mounts, namespaces, processes. After
// Close the list is empty. No lab can start meanwhile.
func Leftovers(ctx context.Context) ([]string, error) {
	n := machine.NewNetwork("")
	lock, err := os.Open(filepath.Join(n.StateDir, n.Bridge+".lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return n.Leftovers() // no lab ever ran
	}
	if err != nil {
		return nil, fmt.Errorf("look for leftovers: %w", err)
	}
	defer lock.Close() //nolint:errcheck // releases the lock
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return n.Leftovers()
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			return nil, fmt.Errorf("look for leftovers: lock: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("look for leftovers: %w", context.Cause(ctx))
		}
	}
}
