package cloudflare_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/dns/cloudflare"
	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/lab/spec"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

const token = "test-token-that-must-not-show"

// newAccount returns a simulated account and a client of it. Their exchanges are
// validated against the vendor's API document.
func newAccount(t *testing.T, opts cfsim.Options) (*cfsim.Sim, *cloudflare.Client) {
	t.Helper()
	opts.Token = token
	sim := cfsim.New(opts)
	api, err := sim.ServeAPI("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, api.Close()) })
	validator := spec.Require(t, spec.Cloudflare)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	return sim, newClient(t, api.URL(), token, validator.Transport(transport))
}

func newClient(t *testing.T, endpoint, token string, transport http.RoundTripper) *cloudflare.Client {
	t.Helper()
	c, err := cloudflare.New(cloudflare.Config{Token: secret.New(token), Endpoint: endpoint, Transport: transport})
	require.NoError(t, err)
	return c
}

func record(name, content string) cfsim.Record {
	return cfsim.Record{Name: name, Type: "A", Content: content, TTL: 3600}
}

func TestNewRefuses(t *testing.T) {
	_, err := cloudflare.New(cloudflare.Config{})
	require.ErrorContains(t, err, "no API token")
	for _, endpoint := range []string{"api.example.com", "ftp://api.example.com/", "http://", "://"} {
		_, err := cloudflare.New(cloudflare.Config{Token: secret.New(token), Endpoint: endpoint})
		require.ErrorContains(t, err, "not an http(s) address", endpoint)
	}
}

func TestZonesReadsEveryPage(t *testing.T) {
	sim, c := newAccount(t, cfsim.Options{Plan: cfsim.PlanFree})
	for i := range 120 {
		_, err := sim.AddZone(fmt.Sprintf("zone%03d.com", i))
		require.NoError(t, err)
	}
	zones, err := c.Zones(t.Context(), []string{"zone119.com", "Zone000.com.", "zone050.com"})
	require.NoError(t, err)
	require.Len(t, zones, 3)
	for i, name := range []string{"zone119.com", "zone000.com", "zone050.com"} {
		z := zones[i]
		require.NotEmpty(t, z.ID)
		require.Len(t, z.NameServers, 2)
		z.ID, z.NameServers = "", nil
		require.Equal(t, dns.Zone{Name: name, Plan: "free", Active: true, BatchLimit: 200}, z)
	}
	require.Len(t, sim.Requests(), 3, "no page too many")

	_, err = c.Zones(t.Context(), []string{"zone000.com", "nowhere.com"})
	require.ErrorIs(t, err, dns.ErrNoZone)
	require.ErrorContains(t, err, "nowhere.com")
	require.Contains(t, report.Hint(err), "and 110 more")
}

func TestZonesOfOtherPlans(t *testing.T) {
	sim, c := newAccount(t, cfsim.Options{Plan: cfsim.PlanBusiness})
	_, err := sim.AddZone("example.com")
	require.NoError(t, err)
	zones, err := c.Zones(t.Context(), []string{"example.com"})
	require.NoError(t, err)
	require.Equal(t, 3500, zones[0].BatchLimit)
}

// Every field survives, whether it is known or not.
func TestRecords(t *testing.T) {
	sim, c := newAccount(t, cfsim.Options{Plan: cfsim.PlanPro})
	_, err := sim.AddZone("example.com",
		cfsim.Record{Name: "example.com", Type: "A", Content: "192.0.2.1", Proxied: true, TTL: 1, Comment: "ünïcode", Tags: []string{"team:web"}},
		cfsim.Record{Name: "*.example.com", Type: "AAAA", Content: "2001:db8::1", TTL: 120},
		cfsim.Record{Name: "example.com", Type: "MX", Content: "mail.example.com", Priority: 10, TTL: 300},
	)
	require.NoError(t, err)
	zones, err := c.Zones(t.Context(), []string{"example.com"})
	require.NoError(t, err)
	records, err := c.Records(t.Context(), zones[0])
	require.NoError(t, err)
	require.Len(t, records, 3)
	want := map[string]cfsim.Record{}
	for _, r := range sim.Records("example.com") {
		want[r.ID] = r
	}
	for _, r := range records {
		w := want[r.ID]
		raw, err := json.Marshal(&w)
		require.NoError(t, err)
		require.JSONEq(t, string(raw), string(r.Raw))
		require.Equal(t, []any{w.Name, w.Type, w.Content, w.TTL, w.Proxied, w.Comment}, []any{r.Name, r.Type, r.Content, r.TTL, r.Proxied, r.Comment})
		require.WithinDuration(t, w.ModifiedOn, r.ModifiedOn, time.Millisecond)
	}
}

func TestRecordsReadsEveryPage(t *testing.T) {
	sim, c := newAccount(t, cfsim.Options{Plan: cfsim.PlanPro})
	records := make([]cfsim.Record, 5001)
	for i := range records {
		records[i] = record(fmt.Sprintf("h%05d.example.com", i), "192.0.2.1")
	}
	_, err := sim.AddZone("example.com", records...)
	require.NoError(t, err)
	zones, err := c.Zones(t.Context(), []string{"example.com"})
	require.NoError(t, err)
	got, err := c.Records(t.Context(), zones[0])
	require.NoError(t, err)
	require.Len(t, got, 5001)
	require.Len(t, sim.Requests(), 1+2)
}

// A list that shrinks or grows between two pages is read again.
func TestListThatChangesWhileItIsRead(t *testing.T) {
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("page") == "1" {
			fmt.Fprint(w, `{"success":true,"errors":[],"messages":[],"result":[{"id":"1"},{"id":"2"}],"result_info":{"total_pages":2,"total_count":3}}`)
			return
		}
		fmt.Fprint(w, `{"success":true,"errors":[],"messages":[],"result":[],"result_info":{"total_pages":1,"total_count":2}}`)
	})
	_, err := c.Records(t.Context(), dns.Zone{ID: "z", Name: "example.com"})
	require.NoError(t, err, "two of two: what the last page says holds")

	c = clientOf(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"success":true,"errors":[],"messages":[],"result":[{"id":"1"}],"result_info":{"total_pages":1,"total_count":2}}`)
	})
	_, err = c.Records(t.Context(), dns.Zone{ID: "z", Name: "example.com"})
	requireTransient(t, err)
	require.ErrorContains(t, err, "the list changed while it was read: 1 of 2")
}

func TestChangeNamesNothingElse(t *testing.T) {
	sim, c := newAccount(t, cfsim.Options{Plan: cfsim.PlanPro})
	_, err := sim.AddZone("example.com", record("a.example.com", "192.0.2.1"), record("b.example.com", "192.0.2.1"),
		cfsim.Record{Name: "c.example.com", Type: "AAAA", Content: "2001:db8::1", TTL: 120})
	require.NoError(t, err)
	zones, err := c.Zones(t.Context(), []string{"example.com"})
	require.NoError(t, err)
	was := sim.Records("example.com")
	require.NoError(t, c.Change(t.Context(), zones[0], []dns.Change{
		{ID: was[0].ID, Type: "A", Content: "203.0.113.1"},
		{ID: was[1].ID, Type: "A", TTL: 60},
		{ID: was[2].ID, Type: "AAAA", Content: "2001:db8::2", TTL: 60},
	}))
	var body map[string][]map[string]any
	require.NoError(t, json.Unmarshal(sim.Mutations()[0].Body, &body))
	require.Equal(t, map[string][]map[string]any{"patches": {
		{"id": was[0].ID, "content": "203.0.113.1"},
		{"id": was[1].ID, "ttl": 60.0},
		{"id": was[2].ID, "content": "2001:db8::2", "ttl": 60.0},
	}}, body)
	require.ErrorContains(t, c.Change(t.Context(), zones[0], []dns.Change{{ID: "x", Type: "MX", Content: "y"}}), "only A and AAAA")
}

func TestErrors(t *testing.T) {
	sim, c := newAccount(t, cfsim.Options{Plan: cfsim.PlanPro})
	_, err := sim.AddZone("example.com", record("a.example.com", "192.0.2.1"), record("a.example.com", "192.0.2.2"))
	require.NoError(t, err)
	zones, err := c.Zones(t.Context(), []string{"example.com"})
	require.NoError(t, err)
	id := sim.Records("example.com")[0].ID
	unknown := "0123456789abcdef0123456789abcdef"

	err = c.Change(t.Context(), zones[0], []dns.Change{{ID: id, Type: "A", Content: "203.0.113.9"}, {ID: unknown, Type: "A", Content: "203.0.113.1"}})
	require.ErrorIs(t, err, dns.ErrRecordGone)
	requireFinal(t, err)
	require.Equal(t, "192.0.2.1", sim.Records("example.com")[0].Content, "one transaction")

	err = c.Change(t.Context(), zones[0], []dns.Change{{ID: id, Type: "A", Content: "192.0.2.2"}})
	require.ErrorContains(t, err, "81058")
	require.Contains(t, report.Hint(err), "delete one of the two")
	requireFinal(t, err)

	err = c.Change(t.Context(), zones[0], []dns.Change{{ID: id, Type: "A", TTL: 7}})
	require.ErrorContains(t, err, "9021", "the chain of a 1004 is shown")
	requireFinal(t, err)

	_, err = c.Records(t.Context(), dns.Zone{ID: unknown, Name: "gone.com"})
	require.ErrorContains(t, err, "list records of gone.com")
	require.NotEmpty(t, report.Hint(err))
	requireFinal(t, err)
}

func TestRefusedToken(t *testing.T) {
	sim := cfsim.New(cfsim.Options{Token: "another", ReadToken: token})
	api, err := sim.ServeAPI("127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, api.Close()) }()
	_, err = sim.AddZone("example.com", record("a.example.com", "192.0.2.1"))
	require.NoError(t, err)

	reader := newClient(t, api.URL(), token, nil)
	zones, err := reader.Zones(t.Context(), []string{"example.com"})
	require.NoError(t, err, "a token that reads is enough to plan")
	writing := reader.Change(t.Context(), zones[0], []dns.Change{{ID: sim.Records("example.com")[0].ID, Type: "A", TTL: 60}})
	_, reading := newClient(t, api.URL(), "wrong-"+token, nil).Zones(t.Context(), []string{"example.com"})
	for _, err := range []error{writing, reading} {
		requireFinal(t, err)
		require.Contains(t, report.Hint(err), "DNS Edit")
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), token, "I7")
	}
}

// Every answer that is not a success is an error. It is transient if another try may
// solve it.
func TestAnswersThatAreNotASuccess(t *testing.T) {
	cases := map[string]struct {
		answer    http.HandlerFunc
		says      string
		transient bool
	}{
		"502 with HTML": {page(http.StatusBadGateway, "text/html", "<html>bad gateway</html>"), "answer 502 Bad Gateway without an API error", true},
		"200 with HTML": {page(http.StatusOK, "text/html", "<html>log in to the hotel's network</html>"), "answer 200 OK without an API error", true},
		"200 with half": {page(http.StatusOK, "application/json", `{"success":tr`), "answer 200 OK without an API error", true},
		"200, refused":  {page(http.StatusOK, "application/json", `{"success":false,"errors":[{"code":1004,"message":"no","error_chain":[{"code":9021,"message":"bad TTL"}]}]}`), "answer 200: no (1004): bad TTL (9021)", false},
		"200, unknown":  {page(http.StatusOK, "application/json", `{"success":false,"errors":[{"code":1016,"message":"unknown"}]}`), "unknown (1016)", true},
		"redirect":      {page(http.StatusFound, "text/html", ""), "answer 302 Found", false},
		"403":           {page(http.StatusForbidden, "text/html", ""), "answer 403", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			n := 0
			client := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				n++
				mu.Unlock()
				c.answer(w, r)
			})
			err := client.Change(t.Context(), dns.Zone{ID: "z", Name: "example.com"}, []dns.Change{{ID: "1", Type: "A", TTL: 60}})
			require.ErrorContains(t, err, c.says)
			if c.transient {
				requireTransient(t, err)
			} else {
				requireFinal(t, err)
			}
			require.Equal(t, 1, n, "a batch is never repeated by the client")
		})
	}
}

func TestRateLimits(t *testing.T) {
	c := clientOf(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "240") // longer than httpretry waits
		page(http.StatusTooManyRequests, "application/json", `{"success":false,"errors":[{"code":971,"message":"slow down"}]}`)(w, nil)
	})
	_, err := c.Zones(t.Context(), []string{"example.com"})
	require.Equal(t, 240*time.Second, requireTransient(t, err).After)
	err = c.Purge(t.Context(), dns.Zone{ID: "z", Name: "example.com"}, nil)
	require.Equal(t, 240*time.Second, requireTransient(t, err).After)
}

func TestTheCallersContext(t *testing.T) {
	_, c := newAccount(t, cfsim.Options{})
	_, err := c.Zones(t.Context(), nil) // the validator needs to see an exchange
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Zones(ctx, []string{"example.com"})
	require.ErrorIs(t, err, context.Canceled)
	requireFinal(t, err)
}

func TestPurge(t *testing.T) {
	sim, c := newAccount(t, cfsim.Options{Plan: cfsim.PlanEnterprise})
	_, err := sim.AddZone("example.com")
	require.NoError(t, err)
	zones, err := c.Zones(t.Context(), []string{"example.com"})
	require.NoError(t, err)
	require.NoError(t, c.Purge(t.Context(), zones[0], []string{"a.example.com"}))
	require.NoError(t, c.Purge(t.Context(), zones[0], nil))
	require.JSONEq(t, `{"hosts":["a.example.com"]}`, string(sim.Mutations()[0].Body))
	require.JSONEq(t, `{"purge_everything":true}`, string(sim.Mutations()[1].Body))
	requireFinal(t, c.Purge(t.Context(), zones[0], make([]string, c.PurgeLimit()+1)))
}

func clientOf(t *testing.T, answer http.HandlerFunc) *cloudflare.Client {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return newClient(t, server.URL, token, nil)
}

func page(status int, media, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.Header().Set("Location", "https://elsewhere.example.com/")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func requireTransient(t *testing.T, err error) *report.TransientError {
	t.Helper()
	var found *report.TransientError
	require.True(t, errors.As(err, &found), "transient: %v", err)
	return found
}

func requireFinal(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	var found *report.TransientError
	require.False(t, errors.As(err, &found), "not transient: %v", err)
}
