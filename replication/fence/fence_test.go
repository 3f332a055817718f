package fence

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

func TestFenceStep(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		app := replicationtest.Writer(t, p.SourceInstance)
		insert := func() error {
			_, err := app.ExecContext(t.Context(), "INSERT INTO app.notes (text) VALUES (UUID())")
			return err
		}
		require.NoError(t, insert())

		plantest.Exercise(t, Set(p.Source, Options{Wait: 2 * time.Second}))
		require.ErrorContains(t, insert(), "read-only")
		p.SourceInstance.Kill()
		p.SourceInstance.Restart()
		require.ErrorContains(t, insert(), "read-only", "a fence survives a restart")

		plantest.Exercise(t, Lift(p.Source))
		require.NoError(t, insert())
		p.SourceInstance.Restart()
		require.NoError(t, insert(), "nothing of the fence comes back")
		require.Equal(t, "0", p.SourceInstance.Value("SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'migrate%'"))
	})
}

func TestOpenTransactionCannotCommitAfterTheFence(t *testing.T) { // H15, I1
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		tx, err := replicationtest.Writer(t, p.SourceInstance).BeginTx(t.Context(), nil)
		require.NoError(t, err)
		_, err = tx.ExecContext(t.Context(), "INSERT INTO app.notes (text) VALUES ('open')")
		require.NoError(t, err)

		require.NoError(t, Set(p.Source, Options{Wait: time.Second}).Op.Apply(t.Context()))
		require.ErrorContains(t, tx.Commit(), "read-only")
		require.Equal(t, "0", p.SourceInstance.Value("SELECT COUNT(*) FROM app.notes"))
	})
}

func TestFenceIsTakenBackWhenAStatementRunsOn(t *testing.T) { // H15
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		app := replicationtest.Writer(t, p.SourceInstance)
		done := make(chan error, 1)
		go func() {
			_, err := app.ExecContext(t.Context(), "INSERT INTO app.notes (text) SELECT SLEEP(20)")
			done <- err
		}()
		require.Eventually(t, func() bool {
			return p.SourceInstance.Value("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep'") == "1"
		}, 10*time.Second, 10*time.Millisecond)

		err := Set(p.Source, Options{Wait: time.Second}).Op.Apply(t.Context())
		require.ErrorContains(t, err, "writer from localhost")
		require.NotEmpty(t, report.Hint(err))
		_, err = app.ExecContext(t.Context(), "INSERT INTO app.notes (text) VALUES ('not fenced')")
		require.NoError(t, err)
		p.SourceInstance.Restart()
		require.Equal(t, "0", p.SourceInstance.Value("SELECT @@GLOBAL.read_only"))
		<-done
	})
}

func TestFenceKillsWhatRunsOn(t *testing.T) { // H15
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		app := replicationtest.Writer(t, p.SourceInstance)
		done := make(chan error, 1)
		go func() {
			_, err := app.ExecContext(t.Context(), "INSERT INTO app.notes (text) SELECT SLEEP(20)")
			done <- err
		}()
		require.Eventually(t, func() bool {
			return p.SourceInstance.Value("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep'") == "1"
		}, 10*time.Second, 10*time.Millisecond)
		require.NoError(t, Set(p.Source, Options{Wait: time.Second, Kill: true}).Op.Apply(t.Context()))
		require.Error(t, <-done, "the statement is not acknowledged")
		require.Equal(t, "1", p.SourceInstance.Value("SELECT @@GLOBAL.read_only"))
	})
}
