package cfsim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// labNetwork is the network of the lab's hosts.
var labNetwork = netip.MustParsePrefix("10.213.0.0/16")

// ErrAddress is the error for an address that the simulator must not use.
var ErrAddress = errors.New("not a loopback or lab address")

// isLabAddress reports whether an address is loopback or the lab's. The simulator
// neither listens on other addresses nor connects to them.
func isLabAddress(addr netip.Addr) bool {
	addr = addr.Unmap()
	return addr.IsLoopback() || labNetwork.Contains(addr)
}

// checkListenAddress refuses every address other than loopback and lab addresses, also
// host names and the unspecified address.
func checkListenAddress(addr string) error {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return fmt.Errorf("listen on %q: %w: want an IP address and port", addr, ErrAddress)
	}
	if !isLabAddress(ap.Addr()) {
		return fmt.Errorf("listen on %s: %w", addr, ErrAddress)
	}
	return nil
}

// Server is a running HTTP server of the simulator.
type Server struct {
	listener net.Listener
	http     *http.Server
	done     chan error
}

// ServeAPI serves the API on a loopback or lab address; port 0 means any free port.
// URL is the clients' endpoint. Close the Server after use.
func (s *Sim) ServeAPI(addr string) (*Server, error) {
	return serveHTTP(addr, s)
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL returns the base URL for Cloudflare's clients, with its final slash.
func (s *Server) URL() string { return "http://" + s.Addr() + basePath + "/" }

// closeTimeout bounds Close. net/http treats a connection that has sent nothing yet as
// busy for five seconds; that must not be an error.
const closeTimeout = 10 * time.Second

// Close lets requests in progress finish for up to ten seconds, then stops.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

func serveHTTP(addr string, handler http.Handler) (*Server, error) {
	if err := checkListenAddress(addr); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	s := &Server{
		listener: listener,
		http:     &http.Server{Handler: handler, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute},
		done:     make(chan error, 1),
	}
	go func() { s.done <- s.http.Serve(listener) }()
	return s, nil
}
