package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dcmigrate/migrate/report"
)

// cgroupRoots returns the hierarchies in which systemd keeps its groups: the unified
// one, or on a hybrid machine the named and the unified one.
func cgroupRoots() ([]string, error) {
	const root = "/sys/fs/cgroup"
	var st unix.Statfs_t
	if err := unix.Statfs(root, &st); err == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
		return []string{root}, nil
	}
	var found []string
	for _, name := range []string{"systemd", "unified"} {
		if exists(filepath.Join(root, name, "cgroup.procs")) {
			found = append(found, filepath.Join(root, name))
		}
	}
	if len(found) == 0 {
		return nil, report.WithHint(errors.New("lab hosts need a cgroup hierarchy for systemd, "+root+" has none"),
			"mount cgroup2 on %s", root)
	}
	return found, nil
}

// cgroup is the control group of one host's processes, in every hierarchy. It still
// identifies them after the lab has died.
type cgroup struct{ dirs []string }

// openCgroup returns the group of that name, which need not exist yet.
func openCgroup(name string) (cgroup, error) {
	roots, err := cgroupRoots()
	if err != nil {
		return cgroup{}, err
	}
	var g cgroup
	for _, root := range roots {
		g.dirs = append(g.dirs, filepath.Join(root, name))
	}
	return g, nil
}

// create makes the group.
func (g cgroup) create() error {
	for _, dir := range g.dirs {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("create cgroup: %w", err)
		}
	}
	return nil
}

// processes returns the ids of all processes in the group and below it.
func (g cgroup) processes() ([]int, error) {
	seen := map[int]bool{}
	var pids []int
	for _, dir := range g.dirs {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.Name() != "cgroup.procs" {
				return ignoreGone(err)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return ignoreGone(err)
			}
			for _, word := range strings.Fields(string(text)) {
				if pid, err := strconv.Atoi(word); err == nil && pid > 0 && !seen[pid] {
					seen[pid] = true
					pids = append(pids, pid)
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list processes: %w", err)
		}
	}
	return pids, nil
}

// kill sends SIGKILL to every process in the group.
func (g cgroup) kill() error {
	pids, err := g.processes()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill process %d: %w", pid, err)
		}
	}
	return nil
}

// remove deletes the group, which must have no processes.
func (g cgroup) remove() error {
	for _, dir := range g.dirs {
		var below []string
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				below = append(below, path)
			}
			return ignoreGone(err)
		})
		if err != nil {
			return fmt.Errorf("list cgroup: %w", err)
		}
		for i := len(below) - 1; i >= 0; i-- {
			if err := ignoreGone(syscall.Rmdir(below[i])); err != nil {
				return fmt.Errorf("remove cgroup %s: %w", below[i], err)
			}
		}
	}
	return nil
}

// ignoreGone returns nil for the error of a group or process that has just ended.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// leader returns the id of the host's first process, or 0 if there is none.
func (g cgroup) leader() (int, error) {
	pids, err := g.processes()
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue // it ended meanwhile
		}
		_, rest, _ := strings.Cut(string(status), "\nNSpid:")
		line, _, _ := strings.Cut(rest, "\n")
		// The ids of the process, outermost namespace first: this machine's, then the
		// host's, where it is 1.
		if ids := strings.Fields(line); len(ids) == 2 && ids[1] == "1" {
			return pid, nil
		}
	}
	return 0, nil
}

// killProcesses kills every process of a host. It kills the first one, with which the
// kernel kills the others and after which systemd-nspawn cleans up and ends. What is
// left after the grace period it kills, too.
func killProcesses(ctx context.Context, g cgroup) error {
	leader, err := g.leader()
	if err != nil {
		return err
	}
	if leader > 0 {
		if err := syscall.Kill(leader, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill host: %w", err)
		}
	}
	const gracePeriod = 3 * time.Second
	graceTimer := time.NewTimer(gracePeriod)
	defer graceTimer.Stop()
	if leader == 0 {
		graceTimer.Reset(0)
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for force := false; ; {
		if force {
			if err := g.kill(); err != nil {
				return err
			}
		}
		pids, err := g.processes()
		if err != nil || len(pids) == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("kill host: %d processes left: %w", len(pids), context.Cause(ctx))
		case <-graceTimer.C:
			force = true
		case <-ticker.C:
		}
	}
}
