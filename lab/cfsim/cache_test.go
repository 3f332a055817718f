package cfsim_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/lab/cfsim"
)

func TestEdgeCache(t *testing.T) {
	list, port := origins(t, 2, func(_ *origin, i int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", r.URL.Query().Get("cc"))
			w.Header().Set("Cache-Tag", "Blog, all")
			if r.URL.Query().Has("cookie") {
				w.Header().Set("Set-Cookie", "a=b")
			}
			fmt.Fprintf(w, "origin %d", i+2)
		}
	})
	c := newClock()
	l := newLab(t, cfsim.Options{Plan: cfsim.PlanEnterprise, Now: c.Now, Propagation: -1},
		cfsim.Record{Type: "A", Name: "www", Content: "127.0.0.2", Proxied: true},
		cfsim.Record{Type: "A", Name: "other", Content: "127.0.0.2", Proxied: true})
	edge := startEdge(t, l.Sim, port)
	status := func(path string, headers ...string) string {
		t.Helper()
		return get(t, edge, "www.example.com", path, headers...).header.Get("CF-Cache-Status")
	}
	const kept = "/a?cc=public,max-age=60"
	require.Equal(t, "MISS", status(kept))
	hit := get(t, edge, "www.example.com", kept)
	require.Equal(t, []string{"HIT", "origin 2", "0"}, []string{hit.header.Get("CF-Cache-Status"), hit.body, hit.header.Get("Age")})
	require.EqualValues(t, 1, list[0].hits.Load())
	require.Equal(t, "DYNAMIC", status(kept, "Authorization", "x"))
	c.Advance(59 * time.Second)
	require.Equal(t, "59", get(t, edge, "www.example.com", kept).header.Get("Age"))
	c.Advance(time.Second)
	require.Equal(t, "EXPIRED", status(kept))
	for _, path := range []string{"/b", "/c?cc=max-age=60", "/d?cc=private,max-age=60", "/e?cc=public,max-age=60,no-store", "/f?cc=public,s-maxage=0,max-age=60", "/g?cc=public,max-age=60&cookie"} {
		require.Equal(t, "DYNAMIC", status(path), path)
		require.Equal(t, "DYNAMIC", status(path), path)
	}
	p, err := fetch(t.Context(), edge, http.MethodPost, "www.example.com", kept, "x")
	require.NoError(t, err)
	require.Equal(t, "DYNAMIC", p.header.Get("CF-Cache-Status"))

	// After a flip without a purge the cache still has the old site's answer.
	for _, r := range l.Records(zoneName) {
		require.Equal(t, 200, l.do(http.MethodPatch, recordsPath+"/"+r.ID, `{"content":"127.0.0.3"}`).Status)
	}
	require.Equal(t, "origin 2", get(t, edge, "www.example.com", kept).body)
	for _, body := range []string{
		`{"purge_everything":true}`, `{"hosts":["www.example.com"]}`, `{"tags":["blog"]}`,
		`{"prefixes":["www.example.com/a"]}`, `{"files":["http://www.example.com` + kept + `"]}`,
	} {
		require.Equal(t, "HIT", status(kept), body)
		require.Equal(t, 200, l.do(http.MethodPost, "/zones/{zone}/purge_cache", body).Status)
		p := get(t, edge, "www.example.com", kept)
		require.Equal(t, []string{"MISS", "origin 3"}, []string{p.header.Get("CF-Cache-Status"), p.body}, body)
	}
	for _, body := range []string{`{"hosts":["other.example.com"]}`, `{"tags":["none"]}`, `{"prefixes":["www.example.com/z"]}`, `{"files":["http://www.example.com/z"]}`} {
		require.Equal(t, 200, l.do(http.MethodPost, "/zones/{zone}/purge_cache", body).Status)
		require.Equal(t, "HIT", status(kept), body)
	}
}

// TestPurgeBeatsAnswersInFlight purges while an answer is in flight: the cache must not
// store the old origin's answer afterwards.
func TestPurgeBeatsAnswersInFlight(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	finish := sync.OnceFunc(func() { close(release) })
	_, port := origins(t, 1, func(o *origin, _ int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=60")
			if o.hits.Load() == 1 {
				close(asked)
				<-release
			}
		}
	})
	l := newLab(t, cfsim.Options{}, cfsim.Record{Type: "A", Name: "www", Content: "127.0.0.2", Proxied: true})
	edge := startEdge(t, l.Sim, port)
	t.Cleanup(finish)
	var first errgroup.Group
	first.Go(func() error {
		_, err := fetch(t.Context(), edge, http.MethodGet, "www.example.com", "/", "")
		return err
	})
	<-asked
	require.Equal(t, 200, l.do(http.MethodPost, "/zones/{zone}/purge_cache", `{"purge_everything":true}`).Status)
	finish()
	require.NoError(t, first.Wait())
	require.Equal(t, "MISS", get(t, edge, "www.example.com", "/").header.Get("CF-Cache-Status"))
	require.Equal(t, "HIT", get(t, edge, "www.example.com", "/").header.Get("CF-Cache-Status"))
}
