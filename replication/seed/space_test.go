package seed

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

// extends returns the server's value of ExtendVariable.
func extends(s *servertest.Instance) string {
	return s.Value("SELECT @@GLOBAL." + dialect.ExtendVariable)
}

// TestSpaceIsReservedOnlyWhileTheSeedRuns proves that the target's variable is restored
// after the end, after a failure, and after a killed seed by the next attempt or the undo.
func TestSpaceIsReservedOnlyWhileTheSeedRuns(t *testing.T) {
	pair, source, target := replicationtest.Start(t, servertest.MySQL)
	replicationtest.MakeLoadSchema(source)
	replicationtest.MakeBigTable(source)
	killed := func() { // what a SIGKILL leaves
		op, ok := Step(pair).Op.(*Op)
		require.True(t, ok)
		run := op.newRun()
		_, err := run.begin(t.Context())
		require.NoError(t, err)
		require.NoError(t, run.reserveSpace(t.Context()))
		require.Equal(t, "0", extends(target))
	}
	undo := func() {
		replicationtest.WhileFenced(target, func() { require.NoError(t, Step(pair).Op.Undo(t.Context(), json.RawMessage(`{}`))) })
	}

	killed()
	undo()
	require.Equal(t, "1", extends(target), "undone")

	killed()
	killed() // the first value is still known
	require.NoError(t, Step(pair).Op.Apply(t.Context()))
	require.Equal(t, "1", extends(target), "finished")
	target.Exec("SET GLOBAL " + dialect.ExtendVariable + " = OFF")
	undo()
	require.Equal(t, "0", extends(target), "it is not the seed's any more")

	require.NoError(t, Step(pair).Op.Apply(t.Context()))
	require.Equal(t, "0", extends(target), "it was off before")
	undo()

	target.Exec("SET GLOBAL " + dialect.ExtendVariable + " = ON")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- StepWith(pair, Options{BytesPerSecond: 1 << 20}).Op.Apply(ctx) }()
	require.Eventually(t, func() bool { return extends(target) == "0" }, 30*time.Second, 5*time.Millisecond, "it is off while the seed runs")
	cancel()
	require.Error(t, <-done)
	require.Equal(t, "1", extends(target), "failed")
}

// TestSpaceIsRestoredWhereTheServerKnowsIt replaces the target by a build without the
// variable: there is nothing to restore.
func TestSpaceIsRestoredWhereTheServerKnowsIt(t *testing.T) {
	pair, _, target := replicationtest.Start(t, servertest.MariaDB)
	var notes []string
	ctx := report.WithNotes(t.Context(), func(text string) { notes = append(notes, text) })
	require.NoError(t, (&Op{Pair: pair}).restoreSpace(ctx, replication.Marker{Effects: replication.Effects{Extend: "ON"}}))
	require.Len(t, notes, 1)
	require.Contains(t, notes[0], "has no "+dialect.ExtendVariable+" any more")
	target.Kill()
	require.Error(t, (&Op{Pair: pair}).restoreSpace(ctx, replication.Marker{Effects: replication.Effects{Extend: "ON"}}))
}
