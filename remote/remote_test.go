package remote_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/remote/remotetest"
	"github.com/dcmigrate/migrate/report"
)

func newHost(t *testing.T, cfg remote.SSHConfig) *remote.SSH {
	host := remote.NewSSH(cfg)
	t.Cleanup(func() { _ = host.Close() })
	return host
}

func TestSuite(t *testing.T) {
	t.Run("local", func(t *testing.T) { remotetest.Suite(t, remote.NewLocal("here")) })
	t.Run("ssh as root", func(t *testing.T) {
		sshd := remotetest.StartSSHD(t)
		remotetest.Suite(t, newHost(t, sshd.Config("web1")))
	})
	t.Run("ssh with sudo", func(t *testing.T) {
		sshd := remotetest.StartSSHD(t)
		cfg := sshd.Config("web1")
		cfg.User = remotetest.Sudoer
		remotetest.Suite(t, newHost(t, cfg))
	})
}

func TestSudo(t *testing.T) {
	sshd := remotetest.StartSSHD(t)
	cfg := sshd.Config("web1")
	cfg.User = remotetest.Sudoer
	var out bytes.Buffer
	require.NoError(t, newHost(t, cfg).Run(t.Context(), "id -u; echo \"$HOME\"", nil, &out))
	require.Equal(t, "0\n/root\n", out.String())

	cfg.User = remotetest.Guest
	err := newHost(t, cfg).Run(t.Context(), "id -u", nil, nil)
	require.ErrorIs(t, err, remote.ErrSudo)
	require.ErrorContains(t, err, "become root on web1 as user visitor")
	require.Contains(t, report.Hint(err), "NOPASSWD")

	guest := newHost(t, cfg)
	out.Reset()
	require.NoError(t, remote.Login(guest).RunAsLogin(t.Context(), "id -un; cat", strings.NewReader("input\n"), &out))
	require.Equal(t, remotetest.Guest+"\ninput\n", out.String())
	var exit *remote.ExitError
	require.ErrorAs(t, guest.RunAsLogin(t.Context(), "exit 3", nil, nil), &exit)
	require.Equal(t, 3, exit.Status)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	running, started := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- guest.RunAsLogin(ctx, "sleep 300 & echo $!; wait", nil, started) }()
	var pid int
	_, err = fmt.Fscan(running, &pid)
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Eventually(t, func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
		return os.IsNotExist(err)
	}, 20*time.Second, 20*time.Millisecond, "the command still runs")
}

func TestReconnect(t *testing.T) {
	sshd := remotetest.StartSSHD(t)
	host := newHost(t, sshd.Config("web1"))
	require.NoError(t, remote.Connector(host).Connect(t.Context()))
	out, lines := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := host.Run(t.Context(), "echo up; exec sleep 30", nil, lines)
		_ = lines.CloseWithError(err)
		ended <- err
	}()
	_, err := io.ReadFull(out, make([]byte, 3))
	require.NoError(t, err)
	conn, err := host.Dial(t.Context(), "tcp", sshd.Address())
	require.NoError(t, err)
	_, err = io.ReadFull(conn, make([]byte, 4))
	require.NoError(t, err)

	sshd.KillSessions(t)
	err = <-ended
	require.ErrorIs(t, err, remote.ErrLost)
	require.ErrorContains(t, err, "web1")
	var transient *report.TransientError
	require.ErrorAs(t, err, &transient)
	_, err = io.ReadAll(conn)
	require.NoError(t, err) // the end of the stream

	for range 5 { // the next command runs, whether the loss is noticed before or during it
		require.NoError(t, host.Run(t.Context(), "true", nil, nil))
		sshd.KillSessions(t)
	}
	require.NoError(t, host.Run(t.Context(), "true", nil, nil))
}

func TestHostKeys(t *testing.T) {
	sshd := remotetest.StartSSHD(t)
	readKey := func(name string) ssh.PublicKey {
		private, err := os.ReadFile(filepath.Join(sshd.Dir, name))
		require.NoError(t, err)
		signer, err := ssh.ParsePrivateKey(private)
		require.NoError(t, err)
		return signer.PublicKey()
	}
	ed25519, rsa := readKey("host"), readKey("host_rsa")
	other := remotetest.NewKey(t, filepath.Join(t.TempDir(), "other"))
	line := func(key ssh.PublicKey) string { return knownhosts.Line([]string{sshd.Address()}, key) + "\n" }
	for _, c := range []struct {
		name, known, err, hint string
	}{
		{"one type on record", line(rsa), "", ""},
		{"hashed", knownhosts.HashHostname(knownhosts.Normalize(sshd.Address())) + strings.TrimPrefix(line(ed25519), knownhosts.Normalize(sshd.Address())), "", ""},
		{"empty", "# nothing\n", "host web1 (ADDRESS) is unknown: its key is ssh-ed25519 SHA256:", "ssh-keyscan -p "},
		{"other port", "127.0.0.1 " + strings.SplitN(line(ed25519), " ", 2)[1], "is unknown", "ssh-keyscan -p "},
		{"changed", "# a comment\n" + line(other), "known_hosts:2 has another", "remove line 2"},
		{"changed, other type", line(rsa)[:len(line(rsa))-1] + "\n@revoked * " + strings.SplitN(line(rsa), " ", 2)[1], "revoked by", "line 2"},
		{"unreadable line", "web1 nonsense\n", "known_hosts:1", "correct or remove"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := sshd.Config("web1")
			cfg.KnownHosts = []string{filepath.Join(t.TempDir(), "absent"), filepath.Join(t.TempDir(), "known_hosts")}
			require.NoError(t, os.WriteFile(cfg.KnownHosts[1], []byte(c.known), 0o600))
			err := newHost(t, cfg).Run(t.Context(), "true", nil, nil)
			if c.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, strings.ReplaceAll(c.err, "ADDRESS", sshd.Address()))
			require.Contains(t, report.Hint(err), c.hint)
		})
	}

	t.Run("read again at each connect", func(t *testing.T) {
		cfg := sshd.Config("web1")
		cfg.KnownHosts = []string{filepath.Join(t.TempDir(), "known_hosts")}
		host := newHost(t, cfg)
		var unknown *remote.UnknownHostError
		require.ErrorAs(t, host.Run(t.Context(), "true", nil, nil), &unknown)
		require.NoError(t, os.WriteFile(cfg.KnownHosts[0], []byte(line(ed25519)), 0o600))
		require.NoError(t, host.Run(t.Context(), "true", nil, nil))
	})
	t.Run("callback decides", func(t *testing.T) {
		cfg := sshd.Config("web1")
		cfg.KnownHosts, cfg.HostKey = nil, ssh.FixedHostKey(ed25519)
		require.NoError(t, newHost(t, cfg).Run(t.Context(), "true", nil, nil))
	})
}

