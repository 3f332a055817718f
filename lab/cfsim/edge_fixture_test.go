package cfsim_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/cfsim"
)

// origin is a web server on a loopback address of its own. All origins of a test share a
// port.
type origin struct {
	*httptest.Server
	hits, posts, conns atomic.Int64
}

// origins starts web servers at 127.0.0.2, 127.0.0.3 and so on.
func origins(t *testing.T, n int, handler func(o *origin, i int) http.HandlerFunc) (list []*origin, port int) {
	t.Helper()
	listeners, port := listenAll(t, n)
	for i, listener := range listeners {
		o := &origin{}
		serve := handler(o, i)
		o.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			o.hits.Add(1)
			if r.Method == http.MethodPost {
				o.posts.Add(1)
			}
			serve(w, r)
		}))
		o.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				o.conns.Add(1)
			}
		}
		o.Listener = listener
		o.Start()
		t.Cleanup(o.Close)
		list = append(list, o)
	}
	return list, port
}

// listenAll listens on one port of n addresses.
func listenAll(t *testing.T, n int) ([]net.Listener, int) {
	t.Helper()
	for range 20 {
		var listeners []net.Listener
		port := 0
		for i := range n {
			listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.%d:%d", i+2, port))
			if err != nil { // the port is in use there: try another
				break
			}
			port = listener.Addr().(*net.TCPAddr).Port
			listeners = append(listeners, listener)
		}
		if len(listeners) == n {
			return listeners, port
		}
		for _, listener := range listeners {
			require.NoError(t, listener.Close())
		}
	}
	t.Fatal("no port is free on all addresses")
	return nil, 0
}

// writeOriginNumber answers with the origin's number.
func writeOriginNumber(_ *origin, i int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "origin %d", i+2)
	}
}

func startEdge(t *testing.T, sim *cfsim.Sim, port int) *cfsim.Edge {
	t.Helper()
	edge, err := sim.ServeEdge("127.0.0.1:0", cfsim.EdgeOptions{OriginPort: port})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, edge.Close()) })
	return edge
}

// page is an answer of the edge.
type page struct {
	status int
	header http.Header
	body   string
}

func fetch(ctx context.Context, edge *cfsim.Edge, method, host, path, body string, headers ...string) (page, error) {
	req, err := http.NewRequestWithContext(ctx, method, edge.URL()+path, strings.NewReader(body))
	if err != nil {
		return page{}, err
	}
	req.Host = host
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return page{}, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return page{resp.StatusCode, resp.Header, string(got)}, err
}

func get(t *testing.T, edge *cfsim.Edge, host, path string, headers ...string) page {
	t.Helper()
	p, err := fetch(t.Context(), edge, http.MethodGet, host, path, "", headers...)
	require.NoError(t, err)
	return p
}
