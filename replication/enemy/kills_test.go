package enemy

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/wait"
)

// drawKills draws what ends the first tries of the seed.
func (r *round) drawKills() []feature {
	var out []feature
	for _, f := range []feature{killSeed, killLogins, killServers} {
		if r.does(f) && !r.does(byFiles) { // what it stops and starts itself is killed by the tests of its own
			out = append(out, f)
		}
	}
	r.random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// withKill does something that the try's kill, if it has one, ends at a random moment.
func (r *round) withKill(kills []feature, try int, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(r.t.Context(), stageTimeout)
	defer cancel()
	if try >= len(kills) {
		return do(ctx)
	}
	after := time.Duration(100+r.random.IntN(1500)) * time.Millisecond
	server := []*servertest.Instance{r.source, r.target}[r.random.IntN(2)]
	done := make(chan struct{})
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		timer := time.NewTimer(after)
		defer timer.Stop()
		select {
		case <-done:
			return
		case <-timer.C:
		}
		r.log.note("%s: %s", kills[try], r.sideOf(server))
		r.kills++
		switch kills[try] {
		case killSeed:
			cancel()
		case killLogins:
			r.killLogins(server)
		default:
			server.Kill()
			server.Restart()
			if server == r.target {
				server.Exec("SET GLOBAL read_only = 1")
			}
		}
	}()
	err := do(ctx)
	close(done)
	<-killed
	return err
}

// killLogins ends the sessions of migrate's login on a server.
func (r *round) killLogins(s *servertest.Instance) {
	rows, err := s.Root().Query("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'root' AND ID <> CONNECTION_ID()")
	require.NoError(r.t, err)
	var ids []int
	for rows.Next() {
		var id int
		require.NoError(r.t, rows.Scan(&id))
		ids = append(ids, id)
	}
	require.NoError(r.t, rows.Close())
	for _, id := range ids {
		_, _ = s.Root().Exec("KILL " + strconv.Itoa(id)) // it may have ended
	}
}

// beginStatementSession writes once in a session that logs statements in place of rows.
func (r *round) beginStatementSession() {
	conn, err := r.source.Root().Conn(r.t.Context())
	require.NoError(r.t, err)
	r.statementsOut = conn
	_, err = conn.ExecContext(r.t.Context(), "SET SESSION binlog_format = STATEMENT")
	require.NoError(r.t, err)
	go func() {
		_ = wait.For(r.t.Context(), 300*time.Millisecond)
		_, err := conn.ExecContext(r.t.Context(), "INSERT INTO shop.audit (what) VALUES ('statement')")
		r.log.add(0, "statements", "INSERT INTO shop.audit", err)
	}()
}

// endStatementSession removes the cause of a refusal.
func (r *round) endStatementSession() {
	if r.statementsOut != nil {
		_ = r.statementsOut.Close()
		r.statementsOut = nil
	}
}

// letLastCommitBeLate lets the link, which is stopped, go on, and the last transaction of the
// side that is left be in the log of the other one for a while before its rows are seen: its
// commit waits for a semi-synchronous replica that never comes.
func (r *round) letLastCommitBeLate(old, entered *servertest.Instance) {
	domain := old.Value("SELECT @@GLOBAL.gtid_domain_id")
	var last string
	var until []string
	for gtid := range strings.SplitSeq(old.Value("SELECT @@GLOBAL.gtid_binlog_pos"), ",") {
		var d, server, sequence int
		_, err := fmt.Sscanf(gtid, "%d-%d-%d", &d, &server, &sequence)
		require.NoError(r.t, err)
		if strconv.Itoa(d) == domain {
			last, gtid = gtid, fmt.Sprintf("%d-%d-%d", d, server, sequence-1)
		}
		until = append(until, gtid)
	}
	entered.Exec("START SLAVE UNTIL master_gtid_pos = " + text(strings.Join(until, ",")))
	require.Eventually(r.t, func() bool { return strings.Contains(r.linkError(entered), "Slave_SQL_Running=No") }, 20*time.Second, 5*time.Millisecond)
	entered.Exec("STOP SLAVE", "SET GLOBAL rpl_semi_sync_master_wait_point = 'AFTER_SYNC'", "SET GLOBAL rpl_semi_sync_master_timeout = 1200",
		"SET GLOBAL rpl_semi_sync_master_enabled = 0", "SET GLOBAL rpl_semi_sync_master_enabled = 1", "START SLAVE")
	require.Eventually(r.t, func() bool {
		return slices.Contains(strings.Split(entered.Value("SELECT @@GLOBAL.gtid_binlog_pos"), ","), last)
	}, 20*time.Second, 2*time.Millisecond)
}
