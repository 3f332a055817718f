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

// powerOffGrace is how long a host may take to shut down before PowerOff cuts its power.
const powerOffGrace = 20 * time.Second

// Host is a Debian system with a disk, a network namespace and, while it is up,
// processes. It is safe for concurrent use.
type Host struct {
	network *Network
	spec    Spec
	dir     string // state folder
	disk    disk
	cgroup  cgroup

	mu        sync.Mutex // held while the host goes up or down
	container *container // nil while the host is down
	firewall  string     // the ruleset of SetFirewall, which survives boots
	closed    bool
}

// Boot makes a host, boots it, and returns when its sshd accepts connections. After an
// error it removes what it has made.
func (n *Network) Boot(ctx context.Context, spec Spec) (*Host, error) {
	if err := spec.validate(n.Address); err != nil {
		return nil, fmt.Errorf("boot host %s: %w", spec.Name, err)
	}
	h, err := n.addHost(spec)
	if err != nil {
		return nil, fmt.Errorf("boot host %s: %w", spec.Name, err)
	}
	err = h.createDisk()
	if err == nil {
		err = h.Start(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("boot host %s: %w", spec.Name, err), h.Close(context.WithoutCancel(ctx)))
	}
	return h, nil
}

// addHost reserves the host's name and addresses on the network.
func (n *Network) addHost(spec Spec) (*Host, error) {
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
	g, err := openCgroup(n.hostID(spec.Name))
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(n.hostsDir(), spec.Name)
	h := &Host{
		network: n, spec: spec, dir: dir, cgroup: g,
		disk: disk{base: n.Base, layer: spec.Layer, dir: dir},
	}
	n.hosts[spec.Name] = h
	return h, nil
}

// createDisk records the host and makes its disk.
func (h *Host) createDisk() error {
	if err := os.Mkdir(h.dir, 0o700); err != nil {
		return fmt.Errorf("create state folder: %w", err)
	}
	text, err := json.Marshal(h.record())
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

// record returns the names of what the host makes on this machine besides its folder.
func (h *Host) record() hostRecord {
	t := hostRecord{Name: h.network.hostID(h.spec.Name), Interfaces: []string{h.network.veth(h.spec.Name, 0)}}
	if len(h.spec.Private) > 0 {
		t.Interfaces = append(t.Interfaces, h.network.veth(h.spec.Name, 1))
	}
	return t
}

// Start boots a host that is down, from its disk as it is, and returns when sshd
// accepts connections. It does nothing if the host is up.
func (h *Host) Start(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return fmt.Errorf("start host %s: it is closed", h.spec.Name)
	}
	if h.container != nil && h.container.running() {
		return nil
	}
	if err := h.bootContainer(ctx); err != nil {
		return fmt.Errorf("start host %s: %w", h.spec.Name, err)
	}
	return nil
}

func (h *Host) bootContainer(ctx context.Context) error {
	if err := h.removeBootParts(ctx); err != nil {
		return err
	}
	if err := h.disk.mount(); err != nil {
		return err
	}
	if err := h.connect(ctx); err != nil {
		return err
	}
	if h.firewall != "" {
		if err := h.applyFirewall(ctx, h.firewall); err != nil {
			return err
		}
	}
	if err := h.cgroup.create(); err != nil {
		return err
	}
	container, err := startContainer(h)
	if err != nil {
		return err
	}
	h.container = container
	err = container.waitReady(ctx, h)
	if err == nil {
		err = h.showResources(ctx)
	}
	if err != nil {
		return errors.Join(err, h.stop(context.WithoutCancel(ctx)))
	}
	return nil
}

// PowerOff shuts the host down as its power button does. It cuts the power if that
// takes longer than 20 s or ctx ends. The disk stays; Start boots the host again.
func (h *Host) PowerOff(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.container != nil && h.container.running() {
		// systemd(1): SIGRTMIN+4 powers off.
		const powerOff = syscall.Signal(34 + 4)
		if leader, err := h.cgroup.leader(); err == nil && leader > 0 {
			if err := syscall.Kill(leader, powerOff); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("power off host %s: %w", h.spec.Name, err)
			}
			grace := time.NewTimer(powerOffGrace)
			defer grace.Stop()
			select {
			case <-h.container.ended:
			case <-grace.C:
			case <-ctx.Done():
			}
		}
	}
	if err := h.stop(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("power off host %s: %w", h.spec.Name, err)
	}
	return nil
}

// Kill simulates a crash: it disconnects the network first, so that no peer is told,
// then kills every process. The disk stays; Start boots the host again.
func (h *Host) Kill() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.stop(context.Background()); err != nil {
		return fmt.Errorf("kill host %s: %w", h.spec.Name, err)
	}
	return nil
}

// Close stops the host and removes everything that was made for it, its disk included.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	err := h.stop(ctx)
	if err == nil {
		err = removeHost(ctx, h.record(), h.dir)
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

// stop kills the host's processes and removes its network.
func (h *Host) stop(ctx context.Context) error {
	if err := disconnect(ctx, h.record()); err != nil {
		return err
	}
	if err := killProcesses(ctx, h.cgroup); err != nil {
		return err
	}
	if h.container != nil {
		select {
		case <-h.container.ended:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		h.container = nil
	}
	return h.removeBootParts(ctx)
}

// removeBootParts removes what a boot makes besides the disk. The processes must have
// ended.
func (h *Host) removeBootParts(ctx context.Context) error {
	if err := disconnect(ctx, h.record()); err != nil {
		return err
	}
	if err := removeNamespace(ctx, h.record().Name); err != nil {
		return err
	}
	return h.cgroup.remove()
}

// Name returns the host's name.
func (h *Host) Name() string { return h.spec.Name }

// Address returns the first public address.
func (h *Host) Address() netip.Addr { return h.spec.Addresses[0] }

// isUp reports whether the host is up.
func (h *Host) isUp() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.container != nil && h.container.running()
}

func (h *Host) addresses() []netip.Addr {
	return append(append([]netip.Addr{}, h.spec.Addresses...), h.spec.Private...)
}

// HostKeys returns the public keys of the host's sshd, for known_hosts. A droplet with
// cloud-init makes them at its first boot and has none before.
func (h *Host) HostKeys() ([]ssh.PublicKey, error) {
	keyFiles, err := filepath.Glob(filepath.Join(h.disk.root(), "etc/ssh/ssh_host_*_key.pub"))
	if err != nil {
		return nil, fmt.Errorf("list host keys: %w", err)
	}
	var keys []ssh.PublicKey
	for _, file := range keyFiles {
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

// Exec runs a shell script as root inside the running host, without SSH. stdin and
// stdout may be nil. An error carries the end of the script's standard error.
func (h *Host) Exec(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	leader, err := h.cgroup.leader()
	if err != nil {
		return fmt.Errorf("run script on host %s: %w", h.spec.Name, err)
	}
	if leader == 0 {
		return fmt.Errorf("run script on host %s: it is down", h.spec.Name)
	}
	cmd := newCommand(ctx, "nsenter", "--target", fmt.Sprint(leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
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
