package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// powerOffGrace is how long a host may take to shut down before its power is cut.
const powerOffGrace = 20 * time.Second

// Host is a Debian system with a disk, a network namespace and, while it is up,
// processes. Its methods may be called from several goroutines.
type Host struct {
	network *Network
	spec    Spec
	dir     string // state folder
	disk    disk
	group   group

	mu       sync.Mutex // held while the host goes up or down
	run      *container // nil while the host is down
	firewall string     // the ruleset of SetFirewall, kept over boots
	closed   bool
}

// Boot makes a host and boots it, and returns once its sshd takes connections.
// What it made is removed again when it fails.
func (n *Network) Boot(ctx context.Context, spec Spec) (*Host, error) {
	if err := spec.validate(n.Address); err != nil {
		return nil, fmt.Errorf("boot host %s: %w", spec.Name, err)
	}
	h, err := n.add(spec)
	if err != nil {
		return nil, fmt.Errorf("boot host %s: %w", spec.Name, err)
	}
	err = h.make()
	if err == nil {
		err = h.Start(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("boot host %s: %w", spec.Name, err), h.Close(context.WithoutCancel(ctx)))
	}
	return h, nil
}

// add gives the host its name on the network.
func (n *Network) add(spec Spec) (*Host, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hosts == nil {
		return nil, errors.New("the network is not open")
	}
	if _, ok := n.hosts[spec.Name]; ok {
		return nil, errors.New("there is a host of that name")
	}
	for _, other := range n.hosts {
		for _, a := range other.addresses() {
			for _, mine := range append(append([]netip.Addr{}, spec.Addresses...), spec.Private...) {
				if a == mine {
					return nil, fmt.Errorf("address %s is host %s's", a, other.spec.Name)
				}
			}
		}
	}
	g, err := openGroup(n.name(spec.Name))
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(n.hostsDir(), spec.Name)
	h := &Host{
		network: n, spec: spec, dir: dir, group: g,
		disk: disk{base: n.Base, layer: spec.Layer, dir: dir},
	}
	n.hosts[spec.Name] = h
	return h, nil
}

// make records the host and makes its disk.
func (h *Host) make() error {
	if err := os.Mkdir(h.dir, 0o700); err != nil {
		return fmt.Errorf("create state folder: %w", err)
	}
	text, err := json.Marshal(h.traces())
	if err != nil {
		return fmt.Errorf("record host: %w", err)
	}
	if err := replaceFile(filepath.Join(h.dir, "host.json"), text, 0o600); err != nil {
		return err
	}
	if err := h.disk.create(); err != nil {
		return err
	}
	if err := h.disk.mount(); err != nil {
		return err
	}
	return h.disk.prepare(h.spec, h.network.Address.Addr().String())
}

// traces is what a host leaves on the machine besides its folder.
func (h *Host) traces() traces {
	t := traces{Name: h.network.name(h.spec.Name), Interfaces: []string{h.network.veth(h.spec.Name, 0)}}
	if len(h.spec.Private) > 0 {
		t.Interfaces = append(t.Interfaces, h.network.veth(h.spec.Name, 1))
	}
	return t
}

// Start boots a host that is down, with the disk as it was left; it does
// nothing when the host is up. It returns once sshd takes connections.
func (h *Host) Start(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return fmt.Errorf("start host %s: it is closed", h.spec.Name)
	}
	if h.run != nil && h.run.running() {
		return nil
	}
	if err := h.start(ctx); err != nil {
		return fmt.Errorf("start host %s: %w", h.spec.Name, err)
	}
	return nil
}

func (h *Host) start(ctx context.Context) error {
	if err := h.clear(ctx); err != nil {
		return err
	}
	if err := h.disk.mount(); err != nil {
		return err
	}
	if err := h.plug(ctx); err != nil {
		return err
	}
	if h.firewall != "" {
		if err := h.applyFirewall(ctx, h.firewall); err != nil {
			return err
		}
	}
	if err := h.group.create(); err != nil {
		return err
	}
	run, err := startContainer(h)
	if err != nil {
		return err
	}
	h.run = run
	err = run.waitReady(ctx, h)
	if err == nil {
		err = h.show(ctx)
	}
	if err != nil {
		return errors.Join(err, h.cut(context.WithoutCancel(ctx)))
	}
	return nil
}

