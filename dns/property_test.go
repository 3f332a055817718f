package dns_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/dns/cloudflare"
	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/secret"
)

var propertyNames = []string{"example.com", "www.example.com", "*.example.com", "*.blogs.example.com", "deep.er.example.com", "api.example.com"}

// drawRecords draws records of one zone, without conflicts that the vendor refuses.
func drawRecords(t *rapid.T) []cfsim.Record {
	contents := []string{oldWeb.String(), oldApp.String(), oldWeb6.String(), elsewhere}
	var out []cfsim.Record
	for _, name := range propertyNames {
		proxied := rapid.Bool().Draw(t, "proxied") // the same for all records of a name
		for _, content := range contents {
			if !rapid.Bool().Draw(t, "has "+name+" "+content) {
				continue
			}
			r := simRecord(name, content, func(r *cfsim.Record) {
				r.TTL = rapid.SampledFrom([]int{1, 60, 120, 300, 3600, 86400}).Draw(t, "ttl")
				r.Comment = rapid.SampledFrom([]string{"", "a comment", "ünïcode; \"quoted\""}).Draw(t, "comment")
				r.Tags = rapid.SampledFrom([][]string{nil, {"team:web"}, {"a:b", "c:d"}}).Draw(t, "tags")
				if proxied {
					r.Proxied, r.TTL = true, 1
				}
			})
			out = append(out, r)
		}
	}
	return append(out, simRecord("always.example.com", oldWeb.String()), simRecord("always.example.com", elsewhere))
}

// newSiteInProcess returns a site whose API is called without a network.
func newSiteInProcess(t *rapid.T, opts cfsim.Options) *site {
	opts.Token = token
	sim := cfsim.New(opts)
	server, err := sim.ServeDNS("127.0.0.1:0", cfsim.DNSOptions{Edge: []netip.Addr{edgeAddress}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	client, err := cloudflare.New(cloudflare.Config{Token: secret.New(token), Transport: handlerTransport{sim}})
	require.NoError(t, err)
	return &site{sim, client, dns.Propagation{Server: server.Addr()}}
}

// handlerTransport answers requests with a handler. A handler that aborts becomes a
// connection that was cut.
type handlerTransport struct{ handler http.Handler }

func (h handlerTransport) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	defer func() {
		switch cut := recover(); cut {
		case nil:
		case http.ErrAbortHandler:
			resp, err = nil, io.ErrUnexpectedEOF
		default:
			panic(cut)
		}
	}()
	in := httptest.NewRequestWithContext(req.Context(), req.Method, req.URL.String(), req.Body)
	in.Header = req.Header
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, in)
	return w.Result(), nil
}

// TTLs are lowered, records flipped and flipped back or undone, and TTLs restored. All
// of it is interrupted and repeated anywhere. Afterwards every byte of every record is
// as it was.
func TestEveryByteComesBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSiteInProcess(rt, cfsim.Options{Plan: cfsim.PlanPro, Propagation: -1, Limits: cfsim.Limits{Requests: -1, PerSecond: -1}})
		_, err := s.sim.AddZone("example.com", drawRecords(rt)...)
		require.NoError(rt, err)
		start := s.recordsJSON(rt)
		snapshot, err := dns.Snapshot(rt.Context(), s.client, s.client, []string{"example.com"})
		require.NoError(rt, err)
		d, err := dns.Derive(snapshot, dns.Selection{Old: oldHosts, Addresses: addresses, Waves: []dns.Wave{{Name: "first", Records: []string{"always.example.com"}}}})
		require.NoError(rt, err)
		z := d.Zones[0]

		lower := dns.LowerTTL(s.ttlSpec(z))
		beforeTTL := runThroughFaults(rt, s, lower)
		var backs []plan.Step
		for _, w := range z.Waves {
			spec := dns.FlipSpec{Records: s.client, Zone: z.Zone, Wave: w.Wave, Entries: w.Entries, Addresses: addresses, Propagation: s.propagation}
			flip := dns.FlipToTarget(spec)
			before := runThroughFaults(rt, s, flip)
			back, err := dns.FlipToSource(spec, before)
			require.NoError(rt, err)
			if rapid.Bool().Draw(rt, "undo at once") {
				require.NoError(rt, flip.Op.Undo(rt.Context(), before))
			} else {
				backs = append(backs, back)
			}
		}
		for _, back := range backs {
			runThroughFaults(rt, s, back)
		}
		restore, err := dns.RestoreTTL(s.ttlSpec(z), beforeTTL)
		require.NoError(rt, err)
		runThroughFaults(rt, s, restore)
		require.JSONEq(rt, start, s.recordsJSON(rt))
	})
}

// runThroughFaults runs a step while the API refuses requests and loses requests and
// answers. It then repeats and checks the step, and returns its before-image.
func runThroughFaults(t *rapid.T, s *site, step plan.Step) []byte {
	for range rapid.IntRange(0, 2).Draw(t, "faults in "+step.Name) {
		kind := rapid.SampledFrom([]cfsim.Kind{cfsim.ServerError, cfsim.BadGateway, cfsim.NotSuccessful, cfsim.DropAfter, cfsim.DropBefore}).Draw(t, "fault")
		s.sim.Inject(cfsim.Fault{Method: http.MethodPost, Kind: kind})
	}
	before, _, err := runStep(t.Context(), step)
	require.NoError(t, err)
	s.sim.ClearFaults()
	for range rapid.IntRange(0, 2).Draw(t, "repeats of "+step.Name) {
		require.NoError(t, step.Op.Apply(t.Context()))
	}
	state, err := step.Op.Check(t.Context())
	require.NoError(t, err)
	require.True(t, state.Done, fmt.Sprintf("%s is done", step.Name))
	return before
}
