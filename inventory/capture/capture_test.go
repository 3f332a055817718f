package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/redact"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/remote/remotetest"
	"github.com/dcmigrate/migrate/report"
)

func testOptions() Options {
	return Options{AtOnce: 1, Redactor: redact.New(make([]byte, redact.KeySize))}
}

// basicSections are enough sections for a test of something else.
var basicSections = []string{"os", "machine", "disks", "packages", "listeners", "files", "sums"}

func captureOne(t *testing.T, target Target) *inventory.Host {
	t.Helper()
	results := Hosts(t.Context(), []Target{target}, testOptions())
	require.Len(t, results, 1)
	require.NoError(t, results[0].Err)
	return results[0].Host
}

func missingReasons(h *inventory.Host) map[string]string {
	m := map[string]string{}
	for _, x := range h.Missing {
		m[x.What] = x.Reason
	}
	return m
}

func TestCaptureThisHost(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	h := captureOne(t, Target{Host: remote.NewLocal("web1"), Roles: []string{"web", "app"}})
	require.Equal(t, "web1", h.Name)
	require.Equal(t, []string{"app", "web"}, h.Roles)
	require.Equal(t, inventory.Version, h.Version)
	require.WithinDuration(t, time.Now(), h.CapturedAt, time.Minute)
	require.NotEmpty(t, h.OS.ID)
	require.NotEmpty(t, h.OS.Kernel)
	require.Positive(t, h.CPU.Count)
	require.Greater(t, h.Memory.Total, int64(64<<20))
	require.NotEmpty(t, h.Disks, "%v", h.Missing)

	_, err = exec.LookPath("dpkg-query")
	remotetest.Need(t, err == nil, "Debian's dpkg")
	out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", "dpkg").Output()
	require.NoError(t, err)
	var found bool
	for _, p := range h.Packages {
		found = found || p.Name == "dpkg" && p.Version == string(out)
	}
	require.True(t, found, "dpkg is installed in version %s", out)

	_, err = exec.LookPath("ss")
	remotetest.Need(t, err == nil, "the Debian package iproute2")
	want := inventory.Listener{Protocol: "tcp", Address: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, Process: filepath.Base(os.Args[0])}
	if len(want.Process) > 15 {
		want.Process = want.Process[:15]
	}
	var ours []inventory.Listener
	for _, l := range h.Listeners {
		if l.Port == want.Port {
			ours = append(ours, inventory.Listener{Protocol: l.Protocol, Address: l.Address, Port: l.Port, Process: l.Process})
		}
	}
	require.Equal(t, []inventory.Listener{want}, ours)
}

func TestCaptureIsStable(t *testing.T) {
	target := Target{Host: remote.NewLocal("web1"), Files: []string{"/etc/passwd", "/etc/default"}}
	first, second := captureOne(t, target), captureOne(t, target)
	for _, h := range []*inventory.Host{first, second} {
		h.CapturedAt = time.Time{}
		// Other tests on this host change all of these meanwhile.
		h.Listeners, h.Disks, h.Programs, h.Connections, h.Coverage = nil, nil, nil, nil, inventory.Coverage{}
		h.Network, h.Firewall = inventory.Network{}, nil
	}
	require.Equal(t, first, second)
}

// hasEnded reports whether a process has ended, also if its parent does not reap it.
func hasEnded(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestCaptureCancelled(t *testing.T) {
	dir := linkTools(t, append(coreTools, "sleep")...)
	addTool(t, dir, "df", "echo $$ >"+dir+"/pid; exec sleep 300")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan []Result, 1)
	go func() {
		done <- Hosts(ctx, []Target{{Host: limitedPathHost{remote.NewLocal("old1"), dir}}}, testOptions())
	}()
	var pid []byte
	require.Eventually(t, func() bool {
		pid, _ = os.ReadFile(filepath.Join(dir, "pid"))
		return len(pid) > 0
	}, 10*time.Second, 10*time.Millisecond)
	cancel()
	results := <-done
	require.ErrorIs(t, results[0].Err, context.Canceled)
	require.Eventually(t, func() bool { return hasEnded(strings.TrimSpace(string(pid))) }, 5*time.Second, 10*time.Millisecond)
}

// deadHost fails like a host that is down.
type deadHost struct{ remote.Host }

func (deadHost) Run(context.Context, string, io.Reader, io.Writer) error {
	return errors.New("connect: no route")
}

