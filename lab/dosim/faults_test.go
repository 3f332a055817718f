package dosim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
			_, resp, err := client.Droplets.Create(t.Context(), dropletRequest("web-1"))
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
				waitActive(t, client, found[0].ID)
			}
			_, _, err = client.Droplets.Create(t.Context(), dropletRequest("web-2"))
			require.NoError(t, err, "a fault strikes only as often as it says")
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

// TestRetryDoublesDroplet shows what FACTS warns of: a retry after a lost answer makes
// a second droplet, unless the client looks for the first by tag.
func TestRetryDoublesDroplet(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	in := dropletRequest("web-1")
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
