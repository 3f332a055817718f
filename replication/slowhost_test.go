package replication

import (
	"context"
	"net"
	"time"

	"github.com/dcmigrate/migrate/remote"
)

// slowHost is this machine behind a narrow network: every connection brings so
// many bytes a second at most.
type slowHost struct {
	*remote.Local
	bytesPerSecond int
}

// Dial connects as Local does.
func (h slowHost) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := h.Local.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return slowConn{conn, h.bytesPerSecond}, nil
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
