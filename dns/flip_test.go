package dns_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/report"
)

func TestFlipExercise(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
	for _, z := range s.derive(t).Zones {
		plantest.Exercise(t, dns.FlipToTarget(s.flipSpec(z)))
	}
	for _, r := range append(s.sim.Records("example.com"), s.sim.Records("example.org")...) {
		require.False(t, r.Type == "A" && strings.HasPrefix(r.Content, "192.0.2."), "%s stayed", r.Name)
	}
}

func TestFlipBackExercise(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
	start := s.recordsJSON(t)
	for _, z := range s.derive(t).Zones {
		before, _, err := runStep(t.Context(), dns.FlipToTarget(s.flipSpec(z)))
		require.NoError(t, err)
		back, err := dns.FlipToSource(s.flipSpec(z), before)
		require.NoError(t, err)
		plantest.Exercise(t, back)
	}
	require.JSONEq(t, start, s.recordsJSON(t))
}

// A flip sends one batch for a zone, and changes only the contents of records.
func TestFlipChangesContentsOnly(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
	was := s.sim.Records("example.com")
	z := s.derive(t).Zones[0]
	s.sim.ResetRequests()
	_, _, err := runStep(t.Context(), dns.FlipToTarget(s.flipSpec(z)))
	require.NoError(t, err)
	require.Len(t, s.sim.Mutations(), 1)
	require.NotContains(t, string(s.sim.Mutations()[0].Body), "ttl")
	now := map[string]cfsim.Record{}
	for _, r := range s.sim.Records("example.com") {
		now[r.ID] = r
	}
	for _, r := range was {
		want, got := r, now[r.ID]
		want.Content, want.ModifiedOn = got.Content, got.ModifiedOn
		require.Equal(t, want, got)
	}
}

// I6: planning changes nothing, whatever the step.
func TestChecksChangeNothing(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
	d := s.derive(t)
	for _, z := range d.Zones {
		steps := []plan.Step{dns.FlipToTarget(s.flipSpec(z)), dns.LowerTTL(s.ttlSpec(z))}
		if purge, ok := dns.Purge(dns.PurgeSpec{Cache: s.client, Flip: z}); ok {
			steps = append(steps, purge)
		}
		for _, step := range steps {
			_, err := step.Op.Check(t.Context())
			require.NoError(t, err)
		}
	}
	require.Empty(t, s.sim.Mutations())
}

func TestFlipBeforeTheTargetExists(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
	spec := s.flipSpec(s.derive(t).Zones[0])
	spec.Addresses = dns.AddressMap{}
	state, err := dns.FlipToTarget(spec).Op.Check(t.Context())
	require.NoError(t, err)
	require.True(t, state.Unknown)
	require.ErrorIs(t, dns.FlipToTarget(spec).Op.Apply(t.Context()), dns.ErrNotProvisioned)
	require.Empty(t, s.sim.Mutations())
}

func TestFlipShowsBeforeAndAfter(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
	step := dns.FlipToTarget(s.flipSpec(s.derive(t).Zones[0]))
	require.Contains(t, step.Summary, "point 8 records of example.com, wave rest, at the target: *.blogs.example.com A")
	require.Contains(t, step.Hazards[0].Text, "SPF allows mail from the source address 192.0.2.10")
	state, err := step.Op.Check(t.Context())
	require.NoError(t, err)
	require.Equal(t, "192.0.2.10 (5), 2001:db8:1::10 (2), 192.0.2.11", state.Now)
	require.Equal(t, "203.0.113.10 (5), 2001:db8:2::10 (2), 203.0.113.11", state.Want)
}

// Whatever the API does to the batch, and wherever the process dies, running the step
// again completes it, and the work is done once.
func TestFlipThroughFaults(t *testing.T) {
	cases := map[string]struct {
		fault   cfsim.Fault
		retries int
	}{
		"429 with Retry-After":       {cfsim.Fault{Kind: cfsim.TooManyRequests, Delay: time.Second}, 0}, // the transport repeats a refused request
		"500":                        {cfsim.Fault{Kind: cfsim.ServerError}, 1},
		"502 with an HTML page":      {cfsim.Fault{Kind: cfsim.BadGateway}, 1},
		"200 with success:false":     {cfsim.Fault{Kind: cfsim.NotSuccessful}, 1},
		"answer dropped, work done":  {cfsim.Fault{Kind: cfsim.DropAfter}, 1},
		"connection cut before work": {cfsim.Fault{Kind: cfsim.DropBefore}, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
			start := s.recordsJSON(t)
			z := s.derive(t).Zones[0]
			c.fault.Method, c.fault.Path = "POST", "/zones/*/dns_records/batch"
			s.sim.Inject(c.fault)
			before, retries, err := runStep(t.Context(), dns.FlipToTarget(s.flipSpec(z)))
			require.NoError(t, err)
			require.Equal(t, c.retries, retries)
			require.Zero(t, s.sim.ClearFaults())
			if c.fault.Kind == cfsim.DropAfter {
				require.Equal(t, 1, s.batches(), "found done, not done twice")
			}
			s.sim.Inject(c.fault)
			back, err := dns.FlipToSource(s.flipSpec(z), before)
			require.NoError(t, err)
			_, _, err = runStep(t.Context(), back)
			require.NoError(t, err)
			require.JSONEq(t, start, s.recordsJSON(t))
		})
	}
}

func TestFlipThroughFaultsOfReading(t *testing.T) {
	for _, kind := range []cfsim.Kind{cfsim.ServerError, cfsim.BadGateway, cfsim.NotSuccessful, cfsim.DropBefore} {
		t.Run(kind.String(), func(t *testing.T) {
			s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
			z := s.derive(t).Zones[1]
			s.sim.Inject(cfsim.Fault{Method: "GET", Kind: kind, Path: "/zones/*/dns_records", Times: 2})
			_, _, err := runStep(t.Context(), dns.FlipToTarget(s.flipSpec(z)))
			require.NoError(t, err)
			require.Zero(t, s.sim.ClearFaults())
		})
	}
}

// There are more records than a batch takes. A failure between two batches leaves some
// flipped. The next run flips the rest, and undo restores all of them.
func TestFlipInSeveralBatches(t *testing.T) {
	s := newSite(t, cfsim.Options{})
	var records []cfsim.Record
	for i := range 450 {
		records = append(records, simRecord(fmt.Sprintf("h%03d.example.com", i), oldWeb.String()))
	}
	_, err := s.sim.AddZone("example.com", records...)
	require.NoError(t, err)
	start := s.recordsJSON(t)
	z := s.derive(t).Zones[0]
	require.Equal(t, 200, z.Zone.BatchLimit)
	s.sim.Inject(cfsim.Fault{Method: "POST", Kind: cfsim.ServerError, Skip: 1})
	step := dns.FlipToTarget(s.flipSpec(z))
	before, retries, err := runStep(t.Context(), step)
	require.NoError(t, err)
	require.Equal(t, 1, retries)
	require.Equal(t, 1+1+2, s.batches(), "one done, one failed, the other 250 in two")
	require.NoError(t, step.Op.Undo(t.Context(), before))
	require.JSONEq(t, start, s.recordsJSON(t))
}

