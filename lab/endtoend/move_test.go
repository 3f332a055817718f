package endtoend

import (
	"context"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab"
	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/lab/traffic"
	"github.com/dcmigrate/migrate/plan"
)

// TestKillAtEveryEvent moves the site there, back and there again, and migrate
// is killed with SIGKILL at every journal event of apply, cutover and rollback;
// the same command, run again, always finishes, and nothing is lost (I1, I2).
func TestKillAtEveryEvent(t *testing.T) {
	s := open(t, "fence", 0)
	s.run("plan")
	s.killed("apply")
	mutations := len(s.lab.DO.Mutations()) + len(s.lab.CF.Mutations())
	s.run("apply")
	require.Equal(t, mutations, len(s.lab.DO.Mutations())+len(s.lab.CF.Mutations()), "a second apply changes nothing")
	require.Len(t, s.lab.DO.Machines(), 2, "no droplet was made twice")
	s.served(traffic.OldSite)

	s.run("verify")
	s.run("cutover", "--dry-run")
	s.killed("cutover")
	s.served(traffic.NewSite)
	s.killed("rollback")
	s.served(traffic.OldSite)
	s.run("cutover", "--dry-run")
	start := time.Now()
	s.run("cutover")
	s.served(traffic.NewSite)
	require.LessOrEqual(t, s.traffic.Log().Overlap(traffic.OldSite, traffic.NewSite, start, time.Now()), time.Duration(0), "I2: one side at a time")
	sum := s.proven()
	for cause := range sum.Errors {
		require.Contains(t, cause, "503 read-only", "way fence: writes fail at the fence, and nothing else does")
	}

	s.run("finish", "--dry-run")
	s.killedFinish()
	out, code := s.exit("rollback")
	require.Equal(t, 5, code, "after finish there is no way back: %s", out)
}

func (s *site) killedFinish() {
	s.t.Helper()
	s.run("finish")
	require.Contains(s.t, s.run("status"), "finished")
}

// TestVendorsMisbehave has Cloudflare and DigitalOcean drop answers after the
// work was done, refuse with 429 and fail with 500, at each call that changes
// something; way dual: no request of a client fails.
func TestVendorsMisbehave(t *testing.T) {
	s := open(t, "dual", brief)
	s.run("plan")
	droplet := []dosim.Kind{dosim.DropAfter, dosim.TooManyRequests, dosim.ServerError}
	for _, path := range []string{"/v2/droplets", "/v2/firewalls", "/v2/vpcs", "/v2/tags", "/v2/account/keys"} {
		for _, kind := range droplet {
			s.lab.DO.Inject(dosim.Fault{Method: http.MethodPost, Path: path, Kind: kind, Times: 1, Delay: time.Second})
		}
	}
	flips := func() {
		for _, path := range []string{"/zones/*/dns_records/batch", "/zones/*/purge_cache"} {
			for _, kind := range []cfsim.Kind{cfsim.DropAfter, cfsim.TooManyRequests, cfsim.ServerError, cfsim.BadGateway} {
				s.lab.CF.Inject(cfsim.Fault{Method: http.MethodPost, Path: path, Kind: kind, Times: 1, Delay: time.Second})
			}
		}
	}
	flips()
	out := s.run("apply")
	require.Contains(t, out, "retry", "never silent")
	require.Len(t, s.lab.DO.Machines(), 2, "a dropped answer doubles no droplet")
	s.run("verify")
	for range 2 {
		s.run("cutover", "--dry-run")
		s.run("cutover")
		s.served(traffic.NewSite)
		flips()
		s.run("rollback")
		s.served(traffic.OldSite)
		flips()
	}
	sum := s.proven()
	require.Zero(t, sum.Failed, "way dual: no request fails: %v", sum.Errors)
}

// TestTheOperatorIsGone kills migrate at moments of the critical section and
// starts it no more: within the budget one side takes writes again (I3), and
// only one (I2). A rollback then brings everything back whatever the cutover had
// come to; in every second round it comes before the guard has acted. At the end
// nothing is lost (I1).
func TestTheOperatorIsGone(t *testing.T) {
	const budget = 4 * time.Second
	s := open(t, "fence", brief)
	require.NoError(t, lab.Apply(filepath.Join(s.dir, "migration.yaml"), []lab.Edit{{Old: "budget: 10s", New: "budget: " + budget.String()}}))
	s.run("plan")
	s.run("apply")
	s.run("verify")
	for i, round := range []struct {
		step  string
		after time.Duration
	}{
		{"cutover/fence/", 0},
		{"cutover/handover/", 0},
		{"cutover/handover/", 100 * time.Millisecond},
		{"cutover/handover/", 200 * time.Millisecond},
		{"cutover/handover/", 400 * time.Millisecond},
		{"cutover/handover/", 150 * time.Millisecond},
	} {
		s.run("cutover", "--dry-run")
		fenced := s.watchWriters()
		killed, err := lab.KillAt(t.Context(), func(ctx context.Context) *exec.Cmd { return s.command(ctx, "cutover") }, s.journal(),
			func(e plan.Event) bool { return e.Type == plan.StepStarted && strings.HasPrefix(e.Step, round.step) }, round.after)
		require.NoError(t, err)
		died := time.Now()
		t.Logf("round %d: cutover, %s after %s started: killed %t", i, round.after, round.step, killed)
		if i%2 == 0 {
			<-time.After(time.Until(died.Add(budget + time.Second)))
		}
		s.run("rollback")
		s.served(traffic.OldSite)
		<-time.After(time.Until(died.Add(budget + time.Second))) // no guard that was left opens anything
		s.served(traffic.OldSite)
		require.LessOrEqual(t, fenced(), budget+time.Second, "I3")
	}
	s.proven()
}

// watchWriters asks both databases all the time which of them take writes, until
// its result is called: the longest time for which none did. Two at a time fail
// the test (I2).
func (s *site) watchWriters() (longest func() time.Duration) {
	var most time.Duration
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		last := time.Now() // when a side was seen to take writes
		for {
			asked := time.Now()
			open, err := s.lab.Writers(s.t.Context())
			switch {
			case !assert.NoError(s.t, err) || !assert.LessOrEqual(s.t, len(open), 1, "I2: one side at a time"):
				return
			case len(open) == 1:
				most, last = max(most, asked.Sub(last)), time.Now()
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() time.Duration {
		close(stop)
		<-ended
		s.t.Logf("no side took writes for at most %s", most.Round(time.Millisecond))
		return most
	}
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
