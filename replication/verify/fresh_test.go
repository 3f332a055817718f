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