// After kill -9 between two batches, or after the last, a new process derives the same
// plan, finds the flipped records, and flips the rest.
func TestFlipAfterKill(t *testing.T) {
	s := newSite(t, cfsim.Options{})
	var records []cfsim.Record
	for i := range 250 {
		records = append(records, simRecord(fmt.Sprintf("h%03d.example.com", i), oldWeb.String()))
	}
	_, err := s.sim.AddZone("example.com", records...)
	require.NoError(t, err)
	first := dns.FlipToTarget(s.flipSpec(s.derive(t).Zones[0]))
	state, err := first.Op.Check(t.Context())
	require.NoError(t, err)
	s.sim.Inject(cfsim.Fault{Method: "POST", Kind: cfsim.DropBefore, Skip: 1})
	require.Error(t, first.Op.Apply(t.Context()))

	second := dns.FlipToTarget(s.flipSpec(s.derive(t).Zones[0]))
	require.Equal(t, digest(first), digest(second))
	halfway, err := second.Op.Check(t.Context())
	require.NoError(t, err)
	require.False(t, halfway.Done)
	require.Equal(t, "203.0.113.10 (200), 192.0.2.10 (50)", halfway.Now)
	require.NoError(t, second.Op.Apply(t.Context()))

	third := dns.FlipToTarget(s.flipSpec(s.derive(t).Zones[0]))
	require.Equal(t, digest(first), digest(third))
	done, err := third.Op.Check(t.Context())
	require.NoError(t, err)
	require.True(t, done.Done)
	require.NoError(t, third.Op.Undo(t.Context(), state.Before), "the journal's before-image is that of the first start")
	for _, content := range s.contents("example.com") {
		require.Equal(t, oldWeb.String(), content)
	}
}

func digest(step plan.Step) string {
	return plan.Plan{Stages: []plan.Stage{{Steps: []plan.Step{step}}}}.Digest()
}

func TestFlipRefusesWhatSomebodyElseChanged(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
	z := s.derive(t).Zones[0]
	entry := entryNamed(z, "auto.example.com")
	s.changeElsewhere(t, z.Zone, dns.Change{ID: entry.Record.ID, Type: "A", Content: elsewhere})
	was := s.recordsJSON(t)
	err := dns.FlipToTarget(s.flipSpec(z)).Op.Apply(t.Context())
	require.ErrorContains(t, err, "auto.example.com A was changed by somebody else: it is 198.51.100.7, neither 203.0.113.10 (this move's value) nor 192.0.2.10 (before the move)")
	require.Contains(t, report.Hint(err), "--force")
	require.JSONEq(t, was, s.recordsJSON(t), "nothing was flipped")

	spec := s.flipSpec(z)
	spec.Force = true
	plantest.Exercise(t, dns.FlipToTarget(spec))
	require.Equal(t, newWeb.String(), s.contents("example.com")[entry.Record.ID])
}

func TestRollbackRefusesWhatSomebodyElseChanged(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
	z := s.derive(t).Zones[0]
	start := s.contents("example.com")
	step := dns.FlipToTarget(s.flipSpec(z))
	before, _, err := runStep(t.Context(), step)
	require.NoError(t, err)
	changed := entryNamed(z, "auto.example.com").Record
	s.changeElsewhere(t, z.Zone, dns.Change{ID: changed.ID, Type: "A", Content: elsewhere})

	back, err := dns.FlipToSource(s.flipSpec(z), before)
	require.NoError(t, err)
	for name, err := range map[string]error{"undo": step.Op.Undo(t.Context(), before), "rollback": back.Op.Apply(t.Context())} {
		require.ErrorContains(t, err, "it is 198.51.100.7, neither 203.0.113.10 (this move's value) nor 192.0.2.10 (before the move)", name)
		require.Contains(t, report.Hint(err), "--force", name)
	}
	want := start
	want[changed.ID] = elsewhere
	require.Equal(t, want, s.contents("example.com"), "all others are back")

	spec := s.flipSpec(z)
	spec.Force = true
	back, err = dns.FlipToSource(spec, before)
	require.NoError(t, err)
	_, _, err = runStep(t.Context(), back)
	require.NoError(t, err)
	want[changed.ID] = oldWeb.String()
	require.Equal(t, want, s.contents("example.com"))
}

