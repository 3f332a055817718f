package preflight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/report"
)

// Borders returns the gate that nothing crosses the borders of the move: the pair's schemas
// are all that either server holds, no other server replicates from or to the target, and
// neither server is a member of a cluster. The links and the fence concern whole servers.
//
// It is asked before the target is configured, because that fences it and empties its log.
func Borders(pair replication.Pair) plan.Step {
	return plan.Step{
		Name:    "borders-" + pair.Name,
		Summary: pair.Name + ": both servers hold what is moved, and nothing else",
		Gate:    true,
		Hazards: []plan.Hazard{
			{ID: "H33", Text: "the links carry every schema of a server, also one that databases[].schemas does not name"},
			{ID: "H34", Text: "what else lives on the target would be fenced, and its log emptied"},
		},
		Op: &bordersGate{pair: pair},
	}
}

// StillFit returns the gate that the borders still hold right before a cutover, and the
// settings of both servers on which replication depends: an administrator or a restart may
// have changed them since the preflight, and a schema may have been made.
func StillFit(pair replication.Pair) plan.Step {
	step := Borders(pair)
	step.Name, step.Summary = "fit-"+pair.Name, pair.Name+": both servers are still fit to replicate, and hold nothing else"
	step.Op = &bordersGate{pair: pair, configured: true}
	return step
}

type bordersGate struct {
	plan.ReadOnly
	pair       replication.Pair
	configured bool // the target is configured
}

// Check says what crosses the borders.
func (b *bordersGate) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Want: "nothing else on either server"}
	findings, err := b.findings(ctx)
	if errors.Is(err, replication.ErrNotProvisioned) {
		state.Unknown, state.Now = true, "the target host is not made yet"
		return state, nil
	}
	if err != nil {
		return state, err
	}
	state.Done, state.Now = len(findings) == 0, "nothing else on either server"
	if !state.Done {
		state.Now = fmt.Sprintf("%d refusals", len(findings))
	}
	for _, f := range findings {
		state.Hazards = append(state.Hazards, f.hazard())
	}
	return state, nil
}

// Apply fails if anything crosses the borders.
func (b *bordersGate) Apply(ctx context.Context) error { return b.Verify(ctx) }

// Verify fails if anything crosses the borders.
func (b *bordersGate) Verify(ctx context.Context) error {
	findings, err := b.findings(ctx)
	if err != nil {
		return err
	}
	return refusal(b.pair, findings)
}

func (b *bordersGate) findings(ctx context.Context) ([]Finding, error) {
	i := &inspection{pair: b.pair}
	var err error
	if i.source, err = readSide(ctx, b.pair.Source, b.pair.Schemas); err != nil {
		return nil, err
	}
	if i.target, err = readSide(ctx, b.pair.Target, b.pair.Schemas); err != nil {
		return nil, err
	}
	err = i.run(ctx, i.source, i.checkPart)
	if err == nil {
		err = i.run(ctx, i.target, i.checkOthersOnTarget)
	}
	for _, s := range []*side{i.source, i.target} {
		if err == nil {
			err = i.checkCluster(ctx, s)
		}
		if b.configured {
			i.checkServer(s)
			i.checkFlush(s)
		}
	}
	if b.configured {
		i.checkOrigins()
		i.checkVersions()
		i.checkIDs()
	}
	return i.findings, err
}

// checkPart refuses a move of some schemas of a server (H33): the links carry the others,
// too, and a statement or a program may cross from one to another.
func (i *inspection) checkPart(ctx context.Context) error {
	if len(i.pair.Schemas) == 0 {
		return nil
	}
	all, err := schema.Names(ctx, i.source.db, nil)
	if err != nil {
		return err
	}
	if others := without(all, i.pair.Schemas); len(others) > 0 {
		i.add("H33", Refuse, i.source, "leave databases[].schemas empty, which moves all schemas; or move the others to another server first",
			"databases[].schemas names a part of it, and links carry all of it: %s would be left behind, and what is done to them would still travel", phrase.FirstOf(5, others))
	}
	return nil
}

// checkOthersOnTarget refuses a target that somebody else uses (H34).
func (i *inspection) checkOthersOnTarget(ctx context.Context) error {
	t := i.target
	there, err := schema.Names(ctx, t.db, nil)
	if err != nil {
		return err
	}
	marker, seeded, err := replication.ReadMarker(ctx, t.db)
	if err != nil && !errors.Is(err, replication.ErrForeignSchema) {
		return err
	}
	ours := marker.Effects.Schemas
	if seeded && marker.Finished { // what was made on the source since arrives by the link
		onSource, err := schema.Names(ctx, i.source.db, nil)
		if err != nil {
			return err
		}
		ours = append(slices.Clone(ours), onSource...)
	}
	if others := without(there, ours); len(others) > 0 {
		i.add("H34", Refuse, t, "use another server as the target; or drop those schemas there if nobody needs them",
			"it holds schemas that this move did not bring: %s; it would be fenced with them, and what is done to them would travel to the source", phrase.FirstOf(5, others))
	}
	if len(t.foreignOrigins) > 0 {
		i.add("H34", Refuse, t, "use another server as the target, or end that replication first", "it replicates from %s", phrase.FirstOf(5, t.foreignOrigins))
	}
	return i.checkReplicasOfTarget(ctx)
}

// checkReplicasOfTarget refuses a target from which other servers replicate: the seed
// empties its log and sets its position.
func (i *inspection) checkReplicasOfTarget(ctx context.Context) error {
	own, err := replication.ReadOwnAccounts(ctx, i.target.db)
	if err != nil {
		return err
	}
	all, err := query.Processes(ctx, i.target.db)
	var replicas []string
	for _, p := range all {
		if host, _, _ := strings.Cut(p.Host, ":"); p.SendsBinlog() && !own.HasUser(p.User) {
			replicas = append(replicas, p.User+" from "+host)
		}
	}
	slices.Sort(replicas)
	replicas = slices.Compact(replicas)
	if err == nil && len(replicas) > 0 {
		i.add("H34", Refuse, i.target, "use another server as the target, or end that replication first; make the replica anew after the move",
			"other servers replicate from it, as %s", phrase.FirstOf(5, replicas))
	}
	return err
}

// checkCluster refuses a member of a cluster (H35): one member's fence is not the cluster's.
func (i *inspection) checkCluster(ctx context.Context, s *side) error {
	cluster, err := s.dialect.Cluster(ctx, s.db)
	if err == nil && cluster != "" {
		i.add("H35", Refuse, s, "move from a single server: end the cluster, or make one of its asynchronous replicas the source",
			"it is a member of %s: the other members write past its fence, and the log's origins are theirs", cluster)
	}
	return report.Wrap("look for a cluster on "+s.Name(), err)
}

func without(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(others, name) })
}
