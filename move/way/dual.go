package way

import (
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/conflict"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/preflight"
)

// Dual lets both sides take writes while DNS moves, and fences the side that is
// left once no client writes there any more.
type Dual struct{}

// Traits implements Way.
func (Dual) Traits() Traits {
	return Traits{
		Name:         "dual",
		Writers:      "both sides take writes while DNS moves",
		Notice:       "nothing fails; conflicting writes are possible, and reported",
		Setting:      "both sides take writes while DNS moves; nothing fails; conflicting writes are possible: the application must tolerate it.",
		NothingFails: true,
		Runbook: Runbook{
			BeforeDNS: strings.Join([]string{
				"Both sides take writes while DNS moves. For each database, in this order; stop at the first that fails:",
				"{{range .Databases}}",
				"- {{.Name}}, new server ({{.New}}): `SET GLOBAL event_scheduler = OFF;`",
				`{{template "open" .}}`,
				"{{- end}}",
			}, "\n"),
			AfterDNS: strings.Join([]string{
				"Then, when {{.TTL}} and more have passed and no application is connected to a new server any more",
				"(`SHOW PROCESSLIST;`), for each database:",
				"{{range .Databases}}",
				`{{template "fence" .}}`,
				`{{template "drain" .}}`,
				"{{- end}}",
				"",
				"Rows that both sides wrote meanwhile may differ: nobody reports them when this is done by hand.",
			}, "\n"),
		},
	}
}

// Preflight asks for what two writers need.
func (Dual) Preflight(o *preflight.Options, _ config.Cutover) { o.Dual = true }

// Linked waits until no session is older than the increments, or ends such sessions.
func (Dual) Linked(p Parts) []plan.Stage {
	return []plan.Stage{{
		Name: "sessions", Summary: "no session uses the old increments any more",
		Steps: p.Pairs.ServerSteps(func(s *replication.Server) plan.Step {
			return link.OldSessions(s, p.Cutover.RecycleSessions)
		}),
	}}
}

// Switch implements Way.
func (Dual) Switch(s Switch) []plan.Stage {
	unfence := s.stage("unfence", "both sides take writes", func(p replication.Pair) plan.Step { return fence.Lift(s.To(p)) })
	unfence.Commits = true
	return slices.Concat(
		[]plan.Stage{s.Gates, s.eventsOff(), s.window(), unfence, s.eventsOn()}, s.Flips, s.leave(), s.watch())
}

// window records the log positions of both sides before both take writes.
func (s Switch) window() plan.Stage {
	return s.stage("window", "where the logs of both sides stand is kept", func(p replication.Pair) plan.Step {
		return conflict.OpenWindow(p, s.Conflicts)
	})
}

// leave fences the side that is left once no client writes there any more. Conflicts
// are reported before the drain: one of them may have stopped the link that the
// drain waits for, and the report says which.
func (s Switch) leave() []plan.Stage {
	return []plan.Stage{
		s.stage("stragglers", "no client writes to the side that is left", func(p replication.Pair) plan.Step {
			return link.Stragglers(s.From(p), s.Cutover.Stragglers)
		}),
		s.fence(0),
		s.stage("conflicts", "what both sides wrote at once is reported", func(p replication.Pair) plan.Step {
			return conflict.Gate(p, s.Enter, s.Conflicts, s.Cutover.Budget)
		}),
		s.drain(s.Cutover.Budget),
	}
}

// Finish removes the accounts that read the logs.
func (Dual) Finish(p Parts) []plan.Step { return p.Pairs.Steps(conflict.DropReaders) }
