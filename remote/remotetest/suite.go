package remotetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/remote"
)

// Suite tests everything that a remote.Host must do. The host must share this
// machine's loopback interface and files.
func Suite(t *testing.T, host remote.Host) {
	for _, c := range []struct {
		name string
		test func(*testing.T, remote.Host)
	}{
		{"exit status and stderr", testExit},
		{"script is exact", testScript},
		{"input", testInput},
		{"input is left to the commands", testInputSplit},
		{"input unread", testInputUnread},
		{"input fails", testInputFails},
		{"output fails", testOutputFails},
		{"50 at once", testConcurrent},
		{"cancel", testCancel},
		{"argument lists hold no script", testArguments},
		{"dial", testDial},
		{"deadlines", testDeadlines},
		{"use after close", testClose},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, host) })
	}
}

func output(t *testing.T, host remote.Host, script string, stdin io.Reader) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, host.Run(t.Context(), script, stdin, &out))
	return out.String()
}

func testExit(t *testing.T, host remote.Host) {
	err := host.Run(t.Context(), "echo first >&2; echo second >&2; exit 3", nil, nil)
	var exit *remote.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, &remote.ExitError{Host: host.Name(), Status: 3, Stderr: "first\nsecond\n"}, exit)
	require.EqualError(t, err, "command on "+host.Name()+" ended with status 3: second")

	require.ErrorAs(t, host.Run(t.Context(), "kill -9 $$", nil, nil), &exit)
	require.Equal(t, 128+9, exit.Status)

	require.ErrorAs(t, host.Run(t.Context(), "head -c 100000 /dev/zero | tr '\\0' x >&2; echo end >&2; false", nil, nil), &exit)
	require.Len(t, exit.Stderr, 4096)
	require.True(t, strings.HasSuffix(exit.Stderr, "xend\n"))
}

func testScript(t *testing.T, host remote.Host) {
	// Quotes, dollars, bytes that are not UTF-8, here-documents, trailing blank lines.
	script := "printf '%s|' 'a\"b' \"c'd\" '$HOME' '\xff\xfe' \"$(echo é)\"\ncat <<'E'\n!back\\slash `x`\n\nE\n\n\n"
	require.Equal(t, "a\"b|c'd|$HOME|\xff\xfe|é|!back\\slash `x`\n\n", output(t, host, script, nil))
	require.Empty(t, output(t, host, "", nil))
	require.Equal(t, "7\n", output(t, host, "true || false # comment\n(exit 7) || echo $?", nil))
	long := strings.Repeat("# a comment that makes the script long\n", 2000) + "echo end"
	require.Equal(t, "end\n", output(t, host, long, nil))
}

func testInput(t *testing.T, host remote.Host) {
	data := make([]byte, 9<<20+17) // larger than SSH's window of 2 MiB
	_, err := rand.Read(data)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, []byte(output(t, host, "cat", bytes.NewReader(data)))))
	require.Equal(t, "0\n", output(t, host, "wc -c | tr -d ' '", nil))
}

func testInputSplit(t *testing.T, host remote.Host) {
	got := output(t, host, "read -r a; echo \"<$a>\"; cat", strings.NewReader("line one\nrest\x00\n"))
	require.Equal(t, "<line one>\nrest\x00\n", got)
}

func testInputUnread(t *testing.T, host remote.Host) {
	require.Equal(t, "done\n", output(t, host, "echo done", bytes.NewReader(make([]byte, 8<<20))))
	reader, writer := io.Pipe() // never written to
	defer writer.Close()
	require.Equal(t, "done\n", output(t, host, "echo done", reader))
}

func testInputFails(t *testing.T, host remote.Host) {
	broken := errors.New("disk is on fire")
	file := filepath.Join(t.TempDir(), "whole")
	stdin := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken))
	err := host.Run(t.Context(), "cat >"+file+".new && mv "+file+".new "+file, stdin, nil)
	require.ErrorIs(t, err, broken)
	require.Never(t, func() bool { _, err := os.Stat(file); return err == nil }, 300*time.Millisecond, 20*time.Millisecond,
		"the command took half its input for the whole")
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func testOutputFails(t *testing.T, host remote.Host) {
	broken := errors.New("disk is full")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.ErrorIs(t, host.Run(ctx, "echo x; exec sleep 60", nil, brokenWriter{broken}), broken)
	require.NoError(t, ctx.Err())
}