func TestKeys(t *testing.T) {
	sshd := remotetest.StartSSHD(t)
	dir := t.TempDir()
	wrong := filepath.Join(dir, "wrong")
	remotetest.NewKey(t, wrong)
	right, err := os.ReadFile(sshd.IdentityFile)
	require.NoError(t, err)
	key, err := ssh.ParseRawPrivateKey(right)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("passphrase"))
	require.NoError(t, err)
	locked := filepath.Join(dir, "locked")
	require.NoError(t, os.WriteFile(locked, encodePEM(block), 0o600))
	garbage := filepath.Join(dir, "garbage")
	require.NoError(t, os.WriteFile(garbage, []byte("none"), 0o600))
	socket := serveAgent(t, key)

	for _, c := range []struct {
		name, file, agent, err, hint string
	}{
		{"wrong key", wrong, "", "log in to web1", "authorized_keys"},
		{"absent", filepath.Join(dir, "absent"), "", "no such file", "ssh.identity_file"},
		{"garbage", garbage, "", "garbage", "PEM"},
		{"passphrase", locked, "", "has a passphrase", "ssh-add"},
		{"none", "", "", "no private key", "ssh.identity_file"},
		{"agent gone", "", filepath.Join(dir, "no-agent"), "ask ssh-agent", "start ssh-agent"},
		{"agent", "", socket, "", ""},
		{"passphrase, in the agent", locked, socket, "", ""},
		{"wrong file, right in the agent", wrong, socket, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := sshd.Config("web1")
			cfg.IdentityFile, cfg.AgentSocket = c.file, c.agent
			err := newHost(t, cfg).Run(t.Context(), "true", nil, nil)
			if c.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.err)
			require.Contains(t, report.Hint(err), c.hint)
		})
	}
}

func serveAgent(t *testing.T, key any) string {
	ring := agent.NewKeyring()
	require.NoError(t, ring.Add(agent.AddedKey{PrivateKey: key}))
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = agent.ServeAgent(ring, c)
			}()
		}
	}()
	return socket
}

func TestUnreachable(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	require.NoError(t, err)
	defer silent.Close()
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, refused.Close())
	key := filepath.Join(t.TempDir(), "id")
	remotetest.NewKey(t, key)
	for name, l := range map[string]net.Listener{"silent": silent, "refused": refused} {
		t.Run(name, func(t *testing.T) {
			host := newHost(t, remote.SSHConfig{
				Name:           "db1",
				Address:        func(context.Context) (string, error) { return "127.0.0.1", nil },
				Port:           l.Addr().(*net.TCPAddr).Port,
				IdentityFile:   key,
				ConnectTimeout: 300 * time.Millisecond,
			})
			require.ErrorIs(t, host.Connect(t.Context()), remote.ErrUnreachable)
			begin := time.Now()
			err := host.Run(t.Context(), "true", nil, nil)
			require.Less(t, time.Since(begin), 2*time.Second)
			require.ErrorIs(t, err, remote.ErrUnreachable)
			require.ErrorContains(t, err, "connect to db1 ("+l.Addr().String()+")")
			require.Contains(t, report.Hint(err), "ssh -p")
			var transient *report.TransientError
			require.ErrorAs(t, err, &transient)
		})
	}
}

// A connection that dies silently must not block a command for ever.
func TestKeepAlive(t *testing.T) {
	sshd := remotetest.StartSSHD(t)
	proxy := newProxy(t, sshd.Address())
	cfg := sshd.Config("web1")
	cfg.Port = proxy.port
	cfg.KeepAlive = 100 * time.Millisecond
	cfg.KnownHosts, cfg.HostKey = nil, ssh.InsecureIgnoreHostKey() // the proxy's port is not on record
	host := newHost(t, cfg)
	out, lines := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := host.Run(t.Context(), "echo up; exec sleep 30", nil, lines)
		_ = lines.CloseWithError(err)
		ended <- err
	}()
	_, err := io.ReadFull(out, make([]byte, 3))
	require.NoError(t, err)
	proxy.freeze()
	require.ErrorIs(t, <-ended, remote.ErrLost)
}
