package remote_test

import (
	"encoding/pem"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func encodePEM(block *pem.Block) []byte { return pem.EncodeToMemory(block) }

// proxy passes bytes between clients and a server until it is frozen. Then it drops
// them silently, like a router that has lost its state.
type proxy struct {
	port   int
	mu     sync.Mutex
	frozen bool
}

func newProxy(t *testing.T, to string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	p := &proxy{port: l.Addr().(*net.TCPAddr).Port}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			t.Cleanup(func() { _, _ = near.Close(), far.Close() })
			go func() { _, _ = io.Copy(freezableWriter{p, near}, far) }()
			go func() { _, _ = io.Copy(freezableWriter{p, far}, near) }()
		}
	}()
	return p
}

func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = true
}

type freezableWriter struct {
	proxy *proxy
	w     io.Writer
}

func (w freezableWriter) Write(b []byte) (int, error) {
	w.proxy.mu.Lock()
	frozen := w.proxy.frozen
	w.proxy.mu.Unlock()
	if frozen {
		return len(b), nil
	}
	return w.w.Write(b)
}
