package verify

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// memoryStore is a Store in memory.
type memoryStore struct {
	mu     sync.Mutex
	report *Report
}

func (m *memoryStore) LastVerify(context.Context, string) (Report, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.report == nil {
		return Report{}, false, nil
	}
	return *m.report, true, nil
}

func (m *memoryStore) SaveVerify(_ context.Context, r Report) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.report = &r
	return nil
}

// TestAVerifyFromBeforeARestartIsNotFresh kills each side after a verify (H20).
func TestAVerifyFromBeforeARestartIsNotFresh(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		source.Exec("CREATE DATABASE shop", "CREATE TABLE shop.a (id INT PRIMARY KEY)")
		require.NoError(t, seed.Step(pair).Op.Apply(t.Context()))
		store := &memoryStore{}
		step := Fresh(pair, replication.Source, store, time.Hour)
		for name, s := range map[string]*servertest.Instance{"source": source, "target": target} {
			require.NoError(t, step.Op.Apply(t.Context()))
			state, err := step.Op.Check(t.Context())
			require.NoError(t, err)
			require.True(t, state.Done)
			<-time.After((sameStart + 1) * time.Second) // a server that starts at once after the other does not look new before
			s.Kill()
			s.Restart()
			state, err = step.Op.Check(t.Context())
			require.NoError(t, err)
			require.False(t, state.Done)
			require.Equal(t, "main ("+name+") has been restarted since the last verify", state.Now)
		}
		require.NoError(t, step.Op.Apply(t.Context()), "it verifies anew")
		store.report.Starts = nil
		require.Error(t, step.Op.Verify(t.Context()), "a report that does not tell")
	})
}

func TestVerifyFreshExercise(t *testing.T) {
	pair, source, target := replicationtest.Start(t, servertest.MariaDB)
	replicationtest.MakeLoadSchema(source)
	require.NoError(t, seed.Step(pair).Op.Apply(t.Context()))
	replicationtest.Replicate(t, servertest.MariaDB, source, target)
	store := &memoryStore{}
	step := Fresh(pair, replication.Source, store, time.Hour)
	plantest.Exercise(t, step)
	store.report.Finished = time.Now().Add(-2 * time.Hour)
	require.Error(t, step.Op.Verify(t.Context()), "an old verify does not count")
	unlogged(target, "DELETE FROM load1.posts WHERE id = 7")
	require.ErrorContains(t, step.Op.Apply(t.Context()), "load1.posts key 7: missing on")
}
