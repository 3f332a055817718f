package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/dcmigrate/migrate/report"
	"golang.org/x/sys/unix"
)

// cgroupRoots returns the hierarchies in which systemd keeps its groups: the
// unified one, or on a hybrid machine the named one and the unified one beside it.
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

// group is a control group of one host's processes, in every hierarchy. It is
// the one handle on them that survives the lab's own death.
type group struct{ dirs []string }

// openGroup returns the group of that name, which may not exist yet.
func openGroup(name string) (group, error) {
	roots, err := cgroupRoots()
	if err != nil {
		return group{}, err
	}
	var g group
	for _, root := range roots {
		g.dirs = append(g.dirs, filepath.Join(root, name))
	}
	return g, nil
}

// create makes the group.
func (g group) create() error {
	for _, dir := range g.dirs {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("create cgroup: %w", err)
		}
	}
	return nil
}

// processes returns the ids of all processes in the group and below it.
func (g group) processes() ([]int, error) {
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
func (g group) kill() error {
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

// remove deletes the group, which must be empty of processes.
func (g group) remove() error {
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

// ignoreGone drops the errors of things that ended while they were looked at.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}
