package dns_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/dns/cloudflare"
	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/lab/spec"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

const token = "test-token-that-must-not-show"

var edgeAddress = netip.MustParseAddr("127.0.0.53")

// knownDeviations are answers that the real vendor gives although its API document
// does not describe them.
var knownDeviations = []spec.Deviation{
	{Side: spec.Response, Reason: "status is not supported", Why: "500 is in no document"},
	{Side: spec.Response, Reason: "/errors/0/code: number must be at least 1000", Why: "971 is lower"},
	{Side: spec.Response, Reason: "at /success: value is not one of the allowed values [true]", Why: "200 with success:false"},
	{Side: spec.Response, Reason: "at /result: Value is not nullable", Why: "200 with success:false"},
}

// site is a simulated account with its DNS server, and a client of it. Their exchanges
// are validated against the vendor's API document.
type site struct {
	sim         *cfsim.Sim
	client      *cloudflare.Client
	propagation dns.Propagation
}

func newSite(t *testing.T, opts cfsim.Options) *site {
	t.Helper()
	opts.Token = token
	sim := cfsim.New(opts)
	api, err := sim.ServeAPI("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, api.Close()) })
	names, err := sim.ServeDNS("127.0.0.1:0", cfsim.DNSOptions{Edge: []netip.Addr{edgeAddress}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, names.Close()) })
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	validator := spec.Require(t, spec.Cloudflare)
	validator.Tolerate(knownDeviations...)
	client, err := cloudflare.New(cloudflare.Config{
		Token: secret.New(token), Endpoint: api.URL(), Transport: validator.Transport(transport),
	})
	require.NoError(t, err)
	return &site{sim, client, dns.Propagation{Server: names.Addr(), Interval: 5 * time.Millisecond, Within: 10 * time.Second}}
}

func simRecord(name, content string, change ...func(*cfsim.Record)) cfsim.Record {
	r := cfsim.Record{Name: name, Type: "A", Content: content, TTL: 3600}
	if addr, err := netip.ParseAddr(content); err == nil && addr.Is6() {
		r.Type = "AAAA"
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

func simProxied(r *cfsim.Record) { r.Proxied, r.TTL = true, 1 }
func simAutomatic(r *cfsim.Record) {
	r.TTL = 1
}

func simCommented(r *cfsim.Record) {
	r.Comment, r.Tags = "owned by web", []string{"team:web"}
}

// withSampleZones adds the two zones of most tests.
func (s *site) withSampleZones(t *testing.T) *site {
	t.Helper()
	_, err := s.sim.AddZone("example.com",
		simRecord("example.com", oldWeb.String(), simProxied, simCommented),
		simRecord("example.com", oldWeb6.String(), simProxied),
		simRecord("direct.example.com", oldWeb.String(), simCommented),
		simRecord("direct.example.com", oldApp.String()),
		simRecord("direct.example.com", oldWeb6.String()),
		simRecord("auto.example.com", oldWeb.String(), simAutomatic),
		simRecord("*.blogs.example.com", oldWeb.String()),
		simRecord("*.pages.example.com", oldWeb.String(), simProxied),
		simRecord("static.example.com", elsewhere),
		cfsim.Record{Name: "www.example.com", Type: "CNAME", Content: "example.com", Proxied: true, TTL: 1},
		cfsim.Record{Name: "example.com", Type: "TXT", Content: `"v=spf1 ip4:192.0.2.10 -all"`, TTL: 300},
	)
	require.NoError(t, err)
	_, err = s.sim.AddZone("example.org", simRecord("example.org", oldApp.String()), simRecord("blog.example.org", oldApp.String(), simProxied))
	require.NoError(t, err)
	return s
}

func (s *site) derive(t *testing.T, change ...func(*dns.Selection)) dns.Derivation {
	t.Helper()
	var names []string
	for _, name := range []string{"example.com", "example.org"} {
		if s.sim.Records(name) != nil {
			names = append(names, name)
		}
	}
	snapshot, err := dns.Snapshot(t.Context(), s.client, s.client, names)
	require.NoError(t, err)
	sel := dns.Selection{Old: oldHosts, Addresses: addresses}
	for _, c := range change {
		c(&sel)
	}
	d, err := dns.Derive(snapshot, sel)
	require.NoError(t, err)
	return d
}

func (s *site) flipSpec(z dns.ZoneFlip) dns.FlipSpec {
	return dns.FlipSpec{
		Records: s.client, Zone: z.Zone, Wave: z.Waves[0].Wave, Entries: z.Waves[0].Entries,
		Addresses: addresses, Propagation: s.propagation, Hazards: z.Hazards(),
	}
}

func (s *site) ttlSpec(z dns.ZoneFlip) dns.TTLSpec {
	return dns.TTLSpec{Records: s.client, Zone: z.Zone, Entries: z.Entries(), TTL: time.Minute, Propagation: s.propagation}
}

// recordsJSON returns every record of every zone as the API answers it, without
// modified_on.
func (s *site) recordsJSON(t require.TestingT) string {
	all := map[string]any{}
	for _, zone := range []string{"example.com", "example.org"} {
		for _, r := range s.sim.Records(zone) {
			raw, err := json.Marshal(&r)
			require.NoError(t, err)
			var fields map[string]any
			require.NoError(t, json.Unmarshal(raw, &fields))
			delete(fields, "modified_on")
			all[r.ID] = fields
		}
	}
	out, err := json.MarshalIndent(all, "", " ")
	require.NoError(t, err)
	return string(out)
}

func (s *site) contents(zone string) map[string]string {
	out := map[string]string{}
	for _, r := range s.sim.Records(zone) {
		out[r.ID] = r.Content
	}
	return out
}

// changeElsewhere changes a record as another program would.
func (s *site) changeElsewhere(t *testing.T, zone dns.Zone, change dns.Change) {
	t.Helper()
	require.NoError(t, s.client.Change(t.Context(), zone, []dns.Change{change}))
}

// batches returns how many batches arrived.
func (s *site) batches() int {
	n := 0
	for _, r := range s.sim.Mutations() {
		if r.Method == http.MethodPost && len(r.Path) > 6 && r.Path[len(r.Path)-6:] == "/batch" {
			n++
		}
	}
	return n
}

// runStep runs a step as the Runner does: it repeats an operation after a Transient
// error, with another Check before Apply. It returns the before-image and the number of
// retries.
func runStep(ctx context.Context, step plan.Step) (before json.RawMessage, retries int, err error) {
	retry := func(f func() error) error {
		for {
			err := f()
			var transient *report.TransientError
			if !errors.As(err, &transient) || retries > 10 {
				return err
			}
			retries++
		}
	}
	check := func() (state plan.State, err error) {
		err = retry(func() (err error) { state, err = step.Op.Check(ctx); return err })
		return state, err
	}
	first, err := check()
	if err != nil || first.Done {
		return first.Before, retries, err
	}
	err = retry(func() error {
		state, err := check()
		if err != nil || state.Done {
			return err
		}
		return step.Op.Apply(ctx)
	})
	if err != nil {
		return first.Before, retries, err
	}
	return first.Before, retries, retry(func() error { return step.Op.Verify(ctx) })
}

// deleteRecord deletes a record as another program would.
func deleteRecord(t *testing.T, s *site, zone dns.Zone, id string) {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodDelete, "/client/v4/zones/"+zone.ID+"/dns_records/"+id, nil)
	req.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	s.sim.ServeHTTP(w, req)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
}
