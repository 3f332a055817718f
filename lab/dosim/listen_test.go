package dosim

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestListenRefusesForeignAddresses(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", "192.0.2.1:0", "10.214.0.1:0", "localhost:0", ":0", "127.0.0.1"} {
		_, err := Listen(t.Context(), addr)
		require.Error(t, err, addr)
		require.True(t, strings.Contains(err.Error(), "loopback") || strings.Contains(err.Error(), "literal"), err)
	}
	listener, err := Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
}
