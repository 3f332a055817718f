package remote

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// link is one SSH connection and the goroutines that serve it.
type link struct {
	client *ssh.Client
	ctx    context.Context // ends when the connection has ended; nothing else hangs on it
	cancel context.CancelFunc

	mu     sync.Mutex
	closed bool
	tasks  sync.WaitGroup
}

func newLink(client *ssh.Client, keepAlive time.Duration) *link {
	l := &link{client: client}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.start(func() {
		_ = client.Wait()
		l.cancel()
	})
	l.start(func() { l.keepAlive(keepAlive) })
	return l
}

// start runs a task that close waits for; false: the link is closed.
func (l *link) start(task func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.tasks.Go(task)
	return true
}

// close ends the connection and waits for its tasks. It may be called twice.
func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	_ = l.client.Close()
	l.cancel()
	l.tasks.Wait()
}

// keepAlive asks the server for any answer, and ends a connection that gives none.
func (l *link) keepAlive(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-ticker.C:
		}
		expire := time.AfterFunc(every, func() { _ = l.client.Close() })
		_, _, err := l.client.SendRequest("keepalive@openssh.com", true, nil)
		expire.Stop()
		if err != nil {
			_ = l.client.Close()
			return
		}
	}
}

// pipe gives a channel of the link, which has no deadlines, a near end that has
// them: database drivers set deadlines and go on after one has passed.
func (l *link) pipe(far net.Conn) (net.Conn, error) {
	near, inner := net.Pipe()
	closeBoth := func() {
		_ = far.Close()
		_ = inner.Close()
	}
	stop := context.AfterFunc(l.ctx, closeBoth)
	served := l.start(func() {
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
	return &conn{Conn: near, local: far.LocalAddr(), remote: far.RemoteAddr()}, nil
}

// conn is the near end, with the addresses of the far one.
type conn struct {
	net.Conn
	local, remote net.Addr
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }
