package dosim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// LabNetwork holds every address of the lab.
var LabNetwork = netip.MustParsePrefix("10.213.0.0/16")

// Listen opens a TCP listener on addr ("host:port", the host a literal
// address). It refuses every address that is neither loopback nor in LabNetwork.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	where, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: want a literal address and port: %w", addr, err)
	}
	if ip := where.Addr().Unmap(); !ip.IsLoopback() && !LabNetwork.Contains(ip) {
		return nil, fmt.Errorf("listen on %s: a simulator binds to loopback and %s only", addr, LabNetwork)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return listener, nil
}

// Serve answers on addr, as Listen takes it, until ctx ends.
func (s *Sim) Serve(ctx context.Context, addr string) error {
	listener, err := Listen(ctx, addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // Serve below returns the reason
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", addr, err)
	}
	return nil
}
