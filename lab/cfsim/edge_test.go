package cfsim_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/lab/cfsim"
)

func TestEdgeRoutes(t *testing.T) {
	_, port := origins(t, 3, writeOriginNumber)
	sim := cfsim.New(cfsim.Options{Token: token, Propagation: -1})
	_, err := sim.AddZone("example.com",
		cfsim.Record{Type: "A", Name: "@", Content: "127.0.0.2", Proxied: true},
		cfsim.Record{Type: "A", Name: "*", Content: "127.0.0.3", Proxied: true},
		cfsim.Record{Type: "CNAME", Name: "alias", Content: "far.example.net", Proxied: true},
		cfsim.Record{Type: "CNAME", Name: "lost", Content: "www.example.org", Proxied: true},
		cfsim.Record{Type: "TXT", Name: "text", Content: "stops the wildcard"},
		cfsim.Record{Type: "A", Name: "plain", Content: "127.0.0.2"},
		cfsim.Record{Type: "A", Name: "down", Content: "127.0.0.99", Proxied: true},
		cfsim.Record{Type: "A", Name: "both", Content: "127.0.0.99", Proxied: true},
		cfsim.Record{Type: "A", Name: "both", Content: "127.0.0.2"},
		cfsim.Record{Type: "A", Name: "outside", Content: "192.0.2.1", Proxied: true},
		cfsim.Record{Type: "A", Name: "*.deep", Content: "127.0.0.4", Proxied: true},
	)
	require.NoError(t, err)
	_, err = sim.AddZone("example.net", cfsim.Record{Type: "CNAME", Name: "far", Content: "near.example.net"},
		cfsim.Record{Type: "A", Name: "near", Content: "127.0.0.4"})
	require.NoError(t, err)
	edge := startEdge(t, sim, port)
	for host, want := range map[string]struct {
		status int
		body   string
	}{
		"example.com":            {200, "origin 2"},
		"EXAMPLE.com.:8080":      {200, "origin 2"},
		"any.example.com":        {200, "origin 3"},
		"a.b.example.com":        {200, "origin 3"},
		"alias.example.com":      {200, "origin 4"},
		"x.deep.example.com":     {200, "origin 4"},
		"both.example.com":       {200, "origin 2"}, // one proxied record is enough, and the edge skips the origin that is down
		"deep.example.com":       {409, "error code: 1001"},
		"text.example.com":       {409, "error code: 1001"},
		"below.text.example.com": {409, "error code: 1001"},
		"plain.example.com":      {409, "error code: 1001"},
		"example.org":            {409, "error code: 1001"},
		"lost.example.com":       {530, "error code: 1016"},
		"down.example.com":       {521, "error code: 521"},
		"outside.example.com":    {523, "error code: 523"},
	} {
		for range 3 {
			p := get(t, edge, host, "/")
			require.Equal(t, want.status, p.status, "%s: %s", host, p.body)
			require.Contains(t, p.body, want.body, host)
			require.Equal(t, "cloudflare", p.header.Get("Server"))
			require.Regexp(t, `^[0-9a-f]{16}-LAB$`, p.header.Get("CF-Ray"))
		}
	}
}

func TestEdgeHeaders(t *testing.T) {
	seen := make(chan http.Header, 1)
	list, port := origins(t, 1, func(*origin, int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Host", r.Host)
			seen <- r.Header
			w.Header().Set("Server", "secret")
		}
	})
	sim := cfsim.New(cfsim.Options{Token: token})
	_, err := sim.AddZone("example.com", cfsim.Record{Type: "A", Name: "www", Content: "127.0.0.2", Proxied: true})
	require.NoError(t, err)
	edge := startEdge(t, sim, port)
	for range 5 {
		p := get(t, edge, "www.example.com", "/a?b=c", "X-Forwarded-For", "203.0.113.9", "CF-Connecting-IP", "203.0.113.9")
		h := <-seen
		require.Equal(t, "203.0.113.9, 127.0.0.1", h.Get("X-Forwarded-For"))
		require.Equal(t, "127.0.0.1", h.Get("CF-Connecting-IP"), "a client cannot choose it")
		require.Equal(t, p.header.Get("CF-Ray"), h.Get("CF-Ray"))
		require.Equal(t, "www.example.com", h.Get("Host"))
		require.Equal(t, "http", h.Get("X-Forwarded-Proto"))
		require.Equal(t, "cloudflare", p.header.Get("Server"))
		require.Equal(t, "DYNAMIC", p.header.Get("CF-Cache-Status"))
	}
	require.EqualValues(t, 1, list[0].conns.Load(), "the connection to the origin is kept")
}

