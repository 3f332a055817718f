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

// Edge is a running HTTP proxy that sends each request to the current address of the
// host's proxied record. A request stays with its origin if the record changes
// meanwhile.
type Edge struct {
	*Server
	sim    *Sim
	cache  *cache
	proxy  *httputil.ReverseProxy
	origin *originTransport
}

// ServeEdge starts an edge on a loopback or lab address; port 0 means any free port. It
// connects to loopback and lab addresses only, and answers 523 for any other origin.
// Close it after use.
func (s *Sim) ServeEdge(addr string, opts EdgeOptions) (*Edge, error) {
	if opts.OriginPort == 0 {
		opts.OriginPort = 80
	}
	e := &Edge{sim: s, cache: newCache(s.options.Now), origin: newOriginTransport(opts.OriginPort)}
	e.proxy = &httputil.ReverseProxy{
		Rewrite:        rewriteRequest,
		Transport:      e.origin,
		ModifyResponse: e.modifyResponse,
		ErrorHandler:   e.writeOriginError,
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

// URL returns the edge's address, for requests that set their Host.
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

// edgeRequest is the edge's state of one request.
type edgeRequest struct {
	ray, host   string
	destination destination
	key         string // of the cache; "" if the cache does not apply
	expired     bool
	generation  int
}

type edgeRequestKey struct{}

func edgeRequestOf(ctx context.Context) *edgeRequest {
	t, _ := ctx.Value(edgeRequestKey{}).(*edgeRequest)
	return t
}

// ServeHTTP proxies one request.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	t := &edgeRequest{ray: newID()[:16] + "-LAB", host: lowerHost(host)}
	w.Header().Set("Server", "cloudflare")
	w.Header().Set("Cf-Ray", t.ray)
	t.destination = e.sim.destination(t.host)
	switch t.destination.code {
	case 0:
	case edgeOriginDNS:
		writeErrorPage(w, 530, t, edgeOriginDNS, "Origin DNS error")
		return
	default:
		writeErrorPage(w, http.StatusConflict, t, t.destination.code, "DNS resolution error")
		return
	}
	if t.key = cacheKey(t.host, r); t.key != "" {
		var hit *cacheEntry
		if hit, t.expired, t.generation = e.cache.get(t.key); hit != nil {
			hit.serve(w, e.cache.now())
			return
		}
	}
	e.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), edgeRequestKey{}, t)))
}

// rewriteRequest makes the origin's request.
func rewriteRequest(p *httputil.ProxyRequest) {
	t := edgeRequestOf(p.In.Context())
	client := p.In.RemoteAddr
	if ap, err := netip.ParseAddrPort(client); err == nil {
		client = ap.Addr().Unmap().String()
	}
	p.Out.URL.Scheme, p.Out.URL.Host = "http", t.host // originTransport replaces the host with an address
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
	// With these headers the transport would send a POST again after a broken
	// connection, which the edge must never do. It does not recognise them in lower
	// case, which means the same in HTTP.
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if values, ok := h[name]; ok {
			delete(h, name)
			h[strings.ToLower(name)] = values
		}
	}
}

// modifyResponse sets the edge's headers on an origin's answer and caches a copy if it
// may.
func (e *Edge) modifyResponse(resp *http.Response) error {
	t := edgeRequestOf(resp.Request.Context())
	resp.Header.Del("Server")
	resp.Header.Del("Cf-Ray")
	age := cacheLifetime(resp)
	if t.key == "" || age == 0 {
		resp.Header.Set("Cf-Cache-Status", "DYNAMIC")
		return nil
	}
	now := e.cache.now()
	entry := &cacheEntry{
		zone: t.destination.zone, host: t.host, uri: resp.Request.URL.RequestURI(),
		header: resp.Header.Clone(), storedAt: now, expiresAt: now.Add(age),
	}
	for tag := range strings.SplitSeq(resp.Header.Get("Cache-Tag"), ",") {
		if tag = strings.ToLower(strings.TrimSpace(tag)); tag != "" {
			entry.tags = append(entry.tags, tag)
		}
	}
	resp.Body = &bodyRecorder{ReadCloser: resp.Body, onEnd: func(body []byte) {
		entry.body = body
		e.cache.store(t.key, entry, t.generation)
	}}
	resp.Header.Set("Cf-Cache-Status", map[bool]string{true: "EXPIRED", false: "MISS"}[t.expired])
	return nil
}

// writeOriginError answers for an origin that did not.
func (e *Edge) writeOriginError(w http.ResponseWriter, r *http.Request, err error) {
	code, text := originErrorStatus(err)
	writeErrorPage(w, code, edgeRequestOf(r.Context()), code, text)
}

// writeErrorPage answers with the edge's error page.
func writeErrorPage(w http.ResponseWriter, status int, t *edgeRequest, code int, text string) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.Header().Set("Cache-Control", "private, no-store")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<!DOCTYPE html>\n<title>%s | %d: %s</title>\n<h1>error code: %d</h1>\n<p>Ray ID: %s</p>\n",
		t.safeHost(), code, text, code, t.ray) // fails only if the client has left
}

// safeHost returns the requested host if it is safe in HTML.
func (t *edgeRequest) safeHost() string {
	if !validName(t.host) {
		return "cloudflare"
	}
	return t.host
}
