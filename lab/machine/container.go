package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// readyPoll is how often a booting host is looked at.
const readyPoll = 100 * time.Millisecond

// container is one boot of a host: the systemd-nspawn process that runs it.
type container struct {
	done    chan struct{} // closed when systemd-nspawn has ended
	err     error         // how; to be read once done is closed
	console string        // file with what the host printed
}

// enter puts the shell into the host's cgroups before it becomes
// systemd-nspawn: there is no instant at which the host runs outside them.
const enter = `while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 125; shift; done
shift
exec "$@"`

// startContainer boots the host's root with systemd as its first process.
func startContainer(h *Host) (*container, error) {
	c := &container{done: make(chan struct{}), console: filepath.Join(h.dir, "console.log")}
	console, err := os.OpenFile(c.console, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open console: %w", err)
	}
	defer console.Close()
	args := append([]string{"-c", enter, "sh"}, h.group.dirs...)
	args = append(append(args, "--"), append(h.spec.affinity(), "systemd-nspawn")...)
	args = append(args, nspawnArgs(h)...)
	cmd := exec.Command("/bin/sh", args...)
	cmd.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		// Its lock files would outlive a crash; one process owns each disk anyway.
		"SYSTEMD_NSPAWN_LOCK=0",
	}
	cmd.Stdout, cmd.Stderr = console, console
	// When the lab dies, even by SIGKILL, so do its hosts.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The kernel sends Pdeathsig when the *thread* that started the child
		// ends, so that thread stays here for as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			c.err = cmd.Wait()
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start systemd-nspawn: %w", err)
	}
	return c, nil
}

// nspawnArgs are those that work without a systemd on the machine: nothing is
// registered, and the host stays in the cgroup it was started in.
func nspawnArgs(h *Host) []string {
	args := []string{
		"--quiet", "--boot", "--register=no", "--keep-unit", "--settings=no",
		"--directory=" + h.disk.root(),
		"--machine=" + h.traces().Name, "--hostname=" + h.spec.Name,
		"--network-namespace-path=" + namespacePath(h.traces().Name),
		"--capability=CAP_NET_ADMIN", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
		"--console=read-only",
	}
	if exists("/dev/net/tun") {
		args = append(args, "--bind=/dev/net/tun") // for mesh VPNs, which run in user space
	}
	return args
}

// running says whether the host has not ended yet.
func (c *container) running() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// waitReady waits until sshd listens, and answers where no firewall is set.
func (c *container) waitReady(ctx context.Context, h *Host) error {
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for {
		if leader, err := h.group.leader(); err == nil && leader > 0 && listens(leader, 22) {
			if h.firewall != "" || answers(ctx, h.Address()) {
				return nil
			}
		}
		select {
		case <-c.done:
			return fmt.Errorf("wait for sshd: the host ended: %w%s", errors.Join(c.err, errors.New("its console says")), c.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("wait for sshd: %w; its console says%s", context.Cause(ctx), c.lastWords())
		case <-ticker.C:
		}
	}
}

// lastWords returns the end of the console.
func (c *container) lastWords() string {
	text, err := os.ReadFile(c.console)
	if err != nil {
		return ": " + err.Error()
	}
	return tail(string(text))
}

// listens says whether a TCP port is open in the network namespace of a process.
func listens(pid, port int) bool {
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			continue
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			fields := strings.Fields(line)
			const listen = "0A" // TCP_LISTEN, see proc_pid_net(5)
			if len(fields) > 3 && fields[3] == listen && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
				return true
			}
		}
	}
	return false
}

// answers says whether sshd at the address greets.
func answers(ctx context.Context, address netip.Addr) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", netip.AddrPortFrom(address, 22).String())
	if err != nil {
		return false
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if conn.SetReadDeadline(deadline) != nil {
		return false
	}
	greeting := make([]byte, 4)
	n, err := conn.Read(greeting)
	return err == nil && string(greeting[:n]) == "SSH-"
}

// leader returns the id of the host's first process, or 0 when there is none.
func (g group) leader() (int, error) {
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
		// Its ids, outermost namespace first: ours and the host's, where it is 1.
		if ids := strings.Fields(line); len(ids) == 2 && ids[1] == "1" {
			return pid, nil
		}
	}
	return 0, nil
}

// killGroup ends every process of a host: its first one, with which the kernel
// ends the others and after which systemd-nspawn tidies up and ends, then
// whatever is left.
func killGroup(ctx context.Context, g group) error {
	leader, err := g.leader()
	if err != nil {
		return err
	}
	if leader > 0 {
		if err := syscall.Kill(leader, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill host: %w", err)
		}
	}
	const patience = 3 * time.Second
	forced := time.NewTimer(patience)
	defer forced.Stop()
	if leader == 0 {
		forced.Reset(0)
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
		case <-forced.C:
			force = true
		case <-ticker.C:
		}
	}
}
