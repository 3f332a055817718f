package replicationtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
)

// ReplaceDir has make make a folder anew.
func ReplaceDir(t *testing.T, dir string, make func(string)) {
	require.NoError(t, os.RemoveAll(dir))
	make(dir)
}

// AbsentHost is a host that an earlier step is yet to make.
type AbsentHost struct{ remote.Host }

// Dial finds no host.
func (AbsentHost) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, fmt.Errorf("dial: %w", replication.ErrNotProvisioned)
}

// SlowHost is this machine behind a narrow network: every connection brings so
// many bytes a second at most.
type SlowHost struct {
	*remote.Local
	BytesPerSecond int
}

// Dial connects as Local does.
func (h SlowHost) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := h.Local.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return slowConn{conn, h.BytesPerSecond}, nil
}

type slowConn struct {
	net.Conn
	bytesPerSecond int
}

// Read reads, and takes its time.
func (c slowConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), 32<<10)])
	<-time.After(time.Duration(n) * time.Second / time.Duration(c.bytesPerSecond))
	return n, err
}
