package capture

import (
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/remote/remotetest"
)

// startRedis starts a real Redis server and returns its port.
func startRedis(t *testing.T, args ...string) int {
	t.Helper()
	_, err := exec.LookPath("redis-server")
	remotetest.Need(t, err == nil, "the Debian package redis-server")
	port := remotetest.FreePort(t)
	cmd := exec.Command("redis-server", append([]string{"--port", strconv.Itoa(port), "--dir", t.TempDir(), "--save", ""}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port))
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, 20*time.Second, 20*time.Millisecond)
	return port
}

func TestCaptureRedis(t *testing.T) {
	port := startRedis(t, "--maxmemory", "64mb", "--masterauth", "of-the-other-side-7")
	out, err := exec.Command("redis-cli", "-p", strconv.Itoa(port), "-n", "3", "SET", "canary", "canary-value").CombinedOutput()
	require.NoError(t, err, "%s", out)
	closed := startRedis(t, "--requirepass", "hunter2-and-more")
	h := captureOne(t, Target{Host: remote.NewLocal("cache1"), onlySections: append([]string{"redis"}, basicSections...)})
	redis := find(h.Redis, func(r inventory.Redis) bool { return r.Address == fmt.Sprint("127.0.0.1:", port) })
	require.NotNil(t, redis, "%v", h.Missing)
	require.Equal(t, "master", redis.Role)
	require.NotEmpty(t, redis.Version)
	require.Equal(t, []string{"3"}, redis.Keys)
	require.Contains(t, redis.Settings, inventory.Setting{Name: "maxmemory", Value: strconv.Itoa(64 << 20)})
	require.Contains(t, redis.Settings, inventory.Setting{Name: "masterauth", Value: testOptions().Redactor.Token("of-the-other-side-7")})
	require.Equal(t, inventory.Denied, missingReasons(h)[fmt.Sprint("redis 127.0.0.1:", closed)])
	text := fmt.Sprint(h)
	require.NotContains(t, text, "canary-value")
	require.NotContains(t, text, "hunter2-and-more")
}
