package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// hostRecord is the content of host.json: the names of what a host makes on this
// machine. It is written before any of that is made.
type hostRecord struct {
	Name       string   `json:"name"`       // of its namespace, cgroup and container
	Interfaces []string `json:"interfaces"` // the bridge's ends of its veth pairs
}

// removeHost removes everything that a host made: its processes first, its record last.
func removeHost(ctx context.Context, t hostRecord, dir string) error {
	if t.Name != "" {
		g, err := openCgroup(t.Name)
		if err != nil {
			return err
		}
		if err := disconnect(ctx, t); err != nil {
			return err
		}
		if err := killProcesses(ctx, g); err != nil {
			return err
		}
		if err := removeNamespace(ctx, t.Name); err != nil {
			return err
		}
		if err := g.remove(); err != nil {
			return err
		}
		if err := removeRuntime(t.Name); err != nil {
			return err
		}
	}
	if err := unmountBelow(dir); err != nil {
		return err
	}
	// The folder with the record goes last, so that an interrupted removal can be resumed.
	for _, name := range []string{"upper", "work", "root"} {
		if err := removeTree(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return removeTree(dir)
}

// runtimeDirs are the folders in which systemd-nspawn keeps what a host shares with
// this machine.
var runtimeDirs = []string{"/run/systemd/nspawn/propagate", "/run/systemd/nspawn/unix-export"}

// removeRuntime removes the runtime folders that a killed systemd-nspawn leaves.
func removeRuntime(name string) error {
	for _, dir := range runtimeDirs {
		if err := removeTree(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// cleanUp removes what a dead lab left of this network: processes, mounts,
// namespaces, interfaces, the bridge, the state. It waits while the lab lives, for as
// long as ctx allows. It is idempotent.
func (n *Network) cleanUp(ctx context.Context) error {
	if err := n.validate(); err != nil {
		return err
	}
	if !exists(n.StateDir) {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lock != nil {
		return fmt.Errorf("clean up %s: it is open: close it", n.Bridge)
	}
	l, err := acquireLock(ctx, n.lockPath(), n.reportWaiting)
	if err != nil {
		return fmt.Errorf("clean up %s: %w", n.Bridge, err)
	}
	defer l.Close()
	if err := n.removeLeftovers(ctx); err != nil {
		return fmt.Errorf("clean up %s: %w", n.Bridge, err)
	}
	return nil
}

// CleanUp removes the leftovers of every network that is recorded below stateDir. It
// waits for networks that are open, for as long as ctx allows, and continues after
// errors.
func CleanUp(ctx context.Context, stateDir string, progress func(string)) error {
	files, err := filepath.Glob(filepath.Join(stateDir, "*", "network.json"))
	if err != nil {
		return fmt.Errorf("list labs: %w", err)
	}
	var errs []error
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			errs = append(errs, fmt.Errorf("read lab's record: %w", err))
			continue
		}
		var r networkRecord
		if err := json.Unmarshal(text, &r); err != nil {
			errs = append(errs, fmt.Errorf("read lab's record %s: %w", file, err))
			continue
		}
		n := &Network{Bridge: r.Bridge, Prefix: r.Prefix, Address: r.Address, StateDir: stateDir, Progress: progress}
		errs = append(errs, n.cleanUp(ctx))
	}
	return errors.Join(errs...)
}

// removeLeftovers does the work of cleanUp; the caller holds the lock.
func (n *Network) removeLeftovers(ctx context.Context) error {
	records, err := n.hostRecords()
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range slices.Sorted(maps.Keys(records)) {
		errs = append(errs, removeHost(ctx, records[dir], dir))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if exists(filepath.Join("/sys/class/net", n.Bridge)) {
		if _, err := runCommand(ctx, "", "ip", "link", "delete", "dev", n.Bridge); err != nil {
			return fmt.Errorf("remove bridge: %w", err)
		}
	}
	if _, err := runCommand(ctx, fmt.Sprintf("add table inet %[1]s\ndelete table inet %[1]s\n", n.Bridge), "nft", "-f", "-"); err != nil {
		return fmt.Errorf("remove forward rule: %w", err)
	}
	return removeTree(n.dir())
}

// hostRecords reads the hosts' records, by folder. A folder without a record gets an
// empty one: the lab died before it made anything else.
func (n *Network) hostRecords() (map[string]hostRecord, error) {
	entries, err := os.ReadDir(n.hostsDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list hosts: %w", err)
	}
	found := map[string]hostRecord{}
	for _, entry := range entries {
		dir := filepath.Join(n.hostsDir(), entry.Name())
		text, err := os.ReadFile(filepath.Join(dir, "host.json"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read host's record: %w", err)
		}
		var t hostRecord
		if err == nil {
			if err := json.Unmarshal(text, &t); err != nil {
				return nil, fmt.Errorf("read host's record %s: %w", dir, err)
			}
		}
		found[dir] = t
	}
	return found, nil
}

// Leftovers lists what exists on this machine of this network's hosts. It searches for
// their names and ignores the record. The list is empty before Open and after Close.
func (n *Network) Leftovers() ([]string, error) {
	var found []string
	roots, err := cgroupRoots()
	if err != nil {
		return nil, err
	}
	dirs := append([]string{"/run/netns", "/sys/class/net"}, roots...)
	for _, dir := range append(dirs, runtimeDirs...) {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("list leftovers: %w", err)
		}
		for _, entry := range entries {
			if strings.HasPrefix(entry.Name(), n.Prefix) || entry.Name() == n.Bridge {
				found = append(found, filepath.Join(dir, entry.Name()))
			}
		}
	}
	mounted, err := mountsBelow(n.dir())
	if err != nil {
		return nil, err
	}
	for _, point := range mounted {
		found = append(found, "mount "+point)
	}
	if exists(n.dir()) {
		found = append(found, n.dir())
	}
	if _, err := runCommand(context.Background(), "", "nft", "list", "table", "inet", n.Bridge); err == nil {
		found = append(found, "nftables table inet "+n.Bridge)
	}
	processes, err := n.processes()
	if err != nil {
		return nil, err
	}
	found = append(found, processes...)
	slices.Sort(found)
	return found, nil
}

// processes lists the systemd-nspawn processes of this network.
func (n *Network) processes() ([]string, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it ended meanwhile
		}
		words := strings.Split(string(text), "\x00")
		if filepath.Base(words[0]) == "systemd-nspawn" && slices.ContainsFunc(words, func(w string) bool {
			return strings.HasPrefix(w, "--machine="+n.Prefix)
		}) {
			found = append(found, "process "+filepath.Base(filepath.Dir(file)))
		}
	}
	return found, nil
}