// TestEdgeFlip flips a hundred hosts by one batch, there and back, under clients that
// read and write all the time. No request fails, each reaches one origin once, and a
// request in flight stays with its origin.
func TestEdgeFlip(t *testing.T) {
	release := make(chan struct{})
	list, port := origins(t, 2, func(o *origin, i int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			fmt.Fprintf(w, "origin %d", i+2)
			if r.URL.Path == "/slow" {
				_ = http.NewResponseController(w).Flush()
				<-release
				fmt.Fprint(w, " to the end")
			}
		}
	})
	records := make([]cfsim.Record, 100)
	for i := range records {
		records[i] = cfsim.Record{Type: "A", Name: fmt.Sprintf("h%d", i), Content: "127.0.0.2", Proxied: true}
	}
	l := newLab(t, cfsim.Options{Plan: cfsim.PlanPro, Limits: cfsim.Limits{PerSecond: -1}}, records...)
	edge := startEdge(t, l.Sim, port)
	stop := make(chan struct{})
	finish, halt := sync.OnceFunc(func() { close(release) }), sync.OnceFunc(func() { close(stop) })
	t.Cleanup(func() { finish(); halt() }) // after a failure, too, the servers must end

	var slow errgroup.Group
	for i := range 5 {
		slow.Go(func() error { return fetchSlowly(t.Context(), edge, fmt.Sprintf("h%d.example.com", i)) })
	}
	waitFor(t, func() bool { return list[0].hits.Load() == 5 })

	clients := startClients(t, edge, stop)
	flip := func(to string, target *origin) {
		before := target.hits.Load()
		var patches []string
		for _, r := range l.Records(zoneName) {
			patches = append(patches, fmt.Sprintf(`{"id":%q,"content":%q}`, r.ID, to))
		}
		r := l.do(http.MethodPost, recordsPath+"/batch", `{"patches":[`+strings.Join(patches, ",")+`]}`)
		require.Equal(t, http.StatusOK, r.Status, r.Raw)
		waitFor(t, func() bool { return l.Settle() <= 0 && target.hits.Load() > before+100 })
	}
	flip("127.0.0.3", list[1])
	flip("127.0.0.2", list[0])
	flip("127.0.0.3", list[1])
	finish()
	require.NoError(t, slow.Wait())
	halt()
	require.NoError(t, clients.group.Wait())

	require.Greater(t, clients.requests.Load(), int64(300))
	require.Equal(t, clients.requests.Load()+5, list[0].hits.Load()+list[1].hits.Load(), "each request reached one origin once")
	require.Equal(t, clients.posts.Load(), list[0].posts.Load()+list[1].posts.Load())
	require.Equal(t, "origin 3", get(t, edge, "h1.example.com", "/").body)
}

// clients read and write in turn until they are stopped or a request fails.
type clients struct {
	group           errgroup.Group
	requests, posts atomic.Int64
}

func startClients(t *testing.T, edge *cfsim.Edge, stop <-chan struct{}) *clients {
	c := &clients{}
	send := func(n, client int) error {
		method := []string{http.MethodGet, http.MethodPost}[n%2]
		p, err := fetch(t.Context(), edge, method, fmt.Sprintf("h%d.example.com", (n*7+client)%100), "/", "body")
		if err == nil && p.status != http.StatusOK {
			err = fmt.Errorf("status %d: %s", p.status, p.body)
		}
		c.requests.Add(1)
		c.posts.Add(int64(n % 2))
		return err
	}
	for client := range 8 {
		c.group.Go(func() error {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return nil
				default:
				}
				if err := send(n, client); err != nil {
					return err
				}
			}
		})
	}
	return c
}

// fetchSlowly requests a slow answer and requires all of it from origin 2.
func fetchSlowly(ctx context.Context, edge *cfsim.Edge, host string) error {
	p, err := fetch(ctx, edge, http.MethodGet, host, "/slow", "")
	if err == nil && p.body != "origin 2 to the end" {
		err = fmt.Errorf("in flight at the flip: status %d: %q", p.status, p.body)
	}
	return err
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 20*time.Second, 5*time.Millisecond)
}

// TestEdgeNeverRepeatsAPost has an origin that reads the request and closes the connection.
func TestEdgeNeverRepeatsAPost(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	require.NoError(t, err)
	var posts atomic.Int64
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				reader := bufio.NewReader(conn)
				for { // one good answer keeps the connection, the next request is cut
					req, err := http.ReadRequest(reader)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					if req.Method == http.MethodPost {
						posts.Add(1)
						return
					}
					fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			})
		}
	})
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	sim := cfsim.New(cfsim.Options{Token: token})
	_, err = sim.AddZone("example.com", cfsim.Record{Type: "A", Name: "www", Content: "127.0.0.2", Proxied: true})
	require.NoError(t, err)
	edge := startEdge(t, sim, listener.Addr().(*net.TCPAddr).Port)
	for i, headers := range [][]string{nil, {"Idempotency-Key", "1"}, {"X-Idempotency-Key", "1"}} {
		for j, body := range []string{"", "body"} {
			require.Equal(t, "ok", get(t, edge, "www.example.com", "/").body)
			p, err := fetch(t.Context(), edge, http.MethodPost, "www.example.com", "/", body, headers...)
			require.NoError(t, err)
			require.Equal(t, 520, p.status)
			require.EqualValues(t, i*2+j+1, posts.Load())
		}
	}
}
