package dosim

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// labNetwork contains every address of the lab.
var labNetwork = netip.MustParsePrefix("10.213.0.0/16")

// Listen opens a TCP listener on addr ("host:port", the host a literal
// address). It refuses every address that is neither loopback nor one of the lab's.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	where, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: want a literal address and port: %w", addr, err)
	}
	if ip := where.Addr().Unmap(); !ip.IsLoopback() && !labNetwork.Contains(ip) {
		return nil, fmt.Errorf("listen on %s: a simulator binds to loopback and %s only", addr, labNetwork)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return listener, nil
}
