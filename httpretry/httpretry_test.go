package httpretry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dcmigrate/migrate/httpretry"
	"github.com/dcmigrate/migrate/report"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

// scriptedVendor answers the nth request with the nth of answers: a status, or 0 for
// a broken connection. After the last one it answers 200 with the request's body.
type scriptedVendor struct {
	answers    []int
	retryAfter string
	bodies     []string // of the requests that arrived
}

func (s *scriptedVendor) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent []byte
	if req.Body != nil {
		sent, _ = io.ReadAll(req.Body)
		_ = req.Body.Close()
	}
	n := len(s.bodies)
	s.bodies = append(s.bodies, string(sent))
	code := http.StatusOK
	if n < len(s.answers) {
		code = s.answers[n]
	}
	if code == 0 {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset by peer")}
	}
	h := http.Header{}
	if code != http.StatusOK && s.retryAfter != "" {
		h.Set("Retry-After", s.retryAfter)
	}
	return &http.Response{StatusCode: code, Header: h, Body: io.NopCloser(strings.NewReader(string(sent))), Request: req}, nil
}

func TestRetriesOnlyWhatIsSafe(t *testing.T) {
	tests := []struct {
		name, method string
		answers      []int
		requests     int
		status       int // 0: an error
	}{
		{"get survives 500, 502 and a reset", "GET", []int{500, 502, 0}, 4, 200},
		{"head survives 503", "HEAD", []int{503}, 2, 200},
		{"get gives up after the last attempt", "GET", []int{500, 500, 500, 500, 500, 500}, 5, 500},
		{"get keeps a 404", "GET", []int{404}, 1, 404},
		{"post waits for 429", "POST", []int{429, 429}, 3, 200},
		{"post keeps a 502, which may have been done", "POST", []int{502}, 1, 502},
		{"post keeps a reset, which may have been done", "POST", []int{0}, 1, 0},
		{"delete keeps a 500", "DELETE", []int{500}, 1, 500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := &scriptedVendor{answers: tt.answers}
				req, err := http.NewRequestWithContext(t.Context(), tt.method, "http://vendor.example/v2/things", strings.NewReader("payload"))
				require.NoError(t, err)
				resp, err := (&httpretry.Transport{Base: base}).RoundTrip(req)
				require.Len(t, base.bodies, tt.requests)
				for _, sent := range base.bodies {
					require.Equal(t, "payload", sent, "every attempt sends the whole body")
				}
				if tt.status == 0 {
					require.ErrorContains(t, err, "reset by peer")
					return
				}
				require.NoError(t, err)
				require.Equal(t, tt.status, resp.StatusCode)
				require.NoError(t, resp.Body.Close())
			})
		})
	}
}

func TestHonoursRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		name, header string
		wait         time.Duration
		requests     int
	}{
		{"seconds", "7", 7 * time.Second, 2},
		{"longer than MaxWait is the caller's", "600", 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := &scriptedVendor{answers: []int{429}, retryAfter: tt.header}
				req, err := http.NewRequestWithContext(t.Context(), "POST", "http://vendor.example/", nil)
				require.NoError(t, err)
				start := time.Now()
				resp, err := (&httpretry.Transport{Base: base}).RoundTrip(req)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Len(t, base.bodies, tt.requests)
				require.GreaterOrEqual(t, time.Since(start), tt.wait)
				require.Less(t, time.Since(start), tt.wait+time.Second)
			})
		})
	}
}

func TestRetryAfterAsDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := time.Now().Add(9 * time.Second).UTC().Format(http.TimeFormat)
		require.Equal(t, 9*time.Second, httpretry.RetryAfter(http.Header{"Retry-After": {at}}))
		require.Zero(t, httpretry.RetryAfter(http.Header{"Retry-After": {"soon"}}))
		require.Zero(t, httpretry.RetryAfter(nil))
	})
}

func TestBackoffEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		base := &scriptedVendor{answers: []int{429, 429, 429}, retryAfter: "20"}
		req, err := http.NewRequestWithContext(ctx, "GET", "http://vendor.example/", nil)
		require.NoError(t, err)
		start := time.Now()
		_, err = (&httpretry.Transport{Base: base}).RoundTrip(req)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		require.Len(t, base.bodies, 1)
	})
}

func TestBodyWithoutGetBodyIsSentOnce(t *testing.T) {
	base := &scriptedVendor{answers: []int{429}}
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://vendor.example/", io.MultiReader(strings.NewReader("x")))
	require.NoError(t, err)
	resp, err := (&httpretry.Transport{Base: base}).RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 429, resp.StatusCode)
	require.Len(t, base.bodies, 1)
}

func TestLimitHoldsRequestsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &httpretry.Transport{Base: &scriptedVendor{}, Limit: rate.NewLimiter(2, 1)}
		start := time.Now()
		for range 5 {
			req, err := http.NewRequestWithContext(t.Context(), "GET", "http://vendor.example/", nil)
			require.NoError(t, err)
			resp, err := tr.RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}
		require.Equal(t, 2*time.Second, time.Since(start), "one at once, then two a second")
	})
}

func TestTimeoutBoundsEachAttempt(t *testing.T) {
	var n atomic.Int32
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) {
		case 1: // hangs before the headers: retried
			select {
			case <-r.Context().Done():
			case <-release:
			}
		default: // hangs within the body: the reader sees ErrTimeout
			w.Header().Set("Content-Length", "10")
			_, _ = w.Write([]byte("12345"))
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-release:
			}
		}
	}))
	defer server.Close()
	defer close(release)
	client := &http.Client{Transport: &httpretry.Transport{Timeout: 100 * time.Millisecond, Attempts: 2}}
	req, err := http.NewRequestWithContext(t.Context(), "GET", server.URL, nil)
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	require.NoError(t, resp.Body.Close())
	require.ErrorIs(t, err, httpretry.ErrTimeout)
	require.EqualValues(t, 2, n.Load())
	var transient *report.TransientError
	require.ErrorAs(t, httpretry.Classify(200, nil, err), &transient, "a cut body is worth another try")
}

func TestClassify(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	_, certErr := http.Get(server.URL) //nolint:bodyclose,noctx // it fails
	require.Error(t, certErr)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	_, refused := http.Get(closed.URL) //nolint:bodyclose,noctx // it fails
	require.Error(t, refused)

	for _, tt := range []struct {
		name      string
		status    int
		header    http.Header
		err       error
		transient bool
		after     time.Duration
	}{
		{"429 carries its wait", 429, http.Header{"Retry-After": {"12"}}, errors.New("slow down"), true, 12 * time.Second},
		{"502 without a wait", 502, nil, errors.New("bad gateway"), true, 0},
		{"500 without an error", 500, nil, nil, true, 0},
		{"422 is final", 422, nil, errors.New("no such size"), false, 0},
		{"404 without an error is final", 404, nil, nil, false, 0},
		{"refused connection", 0, nil, refused, true, 0},
		{"cut answer", 200, nil, io.ErrUnexpectedEOF, true, 0},
		{"dropped answer", 0, nil, fmt.Errorf("create: %w", io.EOF), true, 0},
		{"cancelled by the caller", 0, nil, context.Canceled, false, 0},
		{"wrong certificate", 0, nil, certErr, false, 0},
		{"plain error", 0, nil, errors.New("decode answer"), false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := httpretry.Classify(tt.status, tt.header, tt.err)
			require.Error(t, err)
			var transient *report.TransientError
			require.Equal(t, tt.transient, errors.As(err, &transient), "%v", err)
			if tt.transient {
				require.Equal(t, tt.after, transient.After)
			}
			if tt.err != nil {
				require.ErrorIs(t, err, tt.err)
			}
		})
	}
	require.NoError(t, httpretry.Classify(200, nil, nil))
}
