package status

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/guard"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// Needs are what the way back of a move needs, besides servers that answer and a link that
// runs.
type Needs struct {
	// MaxLag is the lag of the reverse link at most; 0 is any lag that it keeps up with.
	MaxLag time.Duration
	// Heartbeat is true if the rollback measures the lag with the heartbeat's table.
	Heartbeat bool
	// OneWriter is true if the writers change sides under a guard, which needs both machines.
	OneWriter bool
	// Admins are the accounts of fence.Options.Admins.
	Admins []string
	// Patience is how long the gate waits for the lag; 0 is as long as it takes, as the
	// gate of the lag does that follows.
	Patience time.Duration
}

// view is what the conditions look at.
type view struct {
	Pair
	pair  replication.Pair
	needs Needs
}

// condition is one condition of the way back.
type condition struct {
	name string
	// missing says what is missing, for people, or "".
	missing func(context.Context, view) string
	// passes is true if waiting may be enough.
	passes bool
}

// conditions are the whole list (invariant I5): the status shows it, the plan of a rollback
// shows it, and the gate of a rollback asks it. The forward link is not in it: nothing of
// a rollback needs it.
var conditions = []condition{
	{name: "the source answers", missing: func(_ context.Context, v view) string {
		return unless(v.Source.Error == "", "the source does not answer")
	}},
	{name: "the target answers", missing: func(_ context.Context, v view) string {
		return unless(v.Target.Error == "", "the target does not answer")
	}},
	{name: "there is a reverse link", missing: func(_ context.Context, v view) string {
		return unless(v.Source.Error != "" || v.Reverse.Configured, "there is no reverse link")
	}},
	{name: "the reverse link runs", missing: func(_ context.Context, v view) string {
		return unless(!v.Reverse.Configured || v.Reverse.Running, "the reverse link has stopped")
	}},
	{name: "the reverse link keeps up", passes: true, missing: func(_ context.Context, v view) string {
		lag := v.Reverse.Lag
		return unless(lag.Stopped || !lag.AtLeast && (v.needs.MaxLag == 0 || lag.Behind < v.needs.MaxLag),
			"the reverse link does not keep up: "+lag.String()+" behind")
	}},
	{name: "lag can be measured", missing: heartbeatMissing},
	{name: "one side takes writes", missing: func(_ context.Context, v view) string {
		both := v.answers() && v.Source.open && v.Target.open
		return unless(!v.needs.OneWriter || !both, "both sides accept application writes")
	}},
	{name: "the target can be fenced", missing: func(ctx context.Context, v view) string {
		return v.refused(ctx, fence.Set(v.pair.Target, fence.Options{Admins: v.needs.Admins, Schemas: v.pair.Schemas}))
	}},
	{name: "the switch can be guarded", missing: func(ctx context.Context, v view) string {
		if !v.needs.OneWriter {
			return ""
		}
		return v.refused(ctx, guard.Arm(guard.Guard{Pair: v.pair.Name, From: v.pair.Target, To: v.pair.Source}))
	}},
}

func unless(ok bool, missing string) string {
	if ok {
		return ""
	}
	return missing
}

// answers reports whether both servers answer: without that, nothing can be asked of them.
func (v view) answers() bool { return v.Source.Error == "" && v.Target.Error == "" }

// refused says why a step of the rollback would refuse to run.
func (v view) refused(ctx context.Context, step plan.Step) string {
	if !v.answers() {
		return ""
	}
	if _, err := step.Op.Check(ctx); err != nil {
		return err.Error()
	}
	return ""
}

func heartbeatMissing(ctx context.Context, v view) string {
	if !v.needs.Heartbeat || !v.answers() {
		return ""
	}
	missing, err := link.MissingHeartbeat(ctx, v.pair)
	switch {
	case err != nil:
		return err.Error()
	case missing != "":
		return "the table `migrate.heartbeat` is missing on " + missing
	}
	return ""
}

// missing lists what the way back lacks.
func (v view) missing(ctx context.Context) (all []string, passes bool) {
	passes = true
	for _, c := range conditions {
		if text := c.missing(ctx, v); text != "" {
			all, passes = append(all, text), passes && c.passes
		}
	}
	return all, passes
}

// wayBackOp is the gate of a rollback.
type wayBackOp struct {
	plan.ReadOnly
	needs Needs
	pair  replication.Pair
}

// WayBack returns the gate that the way back is open, by the same conditions that the
// status shows.
func (n Needs) WayBack(p replication.Pair) plan.Step {
	var names []string
	for _, c := range conditions {
		names = append(names, c.name)
	}
	return plan.Step{
		Name:    "way-back",
		Summary: "the way back is open: " + strings.Join(names, ", "),
		Gate:    true,
		Op:      replication.WhenProvisioned{Op: wayBackOp{needs: n, pair: p}},
	}
}

// Check reads the conditions.
func (w wayBackOp) Check(ctx context.Context) (plan.State, error) {
	now := w.needs.Read(ctx, w.pair).Rollback
	state := plan.State{Now: "open", Want: "open"}
	if !now.Ready {
		state.Now = "NOT open: " + strings.Join(now.Missing, "; ")
	}
	return state, nil
}

// Apply waits for what may pass, and refuses the rest.
func (w wayBackOp) Apply(ctx context.Context) error {
	for start := time.Now(); ; {
		s := w.needs.Read(ctx, w.pair)
		if s.Rollback.Ready {
			if !s.Forward.Running {
				report.Note(ctx, "the forward link does not run: after the rollback the target follows no more, until what has stopped it is removed")
			}
			return nil
		}
		err := w.explain(s.Rollback)
		if !s.Rollback.passes || w.needs.Patience > 0 && time.Since(start) > w.needs.Patience {
			return err
		}
		report.Show(ctx, report.Progress{Done: s.Rollback.Lag.Behind.Milliseconds(), Unit: "ms behind", What: "reverse link"})
		if ended := wait.For(ctx, 500*time.Millisecond); ended != nil {
			return err
		}
	}
}

func (w wayBackOp) explain(r Rollback) error {
	return report.WithHint(fmt.Errorf("the way back is not open: %s", strings.Join(r.Missing, "; ")),
		"migrate status shows the same, with the errors of links and servers; remove the cause, then migrate rollback")
}

// Verify reads the conditions once more.
func (w wayBackOp) Verify(ctx context.Context) error {
	if now := w.needs.Read(ctx, w.pair).Rollback; !now.Ready {
		return report.Transient(w.explain(now), time.Second)
	}
	return nil
}
