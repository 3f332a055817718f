package dns_test

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/report"
)

var loopback = dns.AddressMap{oldWeb: netip.MustParseAddr("127.0.0.1")}

// probeOf returns a probe of a server on loopback, under a name of the service.
func probeOf(t *testing.T, server *httptest.Server, host string) dns.Probe {
	t.Helper()
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	return dns.Probe{URL: u.Scheme + "://" + host + ":" + u.Port() + "/health", Old: oldWeb}
}

func TestHealthyAsksTheTargetUnderTheServicesName(t *testing.T) {
	var hosts atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u := (&url.URL{Host: r.Host}); u.Hostname() == "www.example.com" && r.URL.Path == "/health" {
			hosts.Add(1)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		http.NotFound(w, r)
	}))
	defer server.Close()
	plantest.Exercise(t, dns.Healthy(dns.HealthySpec{Probes: []dns.Probe{probeOf(t, server, "www.example.com")}, Addresses: loopback, Interval: time.Millisecond}))
	require.EqualValues(t, 1+3+1, hosts.Load(), "once to check, three times in a row, once to verify")
}

// A redirect to https of the same name is followed, to the same address. All others
// lead away from the probed service, perhaps to a login or an error page.
func TestHealthyFollowsToHTTPSOfTheSameNameOnly(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/broken":
			http.Error(w, "no database", http.StatusServiceUnavailable)
		case "/again":
			http.Redirect(w, r, "/health", http.StatusFound)
		}
	}))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	s, err := url.Parse(secure.URL)
	require.NoError(t, err)
	roots := &tls.Config{RootCAs: secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	var where atomic.Value
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, where.Load().(string), http.StatusMovedPermanently)
	}))
	defer plain.Close()
	for _, c := range []struct{ to, err string }{
		{"https://example.com:" + s.Port() + "/health", ""},
		{"https://example.com:" + s.Port() + "/broken", "503 Service Unavailable"},
		{"https://example.com:" + s.Port() + "/again", "302 Found to /health"},
		{"https://www.example.com:" + s.Port() + "/health", "301 Moved Permanently to https://www.example.com"},
		{"/login", "301 Moved Permanently to /login"},
	} {
		where.Store(c.to)
		err := dns.Healthy(dns.HealthySpec{Probes: []dns.Probe{probeOf(t, plain, "example.com")}, Addresses: loopback, TLS: roots}).Op.Verify(t.Context())
		if c.err == "" {
			require.NoError(t, err, c.to)
			continue
		}
		require.ErrorContains(t, err, c.err)
	}
}

func TestHealthyStartsAgainAfterAFailure(t *testing.T) {
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	step := dns.Healthy(dns.HealthySpec{Probes: []dns.Probe{probeOf(t, server, "www.example.com")}, Addresses: loopback, Interval: time.Millisecond})
	require.NoError(t, step.Op.Apply(t.Context()))
	require.EqualValues(t, 6, n.Load(), "two good, one bad, three good")
}

func TestHealthyPreventsTheFlip(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	probe := probeOf(t, server, "www.example.com")
	step := dns.Healthy(dns.HealthySpec{Probes: []dns.Probe{probe}, Addresses: loopback, Interval: time.Millisecond, Within: 200 * time.Millisecond})
	state, err := step.Op.Check(t.Context())
	require.NoError(t, err)
	require.False(t, state.Done)
	require.Contains(t, state.Now, "0 of 1 probes healthy: probe "+probe.URL)
	err = step.Op.Apply(t.Context())
	require.ErrorContains(t, err, "answer 404 Not Found")
	require.Contains(t, report.Hint(err), "repair the service")
	require.ErrorContains(t, step.Op.Verify(t.Context()), "404")

	server.Close()
	require.ErrorContains(t, step.Op.Apply(t.Context()), "connection refused")
}

func TestHealthyBeforeTheTargetExists(t *testing.T) {
	step := dns.Healthy(dns.HealthySpec{Probes: []dns.Probe{{URL: "http://www.example.com/", Old: oldWeb}}, Addresses: dns.AddressMap{}})
	state, err := step.Op.Check(t.Context())
	require.NoError(t, err)
	require.True(t, state.Unknown)
	require.ErrorIs(t, step.Op.Apply(t.Context()), dns.ErrNotProvisioned, "waiting would not help")
}

func TestHealthyVerifiesCertificates(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the test provokes refused handshakes
	server.StartTLS()
	defer server.Close()
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	spec := dns.HealthySpec{Addresses: loopback}

	spec.Probes, spec.TLS = []dns.Probe{probeOf(t, server, "example.com")}, &tls.Config{RootCAs: roots}
	require.NoError(t, dns.Healthy(spec).Op.Verify(t.Context()))
	spec.TLS = nil
	require.ErrorContains(t, dns.Healthy(spec).Op.Verify(t.Context()), "certificate")
	spec.Probes, spec.TLS = []dns.Probe{probeOf(t, server, "other.test")}, &tls.Config{RootCAs: roots}
	require.ErrorContains(t, dns.Healthy(spec).Op.Verify(t.Context()), "other.test")
}

func TestProbesOf(t *testing.T) {
	entries := []dns.Entry{{Record: record("www.example.com", "A", oldWeb.String()), Old: oldWeb}, {Record: record("*.example.com", "A", oldWeb.String()), Old: oldWeb}}
	require.Equal(t, []dns.Probe{{URL: "http://www.example.com:8080/health", Old: oldWeb}}, dns.ProbesOf(entries, "http://{address}:8080/health"))
}
