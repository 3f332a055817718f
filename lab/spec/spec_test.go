package spec

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// loadOrSkip is Require without its verdict at the end, for tests that expect
// violations.
func loadOrSkip(t *testing.T, name string) *Validator {
	t.Helper()
	v, err := load(name)
	if err != nil {
		Require(t, name) // skips, or fails under CI
	}
	return v
}

const (
	goodTag = `{"tag":{"name":"web","resources":{"count":0}}}`
	unauth  = `{"id":"unauthorized","message":"Unable to authenticate you","request_id":"4d9d8375-3c56-4925-a3e7-eb137fed17e9"}`
)

func TestExchange(t *testing.T) {
	cases := map[string]struct {
		method, path, sent string
		status             int
		kind, got          string
		want               []string // parts of each violation, in order
	}{
		"right":                    {"POST", "/v2/tags", `{"name":"web"}`, 201, "application/json", goodTag, nil},
		"trailing slash":           {"POST", "/v2/tags/", `{"name":"web"}`, 201, "application/json; charset=utf-8", goodTag, nil},
		"no content":               {"DELETE", "/v2/tags/web", "", 204, "", "", nil},
		"bad request refused":      {"POST", "/v2/tags", `{"name":7}`, 401, "application/json", unauth, nil},
		"bad request accepted":     {"POST", "/v2/tags", `{"name":7}`, 201, "application/json", goodTag, []string{"request of POST /v2/tags (answered 201): at /name"}},
		"answer breaks the schema": {"POST", "/v2/tags", `{"name":"web"}`, 201, "application/json", `{"tag":{"name":7}}`, []string{"response of POST /v2/tags (answered 201): at /tag/name"}},
		"answer of another type":   {"GET", "/v2/account", "", 200, "text/html", "<html>", []string{"Content-Type"}},
		"proxy's page":             {"GET", "/v2/account", "", 502, "text/html", "<html>", nil},
		"vendor's own 500":         {"GET", "/v2/account", "", 500, "application/json", `{"oops":1}`, []string{"id", "message"}},
		"unknown path":             {"GET", "/v2/nonsense", "", 200, "application/json", "{}", []string{"no matching operation was found"}},
		"unknown method":           {"PUT", "/v2/account", "", 200, "application/json", "{}", []string{"method not allowed"}},
		"query parameter":          {"GET", "/v2/tags?per_page=9999", "", 200, "application/json", `{"tags":[],"links":{},"meta":{"total":0}}`, []string{"query parameter per_page"}},
		"format":                   {"GET", "/v2/vpcs", "", 200, "application/json", `{"vpcs":[{"id":"one"}],"links":{},"meta":{"total":1}}`, []string{"/vpcs/0/id"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			v := loadOrSkip(t, DigitalOcean)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				body, err := io.ReadAll(req.Body)
				if err != nil || string(body) != c.sent {
					http.Error(w, "the body did not arrive", http.StatusTeapot)
					return
				}
				if c.kind != "" {
					w.Header().Set("Content-Type", c.kind)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.got)
			}))
			defer server.Close()
			side := loadOrSkip(t, DigitalOcean)
			wrapped := httptest.NewServer(side.Handler(server.Config.Handler))
			defer wrapped.Close()

			for _, base := range []string{server.URL, wrapped.URL} {
				req, err := http.NewRequestWithContext(t.Context(), c.method, base+c.path, strings.NewReader(c.sent))
				require.NoError(t, err)
				req.Header.Set("Content-Type", "application/json")
				client := http.Client{Transport: http.DefaultTransport}
				if base == server.URL {
					client.Transport = v.Transport(http.DefaultTransport)
				}
				resp, err := client.Do(req)
				require.NoError(t, err)
				got, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, c.status, resp.StatusCode)
				require.Equal(t, c.got, string(got), "the answer passes through unchanged")
			}
			for _, validator := range []*Validator{v, side} {
				require.Equal(t, 1, validator.exchangeCount())
				violations := validator.collected()
				require.Len(t, violations, len(c.want), "%v", violations)
				for i, want := range c.want {
					require.ErrorContains(t, violations[i], want)
				}
			}
		})
	}
}

func TestTolerate(t *testing.T) {
	v := loadOrSkip(t, DigitalOcean)
	v.Tolerate(Deviation{Method: "POST", Path: "/v2/tags", Side: Request, Reason: "at /name", Why: "test"})
	exchange := func(path string) {
		req := httptest.NewRequest(http.MethodPost, path, nil)
		req.Header.Set("Content-Type", "application/json")
		v.checkExchange(req, []byte(`{"name":7}`), 201, http.Header{"Content-Type": {"application/json"}}, []byte(goodTag))
	}
	exchange("/v2/tags")
	require.Empty(t, v.collected(), "the named deviation passes")
	exchange("/v2/vpcs")
	require.NotEmpty(t, v.collected(), "and no other")
}

func TestCloudflareBasePath(t *testing.T) {
	v := loadOrSkip(t, Cloudflare)
	req := httptest.NewRequest(http.MethodGet, "/client/v4/nonsense", nil)
	v.checkExchange(req, nil, 200, http.Header{}, nil)
	require.Len(t, v.collected(), 1)
	req = httptest.NewRequest(http.MethodGet, "/client/v4/zones", nil)
	v.checkExchange(req, nil, 200, http.Header{"Content-Type": {"application/json"}}, []byte(`{}`))
	require.NotContains(t, v.collected()[1].Error(), "no matching operation", "the base path is part of the route")
}

func TestAbortedConnection(t *testing.T) {
	v := loadOrSkip(t, DigitalOcean)
	server := httptest.NewServer(v.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler)
	})))
	defer server.Close()
	client := http.Client{Transport: v.Transport(http.DefaultTransport)}
	resp, err := client.Get(server.URL + "/v2/account")
	if resp != nil {
		require.NoError(t, resp.Body.Close())
	}
	require.Error(t, err)
	require.Zero(t, v.exchangeCount())
}

func TestConcurrentExchanges(t *testing.T) {
	v := loadOrSkip(t, DigitalOcean)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			req := httptest.NewRequest(http.MethodPost, "/v2/tags", nil)
			req.Header.Set("Content-Type", "application/json")
			v.checkExchange(req, []byte(`{"name":"web"}`), 201, http.Header{"Content-Type": {"application/json"}}, []byte(goodTag))
		})
	}
	all.Wait()
	require.Equal(t, 8, v.exchangeCount())
	require.Empty(t, v.collected())
}

func TestLoadUnknown(t *testing.T) {
	_, err := load("unknown")
	require.ErrorIs(t, err, fs.ErrNotExist)
	for ci, want := range map[string]string{"": "skipped", "true": "failed"} {
		t.Setenv("CI", ci)
		recorder := &outcomeRecorder{TB: t}
		ended := make(chan struct{})
		go func() { defer close(ended); Require(recorder, "unknown") }()
		<-ended
		require.Equal(t, want, recorder.outcome, "CI=%q", ci)
	}
}

// outcomeRecorder is a test that records how it ended.
type outcomeRecorder struct {
	testing.TB
	outcome string
}

func (a *outcomeRecorder) Skipf(string, ...any) { a.outcome = "skipped"; runtime.Goexit() }
func (a *outcomeRecorder) Fatal(...any)         { a.outcome = "failed"; runtime.Goexit() }
