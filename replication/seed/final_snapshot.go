package seed

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
)

const (
	snapshotTimeLimit = 3 * time.Second // that catching up in the last snapshot may take
	maxSnapshots      = 10

	// preparedLimit is how long the seed waits, before its first position and before its last
	// one, until no distributed transaction is prepared.
	preparedLimit = 2 * time.Minute
)

// errSnapshotTooLong means that the last snapshot would have been open for too long.
var errSnapshotTooLong = errors.New("the last snapshot takes too long")

// lastRounds does what is left inside a snapshot, which it tries not to keep open for
// longer than snapshotTimeLimit. A source that is written to faster than one connection
// can follow gets more rounds before the next attempt. The last attempt takes the time
// that it needs, and a note has said so.
func (r *run) lastRounds(ctx context.Context) error {
	deadline := time.Now().Add(r.Options.PreparedLimit)
	for try := 1; ; try++ {
		if try > 1 || time.Since(r.roundBegan) > quickRound { // by now there may be more than fits
			if _, err := r.round(ctx, true); err != nil || len(r.dirty) > 0 {
				return err
			}
		}
		limit := snapshotTimeLimit
		if try == maxSnapshots {
			limit = 0
		}
		err := r.lastRound(ctx, limit)
		if errors.Is(err, binlog.ErrPrepared) && time.Now().Before(deadline) {
			if err := binlog.WaitPrepared(ctx, r.Pair.Source, time.Until(deadline)); err != nil {
				return err
			}
			try, r.roundBegan = max(try-1, 1), time.Time{} // there may be more than fits
			continue
		}
		if !errors.Is(err, errSnapshotTooLong) {
			return err
		}
		report.Note(ctx, "the last snapshot of %s would have been open for longer than %s: it is given up, and taken again after another round (%d of %d)",
			r.Pair.Source.Name(), snapshotTimeLimit, try, maxSnapshots-1)
	}
}

// lastRound does what is left inside one snapshot, and so brings the target to its
// position. Catching up in it takes at most limit; 0 is no limit.
func (r *run) lastRound(ctx context.Context, limit time.Duration) error {
	r.progress.SetPhase("the last round")
	to, err := wire.Open(ctx, r.Pair.Target, dialect.Unlogged, rowsSettings, wire.ReadCommitted)
	if err != nil {
		return err
	}
	defer to.Close()
	snap, err := r.takeRestlessSnapshot(ctx, to)
	if err != nil {
		return err
	}
	defer snap.Close()
	conns := workerConns{snap.Conn, to}
	limited, cancel := ctx, context.CancelFunc(func() {})
	if limit > 0 {
		limited, cancel = context.WithTimeoutCause(ctx, limit, errSnapshotTooLong)
	}
	err = r.catchUp(limited, []workerConns{conns}, snap.GTIDs, nil, true)
	late := errors.Is(context.Cause(limited), errSnapshotTooLong)
	cancel()
	switch {
	case err != nil && late:
		return errSnapshotTooLong // rows that are newer than the noted position are read again
	case err != nil || len(r.dirty) > 0:
		return err
	}
	if err := binlog.RefusePrepared(r.Pair.Source, r.preparedAt(snap.GTIDs)); err != nil {
		return err
	}
	r.announceSnapshot(ctx)
	err = r.copySnapshot(ctx, conns)
	if errors.Is(err, schema.ErrTableChanged) {
		r.dirty[table.Name{}] = true // the log tells which table has changed
		return nil
	}
	if err == nil {
		report.Note(ctx, "the copy ends at %s of %s", snap.GTIDs, r.Pair.Source.Name())
	}
	return err
}

// preparedAt returns the distributed transactions that are prepared at a position, to which
// the log was read.
func (r *run) preparedAt(position replication.GTIDSet) (list []replication.XID) {
	for x, p := range r.prepared {
		if position.Has(p.id) {
			list = append(list, x)
		}
	}
	return list
}

// announceSnapshot notes how long the tables without a key will keep the snapshot open.
func (r *run) announceSnapshot(ctx context.Context) {
	var bytes int64
	var titles []string
	for _, t := range r.known.atEnd {
		if !t.chunked() && !t.sequence {
			bytes, titles = bytes+t.Bytes, append(titles, t.Title())
		}
	}
	if len(titles) == 0 {
		return
	}
	slices.Sort(titles)
	r.progress.SetPhase("tables without a key, in one snapshot")
	took := time.Duration(float64(bytes) / r.progress.UsualRate() * float64(time.Second)).Round(time.Second)
	report.Note(ctx, "%s can only be copied in one snapshot (H7), about %s: %s keeps old versions of rows for about %s",
		phrase.FirstOf(5, titles), phrase.Bytes(bytes), r.Pair.Source.Name(), max(took, time.Second))
}
