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

// readyPollInterval is how often waitReady checks a booting host.
const readyPollInterval = 100 * time.Millisecond

// container is one boot of a host: the systemd-nspawn process that runs it.
type container struct {
	ended   chan struct{} // closed when systemd-nspawn has ended
	exitErr error         // of systemd-nspawn; valid once ended is closed
	console string        // file with what the host printed
}

// joinCgroupsScript moves the shell into the host's cgroups before it becomes
// systemd-nspawn, so that the host never runs outside them.
const joinCgroupsScript = `while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 125; shift; done
shift
exec "$@"`

// startContainer boots the host's root with systemd as its first process.
func startContainer(h *Host) (*container, error) {
	c := &container{ended: make(chan struct{}), console: filepath.Join(h.dir, "console.log")}
	console, err := os.OpenFile(c.console, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open console: %w", err)
	}
	defer console.Close()
	args := append([]string{"-c", joinCgroupsScript, "sh"}, h.cgroup.dirs...)
	args = append(append(args, "--"), append(h.spec.affinity(), "systemd-nspawn")...)
	args = append(args, nspawnArgs(h)...)
	cmd := exec.Command("/bin/sh", args...)
	cmd.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		// nspawn's lock files would survive a crash, and each disk has only one process anyway.
		"SYSTEMD_NSPAWN_LOCK=0",
	}
	cmd.Stdout, cmd.Stderr = console, console
	// When the lab dies, even by SIGKILL, its hosts die too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The kernel sends Pdeathsig when the *thread* that started the child ends, so
		// the thread stays in this goroutine until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			c.exitErr = cmd.Wait()
			close(c.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start systemd-nspawn: %w", err)
	}
	return c, nil
}

// nspawnArgs returns arguments that work on a machine without systemd: the host is
// not registered, and it stays in the cgroup that it was started in.
func nspawnArgs(h *Host) []string {
	args := []string{
		"--quiet", "--boot", "--register=no", "--keep-unit", "--settings=no",
		"--directory=" + h.disk.root(),
		"--machine=" + h.record().Name, "--hostname=" + h.spec.Name,
		"--network-namespace-path=" + namespacePath(h.record().Name),
		"--capability=CAP_NET_ADMIN", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
		"--console=read-only",
	}
	if exists("/dev/net/tun") {
		args = append(args, "--bind=/dev/net/tun") // for mesh VPNs, which run in user space
	}
	return args
}

// running reports whether the host has not ended yet.
func (c *container) running() bool {
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// waitReady waits until sshd listens and, without a firewall, answers.
func (c *container) waitReady(ctx context.Context, h *Host) error {
	ticker := time.NewTicker(readyPollInterval)
	defer ticker.Stop()
	for {
		if leader, err := h.cgroup.leader(); err == nil && leader > 0 && portIsOpen(leader, 22) {
			if h.firewall != "" || sshAnswers(ctx, h.Address()) {
				return nil
			}
		}
		select {
		case <-c.ended:
			return fmt.Errorf("wait for sshd: the host ended: %w%s", errors.Join(c.exitErr, errors.New("its console says")), c.consoleTail())
		case <-ctx.Done():
			return fmt.Errorf("wait for sshd: %w; its console says%s", context.Cause(ctx), c.consoleTail())
		case <-ticker.C:
		}
	}
}

// consoleTail returns the end of the console, as tail does.
func (c *container) consoleTail() string {
	text, err := os.ReadFile(c.console)
	if err != nil {
		return ": " + err.Error()
	}
	return tail(string(text))
}

// portIsOpen reports whether a process's network namespace has a listening TCP port.
func portIsOpen(pid, port int) bool {
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

// sshAnswers reports whether sshd at the address sends its greeting.
func sshAnswers(ctx context.Context, address netip.Addr) bool {
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