// PowerOff shuts the host down as its power button does, and cuts the power
// when that takes too long or ctx ends. The disk stays, Start boots it again.
func (h *Host) PowerOff(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.run != nil && h.run.running() {
		// systemd(1): SIGRTMIN+4 powers off.
		const powerOff = syscall.Signal(34 + 4)
		if leader, err := h.group.leader(); err == nil && leader > 0 {
			if err := syscall.Kill(leader, powerOff); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("power off host %s: %w", h.spec.Name, err)
			}
			grace := time.NewTimer(powerOffGrace)
			defer grace.Stop()
			select {
			case <-h.run.done:
			case <-grace.C:
			case <-ctx.Done():
			}
		}
	}
	if err := h.cut(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("power off host %s: %w", h.spec.Name, err)
	}
	return nil
}

// Kill is a crash: the cable is pulled first, so that no peer hears of it, then
// every process dies at once. The disk stays, Start boots it again.
func (h *Host) Kill() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.cut(context.Background()); err != nil {
		return fmt.Errorf("kill host %s: %w", h.spec.Name, err)
	}
	return nil
}

// Close stops the host and removes all that was made for it, its disk too.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	err := h.cut(ctx)
	if err == nil {
		err = removeTraces(ctx, h.traces(), h.dir)
	}
	if err != nil {
		return fmt.Errorf("close host %s: %w", h.spec.Name, err)
	}
	h.closed = true
	h.network.mu.Lock()
	delete(h.network.hosts, h.spec.Name)
	h.network.mu.Unlock()
	return nil
}

// cut ends the host's processes and takes its network away.
func (h *Host) cut(ctx context.Context) error {
	if err := unplug(ctx, h.traces()); err != nil {
		return err
	}
	if err := killGroup(ctx, h.group); err != nil {
		return err
	}
	if h.run != nil {
		select {
		case <-h.run.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		h.run = nil
	}
	return h.clear(ctx)
}

// clear removes what a boot made, the disk excepted. Its processes are gone.
func (h *Host) clear(ctx context.Context) error {
	if err := unplug(ctx, h.traces()); err != nil {
		return err
	}
	if err := removeNamespace(ctx, h.traces().Name); err != nil {
		return err
	}
	return h.group.remove()
}

// Name returns the host's name.
func (h *Host) Name() string { return h.spec.Name }

// Spec returns what the host was made from.
func (h *Host) Spec() Spec { return h.spec }

// Address returns the first public address.
func (h *Host) Address() netip.Addr { return h.spec.Addresses[0] }

// Running says whether the host is up.
func (h *Host) Running() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.run != nil && h.run.running()
}

func (h *Host) addresses() []netip.Addr {
	return append(append([]netip.Addr{}, h.spec.Addresses...), h.spec.Private...)
}

// HostKeys returns the public keys of the host's sshd, for known_hosts. A
// droplet with cloud-init makes them at its first boot: there are none before.
func (h *Host) HostKeys() ([]ssh.PublicKey, error) {
	files, err := filepath.Glob(filepath.Join(h.disk.root(), "etc/ssh/ssh_host_*_key.pub"))
	if err != nil {
		return nil, fmt.Errorf("list host keys: %w", err)
	}
	var keys []ssh.PublicKey
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read host key: %w", err)
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey(text)
		if err != nil {
			return nil, fmt.Errorf("read host key %s: %w", filepath.Base(file), err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// Exec runs a shell script as root inside the running host, without SSH, for
// the lab's own use. stdin and stdout may be nil. An error carries what the
// script wrote to its standard error.
func (h *Host) Exec(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	leader, err := h.group.leader()
	if err != nil {
		return fmt.Errorf("run script on host %s: %w", h.spec.Name, err)
	}
	if leader == 0 {
		return fmt.Errorf("run script on host %s: it is down", h.spec.Name)
	}
	cmd := command(ctx, "nsenter", "--target", fmt.Sprint(leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
		"--root", "--wd", "/bin/sh", "-c", script)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, &stderr
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("run script on host %s: %w%s", h.spec.Name, err, tail(stderr.String()))
	}
	return nil
}
