package guard

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/remote/remotetest"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// BenchmarkSwitchOverSSH switches the writers to and fro over a real sshd, as a
// run does (Check, Apply, Verify of every step). closed-ms is the time that no
// side accepts writes, as a session on the host itself sees it.
func BenchmarkSwitchOverSSH(b *testing.B) {
	for _, flavor := range servertest.Flavors() {
		b.Run(string(flavor), func(b *testing.B) {
			near := guardedPair(b, flavor)
			far := near.Pair
			far.Source = overSSH(b, near.SourceInstance, replication.Source)
			far.Target = overSSH(b, near.TargetInstance, replication.Target)
			g := Guard{Pair: "bench", From: far.Source, To: far.Target, Budget: time.Minute, Dir: b.TempDir()}
			var closed time.Duration
			for b.Loop() {
				w := startSideWatch(b, near)
				for _, step := range []plan.Step{
					Arm(g), fence.Set(g.From, fence.Options{}), link.Drain(g.From, g.To, 10*time.Second), Handover(g),
				} {
					runStep(b, step)
				}
				w.stop()
				closed += w.longestClosed
				g = g.opposite()
			}
			b.ReportMetric(float64(closed.Milliseconds())/float64(b.N), "closed-ms")
		})
	}
}

// runStep runs a step as a run does: Check, Apply, Verify.
func runStep(b *testing.B, step plan.Step) {
	b.Helper()
	_, err := step.Op.Check(b.Context())
	require.NoError(b, err)
	start := time.Now()
	require.NoError(b, step.Op.Apply(b.Context()))
	applied := time.Now()
	require.NoError(b, step.Op.Verify(b.Context()))
	b.Logf("%-16s apply %4d ms, verify %4d ms", step.Name, applied.Sub(start).Milliseconds(), time.Since(applied).Milliseconds())
}

// overSSH is a server that is reached through an sshd on its host.
func overSSH(b *testing.B, s *servertest.Instance, side replication.Side) *replication.Server {
	b.Helper()
	host := remote.NewSSH(remotetest.StartSSHD(b).Config(string(side)))
	b.Cleanup(func() { _ = host.Close() })
	return replicationtest.Server(b, s, side, host)
}
