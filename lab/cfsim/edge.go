package cfsim

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
)

// EdgeOptions configure an Edge.
type EdgeOptions struct {
	// OriginPort is where origins listen for HTTP; default 80.
	OriginPort int
}

// Edge is a running HTTP proxy that sends each request to the address that the
// host's proxied record has at that moment. A request keeps the origin that it
// was sent to, whatever becomes of the record meanwhile.
type Edge struct {
	*Server
	sim    *Sim
	cache  *cache
	proxy  *httputil.ReverseProxy
	origin *originTransport
}

// ServeEdge starts an edge on a loopback or lab address; port 0 picks one. Close
// it when done. It connects to loopback and lab addresses only; for any other
// origin it answers 523.
func (s *Sim) ServeEdge(addr string, opts EdgeOptions) (*Edge, error) {
	if opts.OriginPort == 0 {
		opts.OriginPort = 80
	}
	e := &Edge{sim: s, cache: newCache(s.opts.Now), origin: newOriginTransport(opts.OriginPort)}
	e.proxy = &httputil.ReverseProxy{
		Rewrite:        rewrite,
		Transport:      e.origin,
		ModifyResponse: e.modify,
		ErrorHandler:   e.fail,
		FlushInterval:  -1,
		ErrorLog:       log.New(io.Discard, "", 0), // clients see the error page
	}
	server, err := serveHTTP(addr, e)
	if err != nil {
		return nil, fmt.Errorf("serve the edge: %w", err)
	}
	e.Server = server
	s.mu.Lock()
	s.edges[e] = struct{}{}
	s.mu.Unlock()
	return e, nil
}

// URL is where the edge listens, for requests that name their Host.
func (e *Edge) URL() string { return "http://" + e.Addr() }

// Close lets requests in progress finish for up to five seconds, then stops.
func (e *Edge) Close() error {
	e.sim.mu.Lock()
	delete(e.sim.edges, e)
	e.sim.mu.Unlock()
	err := e.Server.Close()
	e.origin.base.CloseIdleConnections()
	return err
}

// trip is what the edge knows about a request on its way.
type trip struct {
	ray, host  string
	to         destination
	key        string // of the cache; "" when it has no part
	expired    bool
	generation int
}

type tripKey struct{}

func tripOf(ctx context.Context) *trip {
	t, _ := ctx.Value(tripKey{}).(*trip)
	return t
}

// ServeHTTP proxies one request.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	t := &trip{ray: newID()[:16] + "-LAB", host: lowerHost(host)}
	w.Header().Set("Server", "cloudflare")
	w.Header().Set("Cf-Ray", t.ray)
	t.to = e.sim.destination(t.host)
	switch t.to.code {
	case 0:
	case edgeOriginDNS:
		edgePage(w, 530, t, edgeOriginDNS, "Origin DNS error")
		return
	default:
		edgePage(w, http.StatusConflict, t, t.to.code, "DNS resolution error")
		return
	}
	if t.key = cacheKey(t.host, r); t.key != "" {
		var hit *cached
		if hit, t.expired, t.generation = e.cache.get(t.key); hit != nil {
			hit.serve(w, e.cache.now())
			return
		}
	}
	e.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tripKey{}, t)))
}

// rewrite makes the request that goes to the origin.
func rewrite(p *httputil.ProxyRequest) {
	t := tripOf(p.In.Context())
	client := p.In.RemoteAddr
	if ap, err := netip.ParseAddrPort(client); err == nil {
		client = ap.Addr().Unmap().String()
	}
	p.Out.URL.Scheme, p.Out.URL.Host = "http", t.host // originTransport puts the address in
	h := p.Out.Header
	if via := p.In.Header["X-Forwarded-For"]; len(via) > 0 {
		h.Set("X-Forwarded-For", strings.Join(via, ", ")+", "+client)
	} else {
		h.Set("X-Forwarded-For", client)
	}
	h.Set("X-Forwarded-Proto", "http")
	h.Set("Cf-Connecting-Ip", client)
	h.Set("Cf-Ray", t.ray)
	h.Set("Cf-Visitor", `{"scheme":"http"}`)
	h.Set("Cdn-Loop", "cloudflare; loops=1")
	// The transport takes these headers as leave to send a POST again when a
	// connection breaks, which the edge never does. Under another spelling, which
	// HTTP takes for the same, it does not know them.
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if values, ok := h[name]; ok {
			delete(h, name)
			h[strings.ToLower(name)] = values
		}
	}
}

// modify puts the edge's headers on an origin's answer and keeps a copy of what
// may be cached.
func (e *Edge) modify(resp *http.Response) error {
	t := tripOf(resp.Request.Context())
	resp.Header.Del("Server")
	resp.Header.Del("Cf-Ray")
	age := lifetime(resp)
	if t.key == "" || age == 0 {
		resp.Header.Set("Cf-Cache-Status", "DYNAMIC")
		return nil
	}
	now := e.cache.now()
	entry := &cached{
		zone: t.to.zone, host: t.host, uri: resp.Request.URL.RequestURI(),
		header: resp.Header.Clone(), stored: now, expires: now.Add(age),
	}
	for tag := range strings.SplitSeq(resp.Header.Get("Cache-Tag"), ",") {
		if tag = strings.ToLower(strings.TrimSpace(tag)); tag != "" {
			entry.tags = append(entry.tags, tag)
		}
	}
	resp.Body = &recorder{ReadCloser: resp.Body, done: func(body []byte) {
		entry.body = body
		e.cache.store(t.key, entry, t.generation)
	}}
	resp.Header.Set("Cf-Cache-Status", map[bool]string{true: "EXPIRED", false: "MISS"}[t.expired])
	return nil
}

// fail answers for an origin that did not.
func (e *Edge) fail(w http.ResponseWriter, r *http.Request, err error) {
	code, text := originStatus(err)
	edgePage(w, code, tripOf(r.Context()), code, text)
}

// edgePage is the error page of the edge.
func edgePage(w http.ResponseWriter, status int, t *trip, code int, text string) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.Header().Set("Cache-Control", "private, no-store")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<!DOCTYPE html>\n<title>%s | %d: %s</title>\n<h1>error code: %d</h1>\n<p>Ray ID: %s</p>\n",
		t.safeHost(), code, text, code, t.ray) // a client that left is no concern of ours
}

// safeHost is the asked host for a page of HTML.
func (t *trip) safeHost() string {
	if !validName(t.host) {
		return "cloudflare"
	}
	return t.host
}
