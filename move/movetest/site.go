// Package movetest has the site that the tests of move and its rooms share.
package movetest

import (
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/move/wiring"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/secret"
)

// Config is a site of one host, with a canary wave and two zones at a simulated
// vendor: in the second a name only follows. Its state folder is empty.
func Config(t *testing.T) (*config.Config, *cfsim.Sim) {
	t.Helper()
	sim := cfsim.New(cfsim.Options{Token: "t", Plan: cfsim.PlanPro})
	for zone, records := range map[string][]cfsim.Record{
		"blog.test": {
			{Type: "A", Name: "www.blog.test", Content: "192.0.2.10", TTL: 1, Proxied: true},
			{Type: "A", Name: "canary.blog.test", Content: "192.0.2.10", TTL: 1, Proxied: true},
		},
		"brand.test": {{Type: "CNAME", Name: "brand.test", Content: "www.blog.test", TTL: 1, Proxied: true}},
	} {
		_, err := sim.AddZone(zone, records...)
		require.NoError(t, err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return &config.Config{
		StateDir:     t.TempDir(),
		Hosts:        []config.Host{{Name: "web1", Address: config.Addr{Addr: netip.MustParseAddr("192.0.2.10")}}},
		Applications: []config.Application{{Name: "blog", Hosts: []string{"web1"}, Health: "http://{address}/healthz"}},
		DNS: config.DNS{
			Zones: []string{"blog.test", "Brand.test"}, Purge: true,
			Cloudflare: config.Cloudflare{Token: secret.New("t"), Endpoint: server.URL + "/client/v4/"},
		},
		Cutover: config.Cutover{Way: "fence", Waves: []config.Wave{{Name: "canary", Records: []string{"canary.blog.test"}}}},
	}, sim
}

// Site is that site, wired. What is changed in its Config is seen at once.
func Site(t *testing.T) (*wiring.Site, *cfsim.Sim) {
	t.Helper()
	cfg, sim := Config(t)
	site, err := wiring.Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, site.Close()) })
	return site, sim
}

// Pair is a pair whose servers do not exist: for plans that are not checked.
func Pair(name string) replication.Pair {
	server := func(side replication.Side) *replication.Server {
		return replication.NewServer(replication.ServerConfig{Name: string(side), Side: side})
	}
	return replication.Pair{Name: name, Source: server(replication.Source), Target: server(replication.Target)}
}

// Names lists the names of stages.
func Names(stages []plan.Stage) (names []string) {
	for _, s := range stages {
		names = append(names, s.Name)
	}
	return names
}
