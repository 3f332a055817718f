package endtoend

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/lab/traffic"
)

// TestVendorsMisbehave makes Cloudflare and DigitalOcean drop answers after the work, refuse
// with 429 and fail with 500, at each call that changes something. In way dual no client's
// request fails.
func TestVendorsMisbehave(t *testing.T) {
	s := openSite(t, "dual", shortTTL)
	s.run("plan")
	// The dropped answer comes last, because it does the work.
	provisionFaults := []dosim.Kind{dosim.TooManyRequests, dosim.ServerError, dosim.DropAfter}
	for _, path := range []string{"/v2/droplets", "/v2/firewalls", "/v2/vpcs", "/v2/tags", "/v2/account/keys"} {
		for _, kind := range provisionFaults {
			s.lab.DO.Inject(dosim.Fault{Method: http.MethodPost, Path: path, Kind: kind, Times: 1, Delay: time.Second})
		}
	}
	injectFlipFaults := func() {
		for _, path := range []string{"/zones/*/dns_records/batch", "/zones/*/purge_cache"} {
			for _, kind := range []cfsim.Kind{cfsim.TooManyRequests, cfsim.ServerError, cfsim.BadGateway, cfsim.DropAfter} {
				s.lab.CF.Inject(cfsim.Fault{Method: http.MethodPost, Path: path, Kind: kind, Times: 1, Delay: time.Second})
			}
		}
	}
	requireAllStruck := func() { require.Zero(t, s.lab.ClearFaults(), "every fault has struck") }
	require.Contains(t, s.run("apply"), "retry", "never silent")
	requireAllStruck()
	require.Len(t, s.lab.DO.Machines(), 2, "a dropped answer doubles no droplet")
	s.run("verify")
	for range 2 {
		s.run("cutover", "--dry-run")
		injectFlipFaults()
		s.run("cutover")
		requireAllStruck()
		s.requireServedBy(traffic.NewSite)
		injectFlipFaults()
		s.run("rollback")
		requireAllStruck()
		s.requireServedBy(traffic.OldSite)
	}
	sum := s.requireNothingLost()
	require.Zero(t, sum.Failed, "way dual: no request fails: %v", sum.Errors)
}
