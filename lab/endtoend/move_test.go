package endtoend

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/lab/traffic"
)

// TestVendorsMisbehave has Cloudflare and DigitalOcean drop answers after the
// work was done, refuse with 429 and fail with 500, at each call that changes
// something; way dual: no request of a client fails.
func TestVendorsMisbehave(t *testing.T) {
	s := open(t, "dual", brief)
	s.run("plan")
	// The dropped answer is the last: after it the work is done.
	droplet := []dosim.Kind{dosim.TooManyRequests, dosim.ServerError, dosim.DropAfter}
	for _, path := range []string{"/v2/droplets", "/v2/firewalls", "/v2/vpcs", "/v2/tags", "/v2/account/keys"} {
		for _, kind := range droplet {
			s.lab.DO.Inject(dosim.Fault{Method: http.MethodPost, Path: path, Kind: kind, Times: 1, Delay: time.Second})
		}
	}
	flips := func() {
		for _, path := range []string{"/zones/*/dns_records/batch", "/zones/*/purge_cache"} {
			for _, kind := range []cfsim.Kind{cfsim.TooManyRequests, cfsim.ServerError, cfsim.BadGateway, cfsim.DropAfter} {
				s.lab.CF.Inject(cfsim.Fault{Method: http.MethodPost, Path: path, Kind: kind, Times: 1, Delay: time.Second})
			}
		}
	}
	struck := func() { require.Zero(t, s.lab.ClearFaults(), "every fault has struck") }
	require.Contains(t, s.run("apply"), "retry", "never silent")
	struck()
	require.Len(t, s.lab.DO.Machines(), 2, "a dropped answer doubles no droplet")
	s.run("verify")
	for range 2 {
		s.run("cutover", "--dry-run")
		flips()
		s.run("cutover")
		struck()
		s.served(traffic.NewSite)
		flips()
		s.run("rollback")
		struck()
		s.served(traffic.OldSite)
	}
	sum := s.proven()
	require.Zero(t, sum.Failed, "way dual: no request fails: %v", sum.Errors)
}

// TestEverythingIsTakenBack: before a cutover, rollback --all leaves no trace at
// the vendors and puts the old site's settings back.
func TestEverythingIsTakenBack(t *testing.T) {
	s := open(t, "fence", 0)
	settings := func() string {
		var out strings.Builder
		require.NoError(t, s.lab.DB.Exec(t.Context(), `mariadb -BN -e "SELECT @@sync_binlog, @@binlog_expire_logs_seconds, @@auto_increment_increment, @@auto_increment_offset, @@read_only; SHOW SLAVE STATUS; SELECT user FROM mysql.user WHERE user LIKE 'migrate%'; SHOW DATABASES"; ls /etc/mysql/*/`, nil, &out))
		return out.String()
	}
	before, records := settings(), s.lab.CF.Records("blog.test")
	s.run("plan")
	s.lab.CF.ResetRequests()
	out, code := s.exit("rollback", "--all")
	require.Equal(t, 5, code, out)
	require.Empty(t, s.lab.CF.Mutations(), "I6")
	require.Empty(t, s.lab.DO.Mutations(), "I6: plan changes nothing")

	s.run("apply")
	require.NotEqual(t, before, settings())
	require.Contains(t, s.run("rollback", "--all", "--dry-run"), "undo")
	s.run("rollback", "--all")
	require.Equal(t, before, settings())
	require.Empty(t, s.lab.DO.Machines())
	now := s.lab.CF.Records("blog.test")
	require.Len(t, now, len(records))
	for i := range records {
		require.Equal(t, records[i].TTL, now[i].TTL, records[i].Name)
		require.Equal(t, records[i].Content, now[i].Content, records[i].Name)
	}
	s.served(traffic.OldSite)
	require.NoError(t, s.traffic.Close())
	require.Zero(t, s.traffic.Log().Summary().Failed)

	s.run("plan")
	out, code = s.exit("apply", "--to", "databases")
	require.Equal(t, 7, code, out)
}