// cannedHost answers every script with the same text.
type cannedHost struct {
	remote.Host
	answer string
}

func (o cannedHost) Run(_ context.Context, _ string, _ io.Reader, stdout io.Writer) error {
	_, err := io.WriteString(stdout, o.answer)
	return err
}

func TestCaptureManyHosts(t *testing.T) {
	targets := []Target{
		{Host: deadHost{remote.NewLocal("down1")}},
		{Host: cannedHost{remote.NewLocal("odd1"), "Welcome!\n"}},
		{Host: cannedHost{remote.NewLocal("odd2"), answerHeader + "self 1\nstatus os 0\nsizes\n5 os.out\n"}},
		{Host: remote.NewLocal("bad1"), Files: []string{"relative"}},
	}
	for i := range 4 {
		targets = append(targets, Target{Host: remote.NewLocal(fmt.Sprintf("web%d", i)), onlySections: basicSections})
	}
	results := Hosts(t.Context(), targets, Options{AtOnce: 3, Redactor: testOptions().Redactor})
	require.ErrorContains(t, results[0].Err, "capture down1: connect: no route")
	require.ErrorContains(t, results[1].Err, "capture odd1")
	require.ErrorIs(t, results[2].Err, errCutOff)
	require.ErrorContains(t, results[3].Err, `"relative" is no absolute path`)
	for i, r := range results {
		require.Equal(t, targets[i].Host.Name(), r.Name)
		require.Equal(t, i < 4, r.Host == nil)
		require.Equal(t, i < 4, r.Err != nil)
	}
}

func TestCaptureOverSSH(t *testing.T) {
	sshd := remotetest.StartSSHD(t)
	for _, user := range []string{"root", remotetest.Sudoer} {
		cfg := sshd.Config("web1")
		cfg.User = user
		host := remote.NewSSH(cfg)
		defer host.Close()
		h := captureOne(t, Target{Host: host, Files: []string{"/etc/shadow"}, onlySections: append([]string{"owners", "processes", "process-status", "process-groups"}, basicSections...)})
		require.Len(t, h.Files, 1)
		require.Empty(t, h.Files[0].SHA256+h.Files[0].HMAC+h.Files[0].Content, "it is never read")
		require.Contains(t, h.Secrets, inventory.Secret{Path: "/etc/shadow", Kind: "file"})
		require.Equal(t, "root", h.As)
		require.NotEmpty(t, h.Packages)
		var ours *inventory.Listener
		for i, l := range h.Listeners {
			if l.Port == sshd.Port {
				ours = &h.Listeners[i]
			}
		}
		require.NotNil(t, ours)
		require.Equal(t, "sshd", ours.Process)
		require.Equal(t, "openssh-server", ours.Package)
		require.Equal(t, inventory.Cause{Kind: inventory.ByPackage, Name: "openssh-server"}, ours.Cause)
	}
}

// A host that refuses the login or whose key is unknown fails with the reason and a
// hint. The other host is captured.
func TestCaptureRefusedLogins(t *testing.T) {
	sshd := remotetest.StartSSHD(t)
	wrong, stranger := sshd.Config("wrong1"), sshd.Config("stranger1")
	wrong.IdentityFile = filepath.Join(t.TempDir(), "id")
	remotetest.NewKey(t, wrong.IdentityFile)
	stranger.KnownHosts = []string{filepath.Join(t.TempDir(), "known_hosts")}
	targets := []Target{{Host: remote.NewLocal("web1"), onlySections: basicSections}}
	for _, cfg := range []remote.SSHConfig{wrong, stranger} {
		host := remote.NewSSH(cfg)
		defer host.Close()
		targets = append(targets, Target{Host: host})
	}
	results := Hosts(t.Context(), targets, Options{AtOnce: 4, Redactor: testOptions().Redactor})
	require.NoError(t, results[0].Err)
	require.NotEmpty(t, results[0].Host.Packages)
	for i, name := range map[int]string{1: "wrong1", 2: "stranger1"} {
		require.ErrorContains(t, results[i].Err, "capture "+name)
		require.NotEmpty(t, report.Hint(results[i].Err), "%v", results[i].Err)
	}
}

func find[T any](list []T, match func(T) bool) *T {
	if i := slices.IndexFunc(list, match); i >= 0 {
		return &list[i]
	}
	return nil
}
