package cfsim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/dns"
	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/lab/spec"
)

const (
	token     = "lab-token"
	readToken = "lab-read-token"
)

// clock is a clock that a test advances.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// lab is a Sim behind the contract's validator, with one zone.
type lab struct {
	*cfsim.Sim
	t      *testing.T
	url    string // base URL of the API
	zoneID string
	spec   *spec.Validator
}

const zoneName = "example.com"

func newLab(t *testing.T, opts cfsim.Options, records ...cfsim.Record) *lab {
	t.Helper()
	opts.Token, opts.ReadToken = token, readToken
	sim := cfsim.New(opts)
	id, err := sim.AddZone(zoneName, records...)
	require.NoError(t, err)
	v := spec.Require(t, spec.Cloudflare)
	v.Tolerate(spec.Deviation{Side: spec.Response, Reason: "errors/0/code", Why: "code 971 is below the document's minimum, and real"})
	server := httptest.NewServer(v.Handler(sim))
	t.Cleanup(server.Close)
	return &lab{Sim: sim, t: t, url: server.URL + "/client/v4/", zoneID: id, spec: v}
}

// options returns a real client's options, without retries.
func (l *lab) options() []option.RequestOption {
	return []option.RequestOption{option.WithBaseURL(l.url), option.WithAPIToken(token), option.WithMaxRetries(0)}
}

func (l *lab) records() *dns.RecordService { return dns.NewRecordService(l.options()...) }

// reply is an answer of the API.
type reply struct {
	Status  int         `json:"-"`
	Header  http.Header `json:"-"`
	Raw     string      `json:"-"`
	Success bool        `json:"success"`
	Errors  []struct {
		Code  int    `json:"code"`
		Text  string `json:"message"`
		Chain []struct {
			Code int `json:"code"`
		} `json:"error_chain"`
	} `json:"errors"`
	Result     json.RawMessage `json:"result"`
	ResultInfo map[string]int  `json:"result_info"`
}

// codes returns the codes of the errors and their chains, outer before inner.
func (r reply) codes() []int {
	var out []int
	for _, e := range r.Errors {
		out = append(out, e.Code)
		for _, inner := range e.Chain {
			out = append(out, inner.Code)
		}
	}
	return out
}

func (r reply) into(t *testing.T, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(r.Result, v), r.Raw)
}

// do sends a plain request; "{zone}" in the path is the zone's id.
func (l *lab) do(method, path, body string) reply {
	l.t.Helper()
	return l.doAs(token, method, path, body)
}

func (l *lab) doAs(token, method, path, body string) reply {
	l.t.Helper()
	r, err := l.try(token, method, path, body)
	require.NoError(l.t, err)
	return r
}

func (l *lab) try(token, method, path, body string) (reply, error) {
	url := strings.TrimSuffix(l.url, "/") + strings.ReplaceAll(path, "{zone}", l.zoneID)
	req, err := http.NewRequestWithContext(l.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, err
	}
	r := reply{Status: resp.StatusCode, Header: resp.Header, Raw: string(raw)}
	if strings.Contains(resp.Header.Get("Content-Type"), "json") {
		err = json.Unmarshal(raw, &r)
	}
	return r, err
}

// params fills a parameter struct of cloudflare-go. The library's own helper is in the
// root package, which takes minutes to compile.
func params[P any](t *testing.T, values map[string]any) P {
	t.Helper()
	var p P
	for name, value := range values {
		field := reflect.ValueOf(&p).Elem().FieldByName(name)
		require.True(t, field.IsValid(), name)
		if field.Kind() == reflect.Interface { // a body is not a field of the library's type
			field.Set(reflect.ValueOf(value))
			continue
		}
		v := field.FieldByName("Value")
		given := reflect.ValueOf(value)
		if given.CanConvert(v.Type()) {
			given = given.Convert(v.Type())
		}
		v.Set(given)
		field.FieldByName("Present").SetBool(true)
	}
	return p
}

// send sends a request with a body of any type.
func (l *lab) send(req *http.Request, body string) reply {
	l.t.Helper()
	req = req.WithContext(l.t.Context())
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	resp, err := http.DefaultClient.Do(req)
	require.NoError(l.t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(l.t, err)
	r := reply{Status: resp.StatusCode, Header: resp.Header, Raw: string(raw)}
	require.NoError(l.t, json.Unmarshal(raw, &r), r.Raw)
	return r
}

// requestStatus sends a request to a Sim without a connection and returns the status.
func requestStatus(sim *cfsim.Sim, method, path, body string) int {
	req := httptest.NewRequest(method, "/client/v4"+path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	sim.ServeHTTP(w, req)
	return w.Code
}
