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

// proxy passes bytes to a server until it is frozen: then it swallows them, as
// a router that lost its state does.
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
			go func() { _, _ = io.Copy(valve{p, near}, far) }()
			go func() { _, _ = io.Copy(valve{p, far}, near) }()
		}
	}()
	return p
}

func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = true
}

type valve struct {
	p *proxy
	w io.Writer
}

func (v valve) Write(b []byte) (int, error) {
	v.p.mu.Lock()
	frozen := v.p.frozen
	v.p.mu.Unlock()
	if frozen {
		return len(b), nil
	}
	return v.w.Write(b)
}