func testConcurrent(t *testing.T, host remote.Host) {
	var group errgroup.Group
	for i := range 50 {
		group.Go(func() error {
			var out bytes.Buffer
			if err := host.Run(t.Context(), "read -r n; echo $((n * 2))", strings.NewReader(strconv.Itoa(i)+"\n"), &out); err != nil {
				return err
			}
			if out.String() != strconv.Itoa(2*i)+"\n" {
				return fmt.Errorf("run %d: %q", i, out.String())
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
}

func testCancel(t *testing.T, host remote.Host) {
	ctx, cancel := context.WithCancel(t.Context())
	pids, pid := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := host.Run(ctx, "sleep 300 & echo $!; wait", nil, pid)
		_ = pid.CloseWithError(err)
		ended <- err
	}()
	buf := make([]byte, 32)
	n, err := pids.Read(buf)
	require.NoError(t, err)
	child := strings.TrimSpace(string(buf[:n]))
	require.DirExists(t, "/proc/"+child)
	begin := time.Now()
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Less(t, time.Since(begin), time.Second)
	require.Eventually(t, func() bool {
		_, err := os.Stat("/proc/" + child)
		return os.IsNotExist(err)
	}, 10*time.Second, 20*time.Millisecond, "the command still runs")
	require.ErrorIs(t, host.Run(ctx, "true", nil, nil), context.Canceled)
	require.Equal(t, "ok\n", output(t, host, "echo ok", nil))
}

func testArguments(t *testing.T, host remote.Host) {
	got := output(t, host, ": canary-7c1f; tr '\\0' ' ' </proc/$$/cmdline; tr '\\0' ' ' </proc/$PPID/cmdline", strings.NewReader("canary-7c1f"))
	require.Contains(t, got, "sh")
	require.NotContains(t, got, "canary")
}

// echoServer listens on an address and sends everything back that it receives. It
// returns the address.
func echoServer(t *testing.T, network, address string) string {
	l, err := net.Listen(network, address)
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
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

// socketPath returns a path that is short enough for a socket, in a folder that every
// user can enter.
func socketPath(t *testing.T) string {
	dir, err := os.MkdirTemp("/tmp", "sock")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return filepath.Join(dir, "s")
}

func testDial(t *testing.T, host remote.Host) {
	socket := socketPath(t)
	echoServer(t, "unix", socket)
	require.NoError(t, os.Chmod(socket, 0o777))
	for network, address := range map[string]string{"unix": socket, "tcp": echoServer(t, "tcp", "127.0.0.1:0")} {
		ctx, cancel := context.WithCancel(t.Context())
		conn, err := host.Dial(ctx, network, address)
		require.NoError(t, err)
		cancel() // covers the dialing only
		data := make([]byte, 5<<20)
		_, err = rand.Read(data)
		require.NoError(t, err)
		go func() { _, _ = conn.Write(data) }()
		got := make([]byte, len(data))
		_, err = io.ReadFull(conn, got)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got), network)
		require.NoError(t, conn.Close())
		_, err = conn.Read(got)
		require.Error(t, err)
	}
	_, err := host.Dial(t.Context(), "unix", socket+"-absent")
	require.ErrorContains(t, err, host.Name())
	_, err = host.Dial(t.Context(), "udp", "127.0.0.1:53")
	require.ErrorContains(t, err, `"udp"`)
}

func testDeadlines(t *testing.T, host remote.Host) {
	conn, err := host.Dial(t.Context(), "tcp", echoServer(t, "tcp", "127.0.0.1:0"))
	require.NoError(t, err)
	defer conn.Close()
	buf := make([]byte, 8)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = conn.Read(buf)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())

	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute))) // the connection works after a deadline has passed
	_, err = conn.Write([]byte("again"))
	require.NoError(t, err)
	n, err := io.ReadFull(conn, buf[:5])
	require.NoError(t, err)
	require.Equal(t, "again", string(buf[:n]))
	require.NoError(t, conn.SetWriteDeadline(time.Now().Add(-time.Second)))
	_, err = conn.Write([]byte("late"))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func testClose(t *testing.T, host remote.Host) {
	require.NoError(t, host.Close())
	require.NoError(t, host.Close())
	require.Equal(t, "ok\n", output(t, host, "echo ok", nil))
}
