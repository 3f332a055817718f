package dosim

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

// clock is a hand-driven Now.
type clock struct{ nanos atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Unix(1_800_000_000, c.nanos.Load()) }
func (c *clock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

func TestWrongToken(t *testing.T) {
	l := newLab(t, Options{})
	for _, token := range []string{"", "wrong", testToken + "x"} {
		_, resp, err := l.godo(t, token).Droplets.Create(t.Context(), request("web-1"))
		status, message := statusOf(t, err)
		require.Equal(t, 401, status)
		require.Equal(t, "Unable to authenticate you", message)
		require.NotEmpty(t, resp.Header.Get("ratelimit-limit"))
	}
	require.Empty(t, l.Machines())
	for _, r := range l.Requests() {
		require.NotContains(t, r.Path+r.Query, testToken)
	}
	require.Equal(t, 401, answerOf(t, New(Options{}), "GET", "/v2/account").StatusCode, "without a token of its own nobody gets in")
}

// answerOf asks a handler directly, without the validator.
func answerOf(t *testing.T, h http.Handler, method, path string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+path, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+testToken)
	resp, err := (&http.Client{Transport: handlerTransport{h}}).Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, resp.Body.Close()) })
	return resp
}

func TestNotFoundAndTrailingSlash(t *testing.T) {
	l := newLab(t, Options{})
	resp := answerOf(t, l.Sim, "GET", "/v2/nonsense")
	require.Equal(t, 404, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), `"id":"not_found"`)
	require.Equal(t, 200, answerOf(t, l.validator.Handler(l.Sim), "GET", "/v2/droplets/").StatusCode)
	_, _, err = l.godo(t, testToken).Droplets.Get(t.Context(), 4)
	status, message := statusOf(t, err)
	require.Equal(t, 404, status)
	require.Equal(t, "The resource you were accessing could not be found.", message)
}

func TestRateLimits(t *testing.T) {
	c := new(clock)
	l := newLab(t, Options{Now: c.Now, Limits: Limits{PerHour: 8, PerMinute: 3, KeysPerMinute: 2}})
	client := l.godo(t, testToken)
	ctx := t.Context()
	for i := range 3 {
		_, resp, err := client.Account.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, 8, resp.Rate.Limit)
		require.Equal(t, 7-i, resp.Rate.Remaining)
		require.Equal(t, c.Now().Add(time.Hour).Unix(), resp.Rate.Reset.Unix())
		require.Empty(t, resp.Header.Get("Retry-After"))
	}
	c.advance(20 * time.Second)
	_, resp, err := client.Account.Get(ctx)
	status, _ := statusOf(t, err)
	require.Equal(t, 429, status, "the burst limit")
	require.Equal(t, "40", resp.Header.Get("Retry-After"))
	require.Equal(t, 5, resp.Rate.Remaining, "what was refused does not count")

	c.advance(40 * time.Second)
	for range 2 {
		_, _, err = client.Keys.List(ctx, nil)
		require.NoError(t, err)
	}
	_, resp, err = client.Keys.List(ctx, nil)
	status, _ = statusOf(t, err)
	require.Equal(t, 429, status, "keys may be listed twice a minute here")
	require.Equal(t, "60", resp.Header.Get("Retry-After"))

	c.advance(time.Minute)
	for range 3 {
		_, _, err = client.Account.Get(ctx)
		require.NoError(t, err)
	}
	c.advance(time.Minute)
	_, resp, err = client.Account.Get(ctx)
	status, _ = statusOf(t, err)
	require.Equal(t, 429, status, "the hourly limit")
	require.Empty(t, resp.Header.Get("Retry-After"), "comes with the burst limit only")
	require.Zero(t, resp.Rate.Remaining)
	c.advance(time.Hour)
	_, _, err = client.Account.Get(ctx)
	require.NoError(t, err, "the window slides")
}

func TestFaults(t *testing.T) {
	cases := map[string]struct {
		fault  Fault
		status int // 0: no answer
		made   bool
	}{
		"429":         {Fault{Kind: TooManyRequests, Delay: 7 * time.Second}, 429, false},
		"500":         {Fault{Kind: ServerError}, 500, false},
		"502":         {Fault{Kind: BadGateway}, 502, false},
		"slow":        {Fault{Kind: Slow, Delay: 30 * time.Millisecond}, 202, true},
		"drop after":  {Fault{Kind: DropAfter}, 0, true},
		"drop before": {Fault{Kind: DropBefore}, 0, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, Options{})
			client := l.godo(t, testToken)
			c.fault.Method, c.fault.Path = "POST", "/v2/droplets"
			l.Inject(c.fault)
			started := time.Now()
			_, resp, err := client.Droplets.Create(t.Context(), request("web-1"))
			switch c.status {
			case 0:
				require.Error(t, err)
				require.Nil(t, resp)
			case 202:
				require.NoError(t, err)
				require.GreaterOrEqual(t, time.Since(started), c.fault.Delay)
			default:
				require.Error(t, err)
				require.Equal(t, c.status, resp.StatusCode)
			}
			if c.status == 429 {
				require.Equal(t, "7", resp.Header.Get("Retry-After"))
			}
			if c.status == 502 {
				require.Equal(t, "text/html", resp.Header.Get("Content-Type"))
			}
			found, _, err := client.Droplets.ListByName(t.Context(), "web-1", nil)
			require.NoError(t, err)
			require.Equal(t, c.made, len(found) == 1)
			seen := l.Mutations()
			require.Len(t, seen, 1)
			require.Equal(t, c.fault.Kind.String(), seen[0].Fault)
			require.Equal(t, c.status == 0, seen[0].Lost)
			if len(found) == 1 {
				active(t, client, found[0].ID)
			}
			_, _, err = client.Droplets.Create(t.Context(), request("web-2"))
			require.NoError(t, err, "a fault is for as many requests as it says")
			require.Zero(t, l.ClearFaults())
		})
	}
}

