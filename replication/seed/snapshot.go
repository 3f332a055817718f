package seed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// The limits of the brief lock that a MySQL snapshot needs.
const (
	snapshotLockSeconds   = 1
	snapshotAttempts      = 30
	snapshotRetryInterval = 2 * time.Second
)

// snapshot is one consistent view of a server's rows that holds exactly the transactions
// of GTIDs.
type snapshot struct {
	*wire.Conn
	GTIDs replication.GTIDSet
}

// takeSnapshot opens a snapshot on s.
//
// MariaDB: START TRANSACTION WITH CONSISTENT SNAPSHOT opens InnoDB's read view
// and notes the binlog position of the last commit under one mutex
// (LOCK_commit_ordered). A group commit makes its transactions visible and
// moves that position under the same mutex, in binlog order, so a transaction
// is either in both or in neither. gtid_binlog_pos would be wrong: it moves at
// the write to the binlog, before the rows are visible. The noted position is
// the session's status binlog_snapshot_*; BINLOG_GTID_POS turns it into GTIDs. Only XA
// COMMIT is committed in the engine apart from that, so that a server that has run one is
// locked as MySQL is.
//
// MySQL: gtid_executed and the read views have no common mutex, so commits are
// held for a moment by FLUSH TABLES WITH READ LOCK. It waits for statements
// that run, and new writes wait behind it: therefore it is not tried while one
// runs for a second already, waits for a second at most, and tries again, visibly.
func takeSnapshot(ctx context.Context, s *replication.Server) (*snapshot, error) {
	return openSnapshot(ctx, s, true)
}

// openSnapshot is takeSnapshot. If it is not exact, it takes no lock on MariaDB, and may lack
// what XA COMMIT is making visible.
func openSnapshot(ctx context.Context, s *replication.Server, exact bool) (*snapshot, error) {
	_, dialect, err := s.Open(ctx)
	if err != nil {
		return nil, err
	}
	w, err := wire.Open(ctx, s, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
	if err != nil {
		return nil, err
	}
	w.Pin()
	var gtids replication.GTIDSet
	if dialect.SnapshotTellsPosition() {
		gtids, err = startCommitOrdered(ctx, s, w, dialect, exact)
	} else {
		var executed string
		if executed, err = startLocked(ctx, s, w, "SELECT @@GLOBAL.gtid_executed"); err == nil {
			gtids, err = replication.ParseGTIDSet(dialect.Flavor, executed)
		}
	}
	if err != nil {
		w.Close()
		return nil, s.Wrap("take a snapshot", err)
	}
	return &snapshot{w, gtids}, nil
}

// visiblePosition returns transactions whose rows are visible to every read that begins
// now: the executed ones if the server guarantees that, else those of a snapshot.
func visiblePosition(ctx context.Context, s *replication.Server) (replication.GTIDSet, error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return replication.GTIDSet{}, err
	}
	if dialect.ExecutedAreVisible() {
		return replication.ExecutedGTIDs(ctx, db, dialect)
	}
	snap, err := openSnapshot(ctx, s, false)
	if err != nil {
		return replication.GTIDSet{}, err
	}
	snap.Close()
	return snap.GTIDs, nil
}

const startSnapshot = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"

func startCommitOrdered(ctx context.Context, s *replication.Server, w *wire.Conn, dialect *dialect.Dialect, exact bool) (replication.GTIDSet, error) {
	xa, err := w.Texts(ctx, "SHOW GLOBAL STATUS LIKE 'Com_xa_commit'")
	if err != nil {
		return replication.GTIDSet{}, err
	}
	if exact && (len(xa) == 0 || xa[0][1] != "0") {
		_, err = startLocked(ctx, s, w, "SELECT 1")
	} else {
		_, err = w.Exec(ctx, startSnapshot)
	}
	if err != nil {
		return replication.GTIDSet{}, err
	}
	status, err := w.Texts(ctx, "SHOW STATUS LIKE 'binlog_snapshot_%'")
	if err != nil {
		return replication.GTIDSet{}, err
	}
	position := query.Record{}
	for _, r := range status {
		position[r[0]] = r[1]
	}
	file := position["Binlog_snapshot_file"]
	if file == "" {
		return replication.GTIDSet{}, report.WithHint(fmt.Errorf("the server shows no binlog_snapshot_file"), "turn the binlog on (log_bin)")
	}
	text, err := w.Texts(ctx, "SELECT BINLOG_GTID_POS("+query.Literal(file)+", "+position["Binlog_snapshot_position"]+")")
	if err != nil || len(text) == 0 {
		return replication.GTIDSet{}, cmp.Or(err, replication.ErrGone)
	}
	return replication.ParseGTIDSet(dialect.Flavor, text[0][0])
}

// startLocked takes the lock, opens the view, asks for a value and releases the lock in one
// packet: the lock is not held for a round trip.
func startLocked(ctx context.Context, s *replication.Server, w *wire.Conn, value string) (string, error) {
	for try := 1; ; try++ {
		err := requireNoSlowStatement(ctx, s)
		if err == nil {
			var results []wire.Answer
			results, err = w.RunAll(ctx, fmt.Sprintf("SET SESSION lock_wait_timeout = %d", snapshotLockSeconds),
				"FLUSH TABLES WITH READ LOCK", startSnapshot, value, "UNLOCK TABLES",
				"SET SESSION lock_wait_timeout = "+replication.LockWaitSeconds)
			var answer string
			if err == nil {
				answer, err = results[3].Value()
			}
			if err == nil {
				return answer, nil
			}
		}
		if query.ErrorNumber(err) != 1205 && !errors.Is(err, errSlowStatement) {
			return "", err // the caller closes the connection, which releases the lock
		}
		if try == snapshotAttempts {
			return "", report.WithHint(fmt.Errorf("a statement has held up the snapshot's read lock %d times: %w", try, err),
				"look for long statements in SHOW PROCESSLIST and try again when they are done")
		}
		report.Note(ctx, "snapshot: a running statement of %s holds up the read lock; next try in %s (%d of %d)", s.Name(), snapshotRetryInterval, try, snapshotAttempts)
		if err := wait.For(ctx, snapshotRetryInterval); err != nil {
			return "", err
		}
	}
}

// errSlowStatement means that the lock would have to wait for a statement, and every
// write would wait behind the lock.
var errSlowStatement = errors.New("a statement runs that the lock would wait for")

// requireNoSlowStatement returns errSlowStatement while a statement has run for a
// second: the lock would wait for it, and new writes behind the lock.
func requireNoSlowStatement(ctx context.Context, s *replication.Server) error {
	db, err := s.DB(ctx)
	if err != nil {
		return err
	}
	all, err := query.Processes(ctx, db)
	if err == nil && slices.ContainsFunc(all, func(p query.Process) bool {
		return slices.Contains([]string{"Query", "Execute"}, p.Command) && p.Seconds >= 1
	}) {
		err = errSlowStatement
	}
	return err
}
