package dosim

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/dcmigrate/migrate/lab/spec"
	"github.com/dcmigrate/migrate/secret"
)

const testToken = "dop_v1_lab"

// lab is one simulator behind a server that validates every exchange.
type lab struct {
	*Sim
	url        string
	validator  *spec.Validator
	booter     *fakeBooter
	closeError string // text of the error that Close must return at the end; "" is none
}

func newLab(t *testing.T, o Options) *lab {
	t.Helper()
	validator := spec.Require(t, spec.DigitalOcean)
	o.Token = secret.New(testToken)
	booter := &fakeBooter{rules: map[int]Rules{}, booted: map[int]Machine{}, power: map[int]bool{}}
	if o.Booter == nil {
		o.Booter = booter
	}
	sim := New(o)
	server := httptest.NewServer(validator.Handler(sim))
	l := &lab{Sim: sim, url: server.URL, validator: validator, booter: booter}
	t.Cleanup(func() {
		server.Close()
		if l.closeError != "" {
			require.ErrorContains(t, sim.Close(), l.closeError)
			return
		}
		require.NoError(t, sim.Close())
	})
	return l
}

// godo returns DigitalOcean's client. Its retries are off, so that a test sees every answer.
func (l *lab) godo(t *testing.T, token string) *godo.Client {
	t.Helper()
	transport := oauth2.NewClient(t.Context(), oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token}))
	client, err := godo.New(transport, godo.SetBaseURL(l.url+"/"))
	require.NoError(t, err)
	return client
}

// waitActive waits until a droplet is active and returns it.
func waitActive(t *testing.T, client *godo.Client, id int) *godo.Droplet {
	t.Helper()
	var d *godo.Droplet
	require.Eventually(t, func() bool {
		got, _, err := client.Droplets.Get(t.Context(), id)
		d = got
		return err == nil && got.Status == "active" && !got.Locked
	}, 10*time.Second, 5*time.Millisecond)
	return d
}

// fakeBooter records its calls, and fails or blocks on demand.
type fakeBooter struct {
	mu     sync.Mutex
	booted map[int]Machine
	rules  map[int]Rules
	power  map[int]bool
	calls  []string

	errors map[string]error         // by name of the method
	blocks map[string]chan struct{} // the method waits until it is closed
}

func (b *fakeBooter) record(ctx context.Context, method string) error {
	b.mu.Lock()
	b.calls = append(b.calls, method)
	err, hold := b.errors[method], b.blocks[method]
	b.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return err
}

func (b *fakeBooter) failOn(method string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errors = map[string]error{method: err}
}

func (b *fakeBooter) Boot(ctx context.Context, m Machine) error {
	if err := b.record(ctx, "boot"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, twice := b.booted[m.ID]; twice {
		return errors.New("booted twice")
	}
	b.booted[m.ID], b.power[m.ID] = m, true
	return nil
}

func (b *fakeBooter) Destroy(ctx context.Context, id int) error {
	if err := b.record(ctx, "destroy"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.booted, id)
	delete(b.rules, id)
	return nil
}

func (b *fakeBooter) Firewall(ctx context.Context, id int, rules Rules) error {
	if err := b.record(ctx, "firewall"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.booted[id]; !ok {
		return errors.New("a firewall for a missing machine")
	}
	b.rules[id] = rules
	return nil
}

func (b *fakeBooter) Power(ctx context.Context, id int, on bool) error {
	if err := b.record(ctx, "power"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.power[id] = on
	return nil
}

func (b *fakeBooter) machines() map[int]Machine {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[int]Machine{}
	for id, m := range b.booted {
		out[id] = m
	}
	return out
}

func (b *fakeBooter) rulesOf(id int) Rules {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rules[id]
}

func (b *fakeBooter) isOn(id int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.power[id]
}

// statusOf returns the status and the message of an API error.
func statusOf(t *testing.T, err error) (int, string) {
	t.Helper()
	var answer *godo.ErrorResponse
	require.ErrorAs(t, err, &answer)
	return answer.Response.StatusCode, answer.Message
}

// handlerTransport sends requests to a handler without a network.
type handlerTransport struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (h handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	if req.Body == nil {
		req.Body = http.NoBody
	}
	h.ServeHTTP(answer, req)
	return answer.Result(), nil
}
