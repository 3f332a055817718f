package dosim

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWrongToken(t *testing.T) {
	l := newLab(t, Options{})
	for _, token := range []string{"", "wrong", testToken + "x"} {
		_, resp, err := l.godo(t, token).Droplets.Create(t.Context(), dropletRequest("web-1"))
		status, message := statusOf(t, err)
		require.Equal(t, 401, status)
		require.Equal(t, "Unable to authenticate you", message)
		require.NotEmpty(t, resp.Header.Get("ratelimit-limit"))
	}
	require.Empty(t, l.Machines())
	for _, r := range l.Requests() {
		require.NotContains(t, r.Path+r.Query, testToken)
	}
	require.Equal(t, 401, answerOf(t, New(Options{}), "GET", "/v2/account").StatusCode, "a simulator without a token refuses every request")
}

// answerOf sends a request to a handler directly, without the validator.
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
