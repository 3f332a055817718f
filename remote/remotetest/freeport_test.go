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
		require.Less(t, port, 32768, "outgoing connections do not take it")
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		require.NoError(t, err)
		require.NoError(t, l.Close())
	}
}

// A MySQL server binds its port seconds after it was started; meanwhile another test asked for one.
func TestPortIsOfOneTestUntilItEnds(t *testing.T) {
	var port int
	t.Run("a test", func(t *testing.T) {
		port = FreePort(t)
		require.False(t, reserve(t, port), "another test got it, too")
	})
	require.True(t, reserve(t, port), "it is free again")
}
