package remotetest

import (
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFreePort(t *testing.T) {
	for range 50 {
		port := FreePort(t)
		require.GreaterOrEqual(t, port, lowestPort)
		require.Less(t, port, 32768, "the port may be taken by an outgoing connection")
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		require.NoError(t, err)
		require.NoError(t, l.Close())
	}
}

// A MySQL server binds its port seconds after its start; another test may ask for a port
// meanwhile.
func TestPortIsReservedUntilTheTestEnds(t *testing.T) {
	var port int
	t.Run("a test", func(t *testing.T) {
		port = FreePort(t)
		require.False(t, reserve(t, port), "another test got the same port")
	})
	require.True(t, reserve(t, port), "the port is still reserved after the test")
}
