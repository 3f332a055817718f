package enemy

import (
	"database/sql"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// round is one move of one random schema.
type round struct {
	*arena
	seed     uint64
	random   *rand.Rand // the round's own, for what no client draws
	features []feature
	pair     replication.Pair
	log      *statementLog
	ledger   *ledger

	tables  []*tableModel
	drawn   []string // changes of the tables of replicationtest.DrawTable
	pools   [2]*sql.DB
	clients []*client
	traffic *traffic
	active  atomic.Int32 // the index in pools of the side that takes the writes
	xids    atomic.Int32

	ddlInterval atomic.Int64 // between definitions
	ddlNext     atomic.Int64 // when the next one may be, in ns of the clock
	ddlLeft     atomic.Int32 // definitions of this stage

	definedMutex sync.Mutex
	defined      map[*tableModel]bool // in this stage

	mayPrepare    atomic.Bool
	preparedMutex sync.Mutex
	prepared      []preparedXA
	leftPrepared  []preparedXA // that nobody ends before migrate refuses to go on
	statementsOut *sql.Conn    // a session that logs statements

	refused       map[string]int // refusals that were legitimate, by name
	kills         int
	seedsCompared int // right after they had ended
	acknowledged  int
}

// newRound draws a round and makes its world on the source.
func (a *arena) newRound(seed uint64) *round {
	a.clean()
	r := &round{
		arena: a, seed: seed, random: rand.New(rand.NewPCG(seed, 1)), pair: a.pair(), log: &statementLog{began: time.Now()}, ledger: newLedger(), refused: map[string]int{},
	}
	r.drawFeatures()
	r.log.note("seed %d on %s: %v", seed, a.flavor, r.features)
	for i, s := range []*servertest.Instance{a.source, a.target} {
		r.pools[i] = s.Open("app", "app", "unix")
		r.pools[i].SetMaxIdleConns(0)
	}
	for i := range clients {
		r.clients = append(r.clients, &client{round: r, number: i + 1, random: rand.New(rand.NewPCG(seed, uint64(i)+100))})
	}
	r.makeWorld()
	return r
}

// run moves the world there and back.
func (r *round) run() {
	if r.does(xaBefore) {
		r.prepareBefore()
	}
	if r.does(xaLeft) {
		r.leaveOnePrepared()
	}
	r.copyUnderTraffic()
	r.link()
	if r.recoveredDDL() {
		r.refused["DDL that a crash has undone"]++
		return
	}
	r.verify()
	if r.does(switches) {
		r.linkBack()
		r.switchOver("cutover", replication.Source)
		r.switchOver("rollback", replication.Target)
	}
}

// close ends what the round has opened.
func (r *round) close() {
	if r.traffic != nil {
		r.traffic.cancel()
		r.traffic.done.Wait()
	}
	if r.statementsOut != nil {
		_ = r.statementsOut.Close()
	}
	for _, pool := range r.pools {
		_ = pool.Close()
	}
	_ = r.pair.Source.Close()
	_ = r.pair.Target.Close()
}

// fail ends the test, from the test's own goroutine. It names the seed and the file of the statements.
func (r *round) fail(format string, args ...any) {
	r.t.Helper()
	if r.traffic != nil {
		r.traffic.cancel()
		r.traffic.done.Wait()
	}
	for _, s := range []*servertest.Instance{r.source, r.target} {
		for _, line := range r.lines(s, "SELECT ID, USER, COMMAND, TIME, STATE, LEFT(INFO, 200) FROM information_schema.PROCESSLIST") {
			r.log.note("failed; the %s runs %s", r.sideOf(s), line)
		}
		r.log.note("failed; the %s: %s", r.sideOf(s), r.linkError(s))
	}
	r.t.Logf("MIGRATE_ENEMY_SEED=%d on %s; features: %s; statements: %s", r.seed, r.flavor, r.featureNames(), r.log.keep(r.seed))
	r.t.Fatalf(format, args...)
}

func (r *round) featureNames() string {
	names := make([]string, len(r.features))
	for i, f := range r.features {
		names[i] = string(f)
	}
	return strings.Join(names, "; ")
}

func (r *round) execAll(s *servertest.Instance, statements []string) {
	conn, err := s.Root().Conn(r.t.Context())
	require.NoError(r.t, err)
	defer conn.Close()
	for _, statement := range statements {
		_, err := conn.ExecContext(r.t.Context(), statement)
		r.log.add(0, "root", statement, err)
		if err != nil && !strings.HasPrefix(statement, "INSERT") {
			r.fail("%s: %v", statement, err)
		}
	}
}

func (r *round) sideOf(s *servertest.Instance) string {
	if s == r.source {
		return "source"
	}
	return "target"
}

// errNoPartitions stops MariaDB's applier now and then behind a CREATE OR REPLACE of a
// partitioned table. The same transaction is applied when the link is started again.
const errNoPartitions = "Failed to read from the .par file"

// recoveredDDL reports whether the target, which was killed, has undone a statement of the
// link in its own name (H38). The reverse link is refused then, and the round is over.
func (r *round) recoveredDDL() bool {
	if !r.mariadb() {
		return false
	}
	own := r.target.Value("SELECT @@GLOBAL.gtid_domain_id") + "-"
	for gtid := range strings.SplitSeq(r.target.Value("SELECT @@GLOBAL.gtid_binlog_pos"), ",") {
		if strings.HasPrefix(gtid, own) {
			err := link.Start(r.pair.Target, r.pair.Source).Op.Apply(r.t.Context())
			require.ErrorContains(r.t, err, "has transactions that")
			return true
		}
	}
	return false
}

// settle waits until both sides have every transaction of the side that takes the writes,
// which must be quiet. It compares the servers' own numbers.
func (r *round) settle(stage string, from, to *servertest.Instance) {
	r.quiet(from)
	position := "SELECT @@GLOBAL.gtid_executed"
	wait := "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, 30)"
	if r.mariadb() {
		position, wait = "SELECT @@GLOBAL.gtid_binlog_pos", "SELECT MASTER_GTID_WAIT(?, 30)"
	}
	goal := from.Value(position)
	if r.mariadb() {
		goal = r.withoutDomain(goal, to)
	}
	answer := to.Value(wait, goal)
	if answer != "0" && r.mariadb() && strings.Contains(r.linkError(to), errNoPartitions) {
		r.log.note("%s: the link is started again: %s", stage, r.linkError(to))
		to.Exec("START SLAVE")
		answer = to.Value(wait, goal)
	}
	if answer != "0" {
		r.fail("%s: the %s does not reach %s: %s", stage, r.sideOf(to), goal, r.linkError(to))
	}
}

// withoutDomain leaves out the transactions of a server's own domain, for which its wait
// function would wait for ever.
func (r *round) withoutDomain(set string, s *servertest.Instance) string {
	domain := s.Value("SELECT @@GLOBAL.gtid_domain_id") + "-"
	var out []string
	for _, g := range strings.Split(set, ",") {
		if !strings.HasPrefix(g, domain) {
			out = append(out, g)
		}
	}
	return strings.Join(out, ",")
}

// quiet waits until nothing is written any more: also the last run of an event has ended.
func (r *round) quiet(s *servertest.Instance) {
	position := "SELECT @@GLOBAL.gtid_executed"
	if r.mariadb() {
		position = "SELECT @@GLOBAL.gtid_binlog_pos"
	}
	before := ""
	require.Eventually(r.t, func() bool {
		now := s.Value(position)
		was := before
		before = now
		return now == was
	}, 10*time.Second, 60*time.Millisecond)
}

// linkError is what a replica says of its link.
func (r *round) linkError(s *servertest.Instance) string {
	statement := "SHOW REPLICA STATUS"
	rows, err := s.Root().Query(statement)
	if err != nil {
		return err.Error()
	}
	defer rows.Close()
	names, _ := rows.Columns()
	var out []string
	for rows.Next() {
		values, pointers := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			pointers[i] = &values[i]
		}
		_ = rows.Scan(pointers...)
		for i, n := range names {
			if strings.Contains(n, "Error") || strings.HasSuffix(n, "_Running") || strings.Contains(n, "Running_State") {
				out = append(out, n+"="+values[i].String)
			}
		}
	}
	if !r.mariadb() {
		out = append(out, s.Value("SELECT COALESCE(GROUP_CONCAT(LAST_ERROR_MESSAGE), '') FROM performance_schema.replication_applier_status_by_worker WHERE LAST_ERROR_NUMBER <> 0"))
	}
	return strings.Join(out, " ")
}