func TestFaultPatterns(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	l.Inject(Fault{Path: "/v2/droplets/*", Times: 2, Kind: ServerError})
	l.Inject(Fault{Method: "GET", Path: "/v2/account", Times: -1, Kind: BadGateway})
	for want := range 3 {
		_, resp, err := client.Droplets.Get(t.Context(), 5)
		require.Error(t, err)
		require.Equal(t, []int{500, 500, 404}[want], resp.StatusCode)
	}
	_, _, err := client.Droplets.List(t.Context(), nil)
	require.NoError(t, err)
	for range 3 {
		_, resp, err := client.Account.Get(t.Context())
		require.Error(t, err)
		require.Equal(t, 502, resp.StatusCode)
	}
	require.Equal(t, 1, l.ClearFaults())
	_, _, err = client.Account.Get(t.Context())
	require.NoError(t, err)
}

// TestRetryMakesTwo shows what FACTS warns of: a lost answer and a blind retry
// make two droplets, and a look by tag prevents it.
func TestRetryMakesTwo(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	in := request("web-1")
	in.Tags = []string{"move:1"}
	l.Inject(Fault{Method: "POST", Path: "/v2/droplets", Kind: DropAfter})
	_, _, err := client.Droplets.Create(t.Context(), in)
	require.Error(t, err)
	found, _, err := client.Droplets.ListByTag(t.Context(), "move:1", nil)
	require.NoError(t, err)
	require.Len(t, found, 1, "the work was done")
	_, _, err = client.Droplets.Create(t.Context(), in)
	require.NoError(t, err, "names are not unique")
	found, _, err = client.Droplets.ListByTag(t.Context(), "move:1", nil)
	require.NoError(t, err)
	require.Len(t, found, 2)
}

func TestRequestLog(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	_, _, err := client.Droplets.List(t.Context(), &godo.ListOptions{PerPage: 5})
	require.NoError(t, err)
	require.Empty(t, l.Mutations())
	_, _, err = client.Tags.Create(t.Context(), &godo.TagCreateRequest{Name: "a"})
	require.NoError(t, err)
	all := l.Requests()
	require.Len(t, all, 2)
	require.Equal(t, "per_page=5", all[0].Query)
	require.Equal(t, 200, all[0].Status)
	require.Equal(t, "/v2/tags", all[1].Path)
	require.Equal(t, 201, all[1].Status)
	require.True(t, all[1].Mutating())
	require.WithinDuration(t, time.Now(), all[1].Time, time.Minute)
}

func TestConcurrentUse(t *testing.T) {
	l := newLab(t, Options{Limits: Limits{Droplets: 40, PerMinute: 100000, PerHour: 100000}})
	client := l.godo(t, testToken)
	ctx := t.Context()
	wall, _, err := client.Firewalls.Create(ctx, &godo.FirewallRequest{
		Name: "all", Tags: nil, InboundRules: []godo.InboundRule{{Protocol: "tcp", PortRange: "22", Sources: everywhere()}},
	})
	require.NoError(t, err)
	var all sync.WaitGroup
	errs := make(chan error, 1000)
	for i := range 12 {
		all.Go(func() {
			name := "w-" + strconv.Itoa(i)
			in := request(name)
			in.Tags = []string{"all", name}
			d, _, err := client.Droplets.Create(ctx, in)
			if err != nil {
				errs <- err
				return
			}
			_, err = client.Firewalls.AddDroplets(ctx, wall.ID, d.ID)
			errs <- err
			_, _, err = client.Droplets.ListByTag(ctx, "all", nil)
			errs <- err
			l.Inject(Fault{Method: "GET", Path: "/v2/regions", Kind: ServerError})
			l.Machines()
			l.Requests()
			_, _, err = client.Firewalls.Get(ctx, wall.ID)
			errs <- err
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	made, _, err := client.Droplets.ListByTag(ctx, "all", &godo.ListOptions{PerPage: 50})
	require.NoError(t, err)
	require.Len(t, made, 12)
	addresses := map[string]bool{}
	for _, d := range made {
		public, err := active(t, client, d.ID).PublicIPv4()
		require.NoError(t, err)
		addresses[public] = true
		require.Eventually(t, func() bool { return l.booter.rulesOf(d.ID).Enforced }, 10*time.Second, time.Millisecond)
	}
	require.Len(t, addresses, 12)
	_, err = client.Droplets.DeleteByTag(ctx, "all")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(l.booter.machines()) == 0 }, 10*time.Second, time.Millisecond)
	got, _, err := client.Firewalls.Get(ctx, wall.ID)
	require.NoError(t, err)
	require.Empty(t, got.DropletIDs, "deleted droplets leave their firewalls")
}

func TestServe(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", "192.0.2.1:0", "10.214.0.1:0", "localhost:0", ":0", "127.0.0.1"} {
		err := New(Options{}).Serve(t.Context(), addr)
		require.Error(t, err, addr)
		require.True(t, strings.Contains(err.Error(), "loopback") || strings.Contains(err.Error(), "literal"), err)
	}
	listener, err := Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().String()
	require.NoError(t, listener.Close())
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- New(Options{}).Serve(ctx, addr) }()
	require.Eventually(t, func() bool {
		resp, err := http.Get("http://" + addr + "/v2/account")
		return err == nil && resp.Body.Close() == nil && resp.StatusCode == 401
	}, 10*time.Second, time.Millisecond)
	cancel()
	require.NoError(t, <-served)
}