func TestFlipOfADeletedRecord(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
	z := s.derive(t).Zones[0]
	step := dns.FlipToTarget(s.flipSpec(z))
	before, _, err := runStep(t.Context(), step)
	require.NoError(t, err)
	gone := entryNamed(z, "auto.example.com").Record
	deleteRecord(t, s, z.Zone, gone.ID)

	_, err = step.Op.Check(t.Context())
	require.ErrorIs(t, err, dns.ErrRecordGone)
	require.ErrorContains(t, err, "auto.example.com A")
	require.NotEmpty(t, report.Hint(err))

	err = step.Op.Undo(t.Context(), before)
	require.ErrorIs(t, err, dns.ErrRecordGone)
	for id, content := range s.contents("example.com") {
		require.NotContains(t, content, "203.0.113.", "%s was not restored because another record is gone", id)
	}
	spec := s.flipSpec(z)
	spec.Force = true
	back, err := dns.FlipToSource(spec, before)
	require.NoError(t, err)
	_, _, err = runStep(t.Context(), back)
	require.NoError(t, err)
}

// deletingRecords deletes a record after it was read and before it is changed.
type deletingRecords struct {
	api          dns.Records
	deleteRecord func()
}

func (v *deletingRecords) Records(ctx context.Context, zone dns.Zone) ([]dns.Record, error) {
	return v.api.Records(ctx, zone)
}

func (v *deletingRecords) Change(ctx context.Context, zone dns.Zone, changes []dns.Change) error {
	v.deleteRecord()
	return v.api.Change(ctx, zone, changes)
}

func TestFlipNamesTheRecordThatWasDeletedMeanwhile(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro}).withSampleZones(t)
	z := s.derive(t).Zones[0]
	spec := s.flipSpec(z)
	spec.Records = &deletingRecords{s.client, func() { deleteRecord(t, s, z.Zone, entryNamed(z, "auto.example.com").Record.ID) }}
	err := dns.FlipToTarget(spec).Op.Apply(t.Context())
	require.ErrorIs(t, err, dns.ErrRecordGone)
	require.ErrorContains(t, err, "auto.example.com A")
	for _, content := range s.contents("example.com") {
		require.NotContains(t, content, "203.0.113.", "one transaction: nothing was flipped")
	}
}

func TestVerifyAsksTheNameServers(t *testing.T) {
	s := newSite(t, cfsim.Options{Plan: cfsim.PlanPro, Propagation: time.Hour}).withSampleZones(t)
	z := s.derive(t).Zones[0]
	spec := s.flipSpec(z)
	spec.Propagation.Within = 50 * time.Millisecond
	step := dns.FlipToTarget(spec)
	require.NoError(t, step.Op.Apply(t.Context()))
	err := step.Op.Verify(t.Context())
	require.ErrorContains(t, err, "4 of 7 names not yet as wanted")
	require.ErrorContains(t, err, "answers 192.0.2.10 for *.blogs.example.com A, not 203.0.113.10")
	require.Contains(t, report.Hint(err), s.propagation.Server)

	spec.Propagation.Server = "127.0.0.1:1"
	err = dns.FlipToTarget(spec).Op.Verify(t.Context())
	require.ErrorContains(t, err, "ask 127.0.0.1:1 for")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, step.Op.Verify(ctx), context.Canceled)
}

func entryNamed(z dns.ZoneFlip, name string) dns.Entry {
	for _, e := range z.Entries() {
		if e.Record.Name == name {
			return e
		}
	}
	panic("no entry " + name)
}

func TestParseFlipName(t *testing.T) {
	zone, wave, ok := dns.ParseFlipName(dns.FlipName("shop.example.com", "canary-2"))
	require.True(t, ok)
	require.Equal(t, "shop.example.com", zone)
	require.Equal(t, "canary-2", wave)
	for _, name := range []string{"", "flip", "flip:example.com", "flip-back:example.com:rest", "purge:example.com:rest", "main:seed"} {
		_, _, ok := dns.ParseFlipName(name)
		require.False(t, ok, name)
	}
}
