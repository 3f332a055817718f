package traffic

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// application counts the writes that it receives, by op, and misbehaves on some.
type application struct {
	mu           sync.Mutex
	requestsByOp map[string]int
	names        map[string]bool
	failEvery    int // of this many writes one gets no answer, the next is refused, the next redirected; 0: none
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op := r.FormValue("op")
	a.mu.Lock()
	a.names[r.Host] = true
	if r.Method == http.MethodPost {
		a.requestsByOp[op]++
	}
	n, failEvery := len(a.requestsByOp), a.failEvery
	a.mu.Unlock()
	w.Header().Set("X-Served-By", oldServer)
	switch {
	case r.Method == http.MethodGet:
	case op == "":
		http.Error(w, "a write without op", http.StatusBadRequest)
	case failEvery > 0 && n%failEvery == 0:
		panic(http.ErrAbortHandler) // the work is done, the answer is lost
	case failEvery > 0 && n%failEvery == 1:
		http.Error(w, "read-only for a moment", http.StatusServiceUnavailable)
	case failEvery > 0 && n%failEvery == 2:
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	case r.URL.Path == "/signup":
		_, _ = w.Write([]byte(`{"token":"T"}`))
	case r.URL.Path == "/confirm" && r.FormValue("token") != "T":
		http.Error(w, "no such sign-up", http.StatusNotFound)
	}
}

func (a *application) writes() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.requestsByOp)
}

func startTraffic(t *testing.T, app *application, likes bool) *Traffic {
	t.Helper()
	app.requestsByOp, app.names = map[string]int{}, map[string]bool{}
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	tr := &Traffic{
		Edge: strings.TrimPrefix(server.URL, "http://"), Names: []string{"blog.test", "shop.test"},
		Path: filepath.Join(t.TempDir(), "traffic.jsonl"), Think: 2 * time.Millisecond, Likes: likes,
	}
	require.NoError(t, tr.Open(t.Context()))
	return tr
}

func TestEveryWriteIsSentOnceAndRecorded(t *testing.T) {
	app := &application{}
	tr := startTraffic(t, app, true)
	require.Eventually(t, func() bool { return app.writes() > 200 }, 30*time.Second, time.Millisecond)
	require.NoError(t, tr.Close())

	log, err := ReadLog(tr.Path)
	require.NoError(t, err)
	sum := log.Summary()
	require.Equal(t, len(tr.Log()), sum.Requests)
	require.Zero(t, sum.Failed, "%v", sum.Errors)
	require.Equal(t, len(app.requestsByOp), sum.AckedWrites)
	require.Equal(t, map[string]bool{"blog.test": true, "shop.test": true}, app.names)
	for _, k := range []Kind{Publish, Signup, Confirm, Like} {
		require.NotEmpty(t, log.Acknowledged(k), k)
	}
	require.Len(t, log.Acknowledged(Confirm), len(log.Acknowledged(Signup)), "every sign-up is confirmed")
	for i, r := range log {
		require.False(t, r.Start.After(r.End))
		require.Equal(t, oldServer, r.Server)
		require.True(t, r.Start.Equal(tr.Log()[i].Start), "the file equals the log in memory")
		if r.Kind == Confirm {
			require.Equal(t, oldServer, r.Begun)
		}
	}
}

func TestUnacknowledgedWritesAreNeverSentAgain(t *testing.T) {
	app := &application{failEvery: 5}
	tr := startTraffic(t, app, false)
	require.Eventually(t, func() bool { return app.writes() > 200 }, 30*time.Second, time.Millisecond)
	require.NoError(t, tr.Close())

	lost, refused, recorded := 0, 0, map[string]int{}
	for _, r := range tr.Log() {
		if !r.Kind.Write() {
			continue
		}
		recorded[r.Op]++
		switch r.Status {
		case 0:
			require.NotEmpty(t, r.Err)
			require.False(t, r.OK())
			lost++
		case http.StatusServiceUnavailable:
			require.Equal(t, "read-only for a moment", r.Err)
			require.False(t, r.OK())
			refused++
		}
	}
	require.Positive(t, lost)
	require.Positive(t, refused)
	app.mu.Lock()
	seen := maps.Clone(app.requestsByOp) // the server may still be serving a request that Close cut off
	app.mu.Unlock()
	for op, n := range seen {
		require.Equal(t, 1, n, "sent again")
		require.Equal(t, 1, recorded[op], "sent and recorded")
	}
	require.Empty(t, tr.Log().Acknowledged(Like), "no likes when they are off")
}

func TestPauseHoldsEveryRequest(t *testing.T) {
	app := &application{}
	tr := startTraffic(t, app, false)
	require.Eventually(t, func() bool { return app.writes() > 20 }, 30*time.Second, time.Millisecond)
	tr.Pause()
	tr.Pause()
	before, sent := len(tr.Log()), app.writes()
	quiet := time.NewTimer(50 * time.Millisecond)
	<-quiet.C
	require.Len(t, tr.Log(), before)
	require.Equal(t, sent, app.writes())
	tr.Resume()
	tr.Resume()
	require.Eventually(t, func() bool { return app.writes() > sent+20 }, 30*time.Second, time.Millisecond)
	tr.Pause()
	require.NoError(t, tr.Close(), "close while paused")
	require.Len(t, tr.Log().Acknowledged(Confirm), len(tr.Log().Acknowledged(Signup)))
}

func TestUnreachableEdge(t *testing.T) {
	tr := &Traffic{Edge: "127.0.0.1:1", Names: []string{"blog.test"}, Path: filepath.Join(t.TempDir(), "log"), Think: time.Millisecond}
	require.NoError(t, tr.Open(t.Context()))
	require.Eventually(t, func() bool { return len(tr.Log()) > 20 }, 30*time.Second, time.Millisecond)
	require.NoError(t, tr.Close())
	sum := tr.Log().Summary()
	require.Equal(t, sum.Requests, sum.Failed)
	require.Zero(t, sum.AckedWrites)

	tr.Path = filepath.Join(t.TempDir(), "no", "folder")
	require.ErrorContains(t, tr.Open(t.Context()), "create traffic log")
}
