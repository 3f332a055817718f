package dosim

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clock is a clock that a test advances.
type clock struct{ nanos atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Unix(1_800_000_000, c.nanos.Load()) }
func (c *clock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

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
	require.Equal(t, 5, resp.Rate.Remaining, "a refused request does not count")

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
