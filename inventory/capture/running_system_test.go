package capture

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/remote/remotetest"
)

// bootedHost is a Debian system that systemd has started.
type bootedHost struct {
	*debianHost
	leader int
}

// Run implements remote.Host.
func (b *bootedHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	name := fmt.Sprintf("/var/tmp/script-%d", b.count.Add(1)) // the booted system mounts a /tmp of its own
	if err := os.WriteFile(b.root+name, []byte(script), 0o600); err != nil {
		return err
	}
	defer os.Remove(b.root + name)
	return b.Local.Run(ctx, fmt.Sprintf("exec nsenter --target %d --mount --uts --ipc --net --pid --root --wd /bin/sh %s", b.leader, name), stdin, stdout)
}

// boot starts systemd of a system in a container.
func boot(t *testing.T, r *debianHost) *bootedHost {
	t.Helper()
	for _, tool := range []string{"systemd-nspawn", "nsenter"} {
		_, err := exec.LookPath(tool)
		remotetest.Need(t, err == nil, tool)
	}
	require.NoError(t, os.RemoveAll(r.root+"/etc/machine-id"))
	cmd := exec.Command("systemd-nspawn", "--boot", "--register=no", "--keep-unit", "--private-network", "--link-journal=no",
		"--console=pipe", "-D", r.root, fmt.Sprintf("--machine=inventory%d", os.Getpid()))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		_ = cmd.Wait()
	})
	b := &bootedHost{debianHost: r}
	require.Eventually(t, func() bool {
		b.leader = childOf(cmd.Process.Pid)
		if b.leader == 0 {
			return false
		}
		var out strings.Builder
		err := b.Run(t.Context(), "systemctl is-system-running", nil, &out)
		state := strings.TrimSpace(out.String())
		return state == "running" || state == "degraded" && err != nil
	}, 120*time.Second, 200*time.Millisecond, "the system does not come up")
	return b
}

// childOf returns the first systemd below a process: the init of the container.
func childOf(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0
	}
	for _, field := range strings.Fields(string(text)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			continue
		}
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", child)); err == nil && strings.HasPrefix(string(comm), "systemd") {
			return child
		}
		if below := childOf(child); below != 0 {
			return below
		}
	}
	return 0
}

// On a running system everything has a cause except a program that was installed by
// hand.
func TestCaptureRunningSystem(t *testing.T) {
	host := newDebianHost(t, "bookworm")
	host.write(t, "/opt/stray/stray", "#!/bin/sh\nwhile sleep 1000; do :; done\n", 0o755)
	host.write(t, "/etc/systemd/system/stray.service", "[Service]\nExecStart=/opt/stray/stray\n[Install]\nWantedBy=multi-user.target\n", 0o644)
	host.write(t, "/etc/systemd/system/broken.service", "[Service]\nExecStart=/bin/false\n[Install]\nWantedBy=multi-user.target\n", 0o644)
	host.write(t, "/etc/systemd/system/tick.timer", "[Timer]\nOnCalendar=*-*-* 03:00:00\n[Install]\nWantedBy=timers.target\n", 0o644)
	host.write(t, "/etc/systemd/system/tick.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n", 0o644)
	host.write(t, "/srv/app/listen.pl", "use IO::Socket; my $s = IO::Socket::INET->new(LocalPort => 9123, Listen => 5) or die; sleep 1000;\n", 0o644)
	host.write(t, "/etc/systemd/system/listen.service", "[Service]\nExecStart=/usr/bin/perl /srv/app/listen.pl --password=on-the-command-line1\n[Install]\nWantedBy=multi-user.target\n", 0o644)
	out, err := exec.Command("chroot", host.root, "systemctl", "--root=/", "enable", "stray.service", "broken.service", "tick.timer", "listen.service").CombinedOutput()
	require.NoError(t, err, "%s", out)
	system := boot(t, host)
	h := captureOne(t, Target{Host: system, Files: []string{"/srv/app"}})

	require.Equal(t, "systemd", h.OS.Init)
	service := func(unit string) inventory.Service {
		s := find(h.Services, func(s inventory.Service) bool { return s.Unit == unit })
		require.NotNil(t, s, unit)
		return *s
	}
	require.Equal(t, inventory.Service{Unit: "cron.service", Enabled: "enabled", Active: "active", Package: "cron"}, service("cron.service"))
	require.Equal(t, "failed", service("broken.service").Active)
	require.Equal(t, "/etc/systemd/system/stray.service", service("stray.service").File)
	timer := find(h.Timers, func(x inventory.Timer) bool { return x.Unit == "tick.timer" })
	require.Equal(t, &inventory.Timer{Unit: "tick.timer", Starts: "tick.service", Schedule: []string{"OnCalendar=*-*-* 03:00:00"}, Enabled: "enabled", Active: "active", Cause: inventory.Cause{Kind: inventory.ByFile, Name: "/etc/systemd/system/tick.timer"}}, timer)

	program := find(h.Programs, func(p inventory.Program) bool { return p.Path == "/usr/sbin/cron" })
	require.Equal(t, &inventory.Program{Path: "/usr/sbin/cron", User: "root", Unit: "cron.service", Cause: inventory.Cause{Kind: inventory.ByPackage, Name: "cron"}}, program)
	perl := find(h.Programs, func(p inventory.Program) bool { return p.Unit == "listen.service" })
	require.Equal(t, inventory.Text("/srv/app/listen.pl"), perl.Script)
	require.Equal(t, inventory.Cause{Kind: inventory.ByFile, Name: "/srv/app/listen.pl"}, perl.Cause)
	listener := find(h.Listeners, func(l inventory.Listener) bool { return l.Port == 9123 })
	require.Equal(t, &inventory.Listener{Protocol: "tcp", Address: "0.0.0.0", Port: 9123, Process: "perl", Package: "perl-base", Unit: "listen.service", Cause: inventory.Cause{Kind: inventory.ByFile, Name: "/srv/app/listen.pl"}}, listener)
	require.NotContains(t, fmt.Sprint(h), "on-the-command-line1")
	require.Nil(t, find(h.Programs, func(p inventory.Program) bool { return p.Unit == "" && !p.Cause.Explained() }), "the capture itself is not part of the host: %v", h.Programs)

	require.Equal(t, []string{"program /usr/bin/dash /opt/stray/stray"}, h.Coverage.Unexplained)
	require.Equal(t, h.Coverage.Total-1, h.Coverage.Explained)
	require.Greater(t, h.Coverage.Total, 10)
}
