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
