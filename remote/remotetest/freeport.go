package remotetest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Ports of FreePort are taken from below those that Linux gives to outgoing connections
// (32768 and up): a server that is down for a moment finds its port still free.
const lowestPort, highestPort = 12000, 32000

// FreePort returns a port of 127.0.0.1 that nothing listens on.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue // it is taken: try another
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no port is free")
	return 0
}
