package remotetest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"testing"
)

// FreePort chooses from these ports. They are below those that Linux gives to outgoing
// connections (32768 and up).
const lowestPort, highestPort = 12000, 32000

// FreePort returns a port of 127.0.0.1 that nothing listens on. No other call gets the same port
// before this test has ended, not even in another test program. So a server that starts slowly,
// or is down for a moment, finds its port still free.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		if reserve(t, port) {
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// reserve reserves port for this test with an abstract socket named after it. Such a socket
// belongs to the network namespace, as the port does, and disappears with its process. Only
// Linux has abstract sockets.
func reserve(t testing.TB, port int) bool {
	t.Helper()
	reserved := io.Closer(io.NopCloser(nil))
	if runtime.GOOS == "linux" {
		l, err := net.Listen("unix", fmt.Sprintf("@migrate-test-port-%d", port))
		if err != nil {
			return false
		}
		reserved = l
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		_ = reserved.Close()
		return false
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reserved.Close() })
	return true
}
