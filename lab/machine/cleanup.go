package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// traces is what host.json says: the names of what a host leaves on the
// machine. It is written before any of it is made.
type traces struct {
	Name       string   `json:"name"`       // of its namespace, cgroup and container
	Interfaces []string `json:"interfaces"` // the bridge's ends of its cables
}

// removeTraces removes all that a host left, processes first, its record last.
func removeTraces(ctx context.Context, t traces, dir string) error {
	if t.Name != "" {
		g, err := openGroup(t.Name)
		if err != nil {
			return err
		}
		if err := unplug(ctx, t); err != nil {
			return err
		}
		if err := killGroup(ctx, g); err != nil {
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
	// The record goes last: until then, whoever finds the folder knows the rest.
	for _, name := range []string{"upper", "work", "root"} {
		if err := removeTree(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return removeTree(dir)
}

// runtimeDirs are where systemd-nspawn keeps what a host shares with the machine.
var runtimeDirs = []string{"/run/systemd/nspawn/propagate", "/run/systemd/nspawn/unix-export"}

// removeRuntime removes what a killed systemd-nspawn could not.
func removeRuntime(name string) error {
	for _, dir := range runtimeDirs {
		if err := removeTree(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// CleanUp removes what a dead lab left of this network: processes, mounts,
// namespaces, interfaces, the bridge, the state. It waits while the lab lives, as
// long as ctx allows, and may be repeated.
func (n *Network) CleanUp(ctx context.Context) error {
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
	l, err := lock(ctx, n.lockPath(), n.waiting)
	if err != nil {
		return fmt.Errorf("clean up %s: %w", n.Bridge, err)
	}
	defer l.Close()
	if err := n.sweep(ctx); err != nil {
		return fmt.Errorf("clean up %s: %w", n.Bridge, err)
	}
	return nil
}

// CleanUp cleans up every network that is recorded below stateDir, waiting for
// those that live as long as ctx allows, and goes on after errors.
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
		var r record
		if err := json.Unmarshal(text, &r); err != nil {
			errs = append(errs, fmt.Errorf("read lab's record %s: %w", file, err))
			continue
		}
		n := &Network{Bridge: r.Bridge, Prefix: r.Prefix, Address: r.Address, StateDir: stateDir, Progress: progress}
		errs = append(errs, n.CleanUp(ctx))
	}
	return errors.Join(errs...)
}

// sweep does the work of CleanUp under the lock.
func (n *Network) sweep(ctx context.Context) error {
	records, err := n.records()
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range sortedKeys(records) {
		errs = append(errs, removeTraces(ctx, records[dir], dir))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if exists(filepath.Join("/sys/class/net", n.Bridge)) {
		if _, err := run(ctx, "", "ip", "link", "delete", "dev", n.Bridge); err != nil {
			return fmt.Errorf("remove bridge: %w", err)
		}
	}
	if _, err := run(ctx, fmt.Sprintf("add table inet %[1]s\ndelete table inet %[1]s\n", n.Bridge), "nft", "-f", "-"); err != nil {
		return fmt.Errorf("remove forward rule: %w", err)
	}
	return removeTree(n.dir())
}

// records reads what the hosts' folders say, by folder. A folder whose record
// was never finished has nothing but itself.
func (n *Network) records() (map[string]traces, error) {
	entries, err := os.ReadDir(n.hostsDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list hosts: %w", err)
	}
	found := map[string]traces{}
	for _, entry := range entries {
		dir := filepath.Join(n.hostsDir(), entry.Name())
		text, err := os.ReadFile(filepath.Join(dir, "host.json"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read host's record: %w", err)
		}
		var t traces
		if err == nil {
			if err := json.Unmarshal(text, &t); err != nil {
				return nil, fmt.Errorf("read host's record %s: %w", dir, err)
			}
		}
		found[dir] = t
	}
	return found, nil
}

// Leftovers lists what is on the machine of this network's hosts, by looking
// for their names and not at the record: nothing, before Open and after Close.
func (n *Network) Leftovers() ([]string, error) {
	var found []string
	roots, err := cgroupRoots()
	if err != nil {
		return nil, err
	}
	places := append([]string{"/run/netns", "/sys/class/net"}, roots...)
	for _, place := range append(places, runtimeDirs...) {
		entries, err := os.ReadDir(place)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("list leftovers: %w", err)
		}
		for _, entry := range entries {
			if strings.HasPrefix(entry.Name(), n.Prefix) || entry.Name() == n.Bridge {
				found = append(found, filepath.Join(place, entry.Name()))
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
	if _, err := run(context.Background(), "", "nft", "list", "table", "inet", n.Bridge); err == nil {
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
