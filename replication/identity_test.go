package replication

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSameServer(t *testing.T) {
	const now = "server_id 1, at db1:3306 in /var/lib/mysql/, installed 2024-01-02 03:04:05"
	require.True(t, SameServer(now, now))
	require.True(t, SameServer("server_id 1", now), "of an older version")
	require.False(t, SameServer("server_id 12", now))
	require.False(t, SameServer("server_id 1, at db2:3306 in /var/lib/mysql/, installed 2024-01-02 03:04:05", now))
}
