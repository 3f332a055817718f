package remote

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// connection is one SSH connection and the goroutines that serve it.
type connection struct {
	client *ssh.Client
	ctx    context.Context // ends when the connection has ended, and only then
	cancel context.CancelFunc

	mu     sync.Mutex
	closed bool
	tasks  sync.WaitGroup
}

func newConnection(client *ssh.Client, keepAlive time.Duration) *connection {
	c := &connection{client: client}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.start(func() {
		_ = client.Wait()
		c.cancel()
	})
	c.start(func() { c.keepAlive(keepAlive) })
	return c
}

// start runs a task that close waits for. It returns false, without running the
// task, if the connection is closed.
func (c *connection) start(task func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.tasks.Go(task)
	return true
}

// close ends the connection and waits for its tasks. It may be called twice.
func (c *connection) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	_ = c.client.Close()
	c.cancel()
	c.tasks.Wait()
}

// keepAlive requests an answer from the server at each interval. It closes the
// connection if none arrives within the next interval.
func (c *connection) keepAlive(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ticker.C:
		}
		expire := time.AfterFunc(every, func() { _ = c.client.Close() })
		_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil)
		expire.Stop()
		if err != nil {
			_ = c.client.Close()
			return
		}
	}
}

// pipe returns a near end for a channel of the connection. Channels of SSH have no
// deadlines; the near end has them, because database drivers set deadlines and use
// the connection after one has passed.
func (c *connection) pipe(far net.Conn) (net.Conn, error) {
	near, inner := net.Pipe()
	closeBoth := func() {
		_ = far.Close()
		_ = inner.Close()
	}
	stop := context.AfterFunc(c.ctx, closeBoth)
	served := c.start(func() {
		defer stop()
		var sending sync.WaitGroup
		sending.Go(func() {
			_, _ = io.Copy(far, inner) // ends when the near end is closed
			_ = far.Close()
		})
		_, _ = io.Copy(inner, far) // ends when either end is closed
		closeBoth()
		sending.Wait()
	})
	if !served {
		stop()
		closeBoth()
		return nil, net.ErrClosed
	}
	return &pipeConn{Conn: near, local: far.LocalAddr(), remote: far.RemoteAddr()}, nil
}

// pipeConn is the near end of a pipe, with the addresses of the far end.
type pipeConn struct {
	net.Conn
	local, remote net.Addr
}

func (c *pipeConn) LocalAddr() net.Addr  { return c.local }
func (c *pipeConn) RemoteAddr() net.Addr { return c.remote }
