package enemy

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/wait"
)

// prepare prepares a transaction in a session of its own, which ends, or ends one that was
// prepared before.
func (c *client) prepare(ctx context.Context) error {
	if c.random.IntN(2) == 0 || !c.mayPrepare.Load() {
		c.finishOne(ctx)
		return nil
	}
	return c.prepareOn(ctx, c.server, []string{c.change(c.anyTable()), c.change(c.anyTable())})
}

// prepareOn prepares changes on the server with an index.
func (c *client) prepareOn(ctx context.Context, server int, changes []string) error {
	conn, err := c.pools[server].Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Raw(func(any) error { return driver.ErrBadConn }) }()
	id := fmt.Sprintf("enemy-%d-%d", c.number, c.xids.Add(1))
	session := append(append([]string{}, c.profile.settings...), "SET SESSION lock_wait_timeout = 3", "XA START "+text(id))
	for _, s := range append(append(session, changes...), "XA END "+text(id), "XA PREPARE "+text(id)) {
		_, err := conn.ExecContext(ctx, c.profile.encoded(s))
		c.log.add(c.number, c.profile.name+" (XA)", s, err)
		if err != nil && (endsSession(err) != nil || isNumber(err, errDeadlock)) {
			return endsSession(err) // the end of the session rolls it back
		}
	}
	c.preparedMutex.Lock()
	defer c.preparedMutex.Unlock()
	c.prepared = append(c.prepared, preparedXA{server, id, c.random.IntN(3) > 0})
	return nil
}

const errUnknownXA = 1397

// preparedXA is a transaction that is prepared, and what will become of it.
type preparedXA struct {
	server int
	id     string
	commit bool
}

// finishOne commits the oldest prepared transaction, or rolls it back.
func (r *round) finishOne(ctx context.Context) (done bool) {
	r.preparedMutex.Lock()
	if len(r.prepared) == 0 {
		r.preparedMutex.Unlock()
		return true
	}
	x := r.prepared[0]
	r.prepared = r.prepared[1:]
	r.preparedMutex.Unlock()
	statement := "XA ROLLBACK " + text(x.id)
	if x.commit {
		statement = "XA COMMIT " + text(x.id)
	}
	_, err := r.pools[x.server].ExecContext(ctx, statement)
	r.log.add(0, "XA", statement, err)
	// A fence that meets a prepared transaction refuses its end until it is taken back.
	if err != nil && (!isNumber(err, errUnknownXA) || slices.Contains(r.preparedOn(r.servers()[x.server]), x.id)) { // the session that has prepared it may be there still
		r.preparedMutex.Lock()
		defer r.preparedMutex.Unlock()
		r.prepared = append(r.prepared, x)
	}
	return false
}

// finishPrepared ends every prepared transaction, and lets no client prepare another one for
// the rest of the stage.
func (r *round) finishPrepared() {
	r.mayPrepare.Store(false)
	r.preparedMutex.Lock()
	r.prepared, r.leftPrepared = append(r.prepared, r.leftPrepared...), nil
	r.preparedMutex.Unlock()
	for try := 0; !r.finishOne(context.Background()); try++ {
		if try == 500 {
			r.preparedMutex.Lock()
			defer r.preparedMutex.Unlock()
			require.FailNow(r.t, "prepared transactions do not end", "%v", r.prepared)
		}
		_ = wait.For(context.Background(), 2*time.Millisecond)
	}
}

// leftOn are the clients' transactions that are prepared on a server, and were prepared there.
func (r *round) leftOn(s *servertest.Instance) (ids []string) {
	there := r.preparedOn(s)
	r.preparedMutex.Lock()
	defer r.preparedMutex.Unlock()
	for _, x := range r.prepared {
		if r.servers()[x.server] == s && slices.Contains(there, x.id) {
			ids = append(ids, x.id)
		}
	}
	return ids
}

// prepareBefore prepares transactions before the seed begins.
func (r *round) prepareBefore() {
	for range 1 + r.random.IntN(2) {
		c := r.clients[r.random.IntN(len(r.clients))]
		c.profile = profile{"plain", []string{"SET NAMES utf8mb4"}, quote, same}
		require.NoError(r.t, c.prepareOn(r.t.Context(), 0, []string{c.change(c.anyTable()), c.change(c.anyTable())}))
	}
}

// leaveOnePrepared prepares a transaction that nobody ends before migrate has refused to go
// on.
func (r *round) leaveOnePrepared() {
	r.preparedMutex.Lock()
	before := r.prepared
	r.prepared = nil
	r.preparedMutex.Unlock()
	r.prepareBefore()
	r.preparedMutex.Lock()
	r.prepared, r.leftPrepared = before, r.prepared
	r.preparedMutex.Unlock()
}
