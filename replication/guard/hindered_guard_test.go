package guard

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// useUpConnections takes all of a server's connections, those for administrators, too. It
// returns a session to look with, and what gives the connections back.
func useUpConnections(t *testing.T, s *servertest.Instance) (*sql.Conn, func()) {
	t.Helper()
	db := s.Root()
	own, err := db.Conn(t.Context())
	require.NoError(t, err)
	_, err = own.ExecContext(t.Context(), "SET GLOBAL max_connections = 10")
	require.NoError(t, err)
	var taken []*sql.DB
	for range 40 {
		more := s.Open("root", "", "unix")
		more.SetMaxOpenConns(1)
		taken = append(taken, more)
		if err = more.PingContext(t.Context()); err != nil {
			break
		}
	}
	require.Error(t, err, "nobody gets in any more")
	return own, func() {
		_, err := own.ExecContext(context.Background(), "SET GLOBAL max_connections = 151")
		require.NoError(t, err)
		for _, db := range taken {
			require.NoError(t, db.Close())
		}
		require.NoError(t, own.Close())
	}
}

// A guard whose controller is gone opens its side, whatever the server is like by then.
func TestGuardOpensAHinderedServer(t *testing.T) { // I3
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := guardedPair(t, flavor)
		die := func(t *testing.T, g Guard) {
			t.Helper()
			require.NoError(t, Arm(g).Op.Apply(t.Context()))
			require.NoError(t, Fence(g, fence.Options{Wait: time.Second}).Op.Apply(t.Context()))
		}
		opens := func(t *testing.T, s *replication.Server) {
			t.Helper()
			require.Eventually(t, func() bool {
				state, err := fence.ReadRunning(t.Context(), s)
				return err == nil && state.Open
			}, 30*time.Second, 20*time.Millisecond)
		}
		opensIn := func(t *testing.T, look *sql.Conn) {
			t.Helper()
			require.Eventually(t, func() bool {
				var readOnly string
				require.NoError(t, look.QueryRowContext(t.Context(), "SELECT CAST(@@GLOBAL.read_only AS CHAR)").Scan(&readOnly))
				return readOnly == "0" || readOnly == "OFF"
			}, 20*time.Second, 20*time.Millisecond)
		}
		t.Run("the connections of the source are used up", func(t *testing.T) {
			g := newGuard(t, p, 2*time.Second)
			die(t, g)
			look, back := useUpConnections(t, p.SourceInstance)
			defer back()
			opensIn(t, look)
		})
		t.Run("the source restarts meanwhile", func(t *testing.T) {
			g := newGuard(t, p, 3*time.Second)
			die(t, g)
			p.SourceInstance.Restart()
			require.True(t, isFenced(t, p.Source), "the fence is kept")
			opens(t, p.Source)
		})
		t.Run("the source accepts connections and does not answer", func(t *testing.T) {
			g := newGuard(t, p, 2*time.Second)
			die(t, g)
			require.NoError(t, syscall.Kill(p.SourceInstance.Pid(), syscall.SIGSTOP))
			err := wait.For(t.Context(), 3*time.Second)
			require.NoError(t, syscall.Kill(p.SourceInstance.Pid(), syscall.SIGCONT))
			require.NoError(t, err)
			opens(t, p.Source)
		})
		if flavor == servertest.MySQL { // whose fence has two variables, and keeps them in a file of its own
			t.Run("a part of the fence is lifted, and the kept value cannot be removed", func(t *testing.T) {
				g := newGuard(t, p, 2*time.Second)
				die(t, g)
				p.SourceInstance.Exec("SET GLOBAL super_read_only = 0")
				kept := filepath.Join(p.SourceInstance.Dir, "data", "mysqld-auto.cnf")
				require.NoError(t, os.Rename(kept, kept+".away"))
				require.NoError(t, os.MkdirAll(kept+"/in-the-way", 0o777))
				defer func() {
					require.NoError(t, os.RemoveAll(kept))
					require.NoError(t, os.Rename(kept+".away", kept))
				}()
				opens(t, p.Source)
			})
		}
		t.Run("the connections of the target are used up, and init_connect fails", func(t *testing.T) {
			p.TargetInstance.Exec("SET GLOBAL init_connect = 'SELECT broken'")
			g := newGuard(t, p, 2*time.Second)
			die(t, g)
			require.NoError(t, handoverOp{g}.drain(t.Context()))
			require.NoError(t, handoverOp{g}.decide(t.Context()))
			look, back := useUpConnections(t, p.TargetInstance)
			opensIn(t, look)
			back()
			require.True(t, isFenced(t, p.Source))
			require.NoError(t, Handover(g).Op.Apply(t.Context()))
		})
	})
}

func isFenced(t *testing.T, s *replication.Server) bool {
	t.Helper()
	state, err := fence.ReadRunning(t.Context(), s)
	require.NoError(t, err)
	return state.Closed
}

// The undo of a controller whose switch another one has completed, or is completing, does
// not open the source: that would be two writers.
func TestUndoDoesNotOpenBehindAnotherController(t *testing.T) { // I2
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := guardedPair(t, flavor)
		first := newGuard(t, p, time.Minute)
		undo := func(t *testing.T) error {
			t.Helper()
			return Fence(first, fence.Options{}).Op.Undo(t.Context(), []byte(`{"fenced":false}`))
		}
		refused := func(t *testing.T, why string) {
			t.Helper()
			err := undo(t)
			var permanent *report.PermanentError
			require.ErrorAs(t, err, &permanent)
			require.ErrorContains(t, err, why)
			require.True(t, isFenced(t, p.Source))
		}
		require.NoError(t, Arm(first).Op.Apply(t.Context()))
		require.NoError(t, Fence(first, fence.Options{}).Op.Apply(t.Context()))
		second := handoverOp{first}
		require.NoError(t, second.drain(t.Context()))
		require.NoError(t, second.decide(t.Context()))
		refused(t, "the guard is handing over to it")
		require.NoError(t, Handover(first).Op.Apply(t.Context()))
		refused(t, "it accepts application writes")

		// Back on the source, without a guard: it is enough that the target is seen closed,
		// and a fence that is set in part is completed first.
		requireSwitch(t, first.opposite())
		require.NoError(t, fence.Close(t.Context(), p.Source))
		if flavor == servertest.MySQL {
			p.TargetInstance.Exec("SET GLOBAL super_read_only = 0")
		}
		require.NoError(t, undo(t))
		require.True(t, isOpen(t, p.Source))
		require.True(t, isFenced(t, p.Target))

		// The guard's decision is won: a handover that comes later loses.
		require.NoError(t, Arm(first).Op.Apply(t.Context()))
		require.NoError(t, fence.Close(t.Context(), p.Source))
		require.NoError(t, undo(t))
		require.Eventually(t, func() bool { // the guard tidies up after that
			state, err := fence.Read(t.Context(), p.Source)
			return err == nil && !state.Kept
		}, 20*time.Second, 20*time.Millisecond)
		require.NoError(t, fence.Close(t.Context(), p.Source))
		require.ErrorIs(t, second.decide(t.Context()), errLost)
		require.False(t, isOpen(t, p.Target))
		require.NoError(t, Arm(first).Op.Undo(t.Context(), nil))
	})
}
