package verify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/wait"
)

// Limits of following rows whose changes are on their way.
const (
	rowTries     = 40
	settledTries = 3                      // times that a row must differ while it stays the same on the writer's side
	watchAfter   = 3                      // tries after which a row that changes all the time is watched
	watchedRows  = 64                     // rows that are watched at once
	watchTime    = 300 * time.Millisecond // for which the writer's side is read over and over
	rowPause     = 25 * time.Millisecond
)

// rowDifference is a row that is reported as different.
type rowDifference struct {
	table *tableShape
	suspect
}

// suspect is a row that has differed so far. A table without a key counts as one row.
type suspect struct {
	key         table.Key
	title       string
	here, there string // the last hashes; "" means that the row is missing
	same        int    // times that it differed while the writer's side stayed the same
}

// compareRows follows the rows that differ until they agree, or stay different while
// the writer's side stays the same.
func (v *verifier) compareRows(ctx context.Context, w workerConns, t *tableShape, condition string) error {
	var suspects map[string]*suspect
	for try := range rowTries {
		if suspects != nil {
			condition = t.suspectsCondition(suspects)
		}
		a, err := w.from.each(ctx, t, condition)
		if err != nil {
			return err
		}
		if _, err := v.waitCaughtUp(ctx); err != nil {
			return err
		}
		b, err := w.to.each(ctx, t, condition)
		if err != nil {
			return err
		}
		if suspects == nil {
			suspects = firstSuspects(a, b)
		} else {
			updateSuspects(suspects, a, b)
		}
		if try >= watchAfter {
			if err := v.watch(ctx, w, t, suspects); err != nil {
				return err
			}
		}
		if allSettled(suspects) {
			break
		}
		if err := wait.For(ctx, rowPause*time.Duration(1+try/4)); err != nil {
			return err
		}
	}
	for _, s := range suspects {
		v.addRowDifference(rowDifference{t, *s})
	}
	return nil
}

// firstSuspects are the rows that differ in the first reads of both sides.
func firstSuspects(a, b map[string]rowState) map[string]*suspect {
	suspects := map[string]*suspect{}
	for key, row := range a {
		if b[key].hash != row.hash {
			suspects[key] = &suspect{row.key, row.title, row.hash, b[key].hash, 1}
		}
	}
	for key, row := range b {
		if _, ok := a[key]; !ok {
			suspects[key] = &suspect{row.key, row.title, "", row.hash, 1}
		}
	}
	return suspects
}

// updateSuspects removes the rows that agree. A row also agrees if the writer's side
// shows now what the other side had before: the other side had the right row then.
func updateSuspects(suspects map[string]*suspect, a, b map[string]rowState) {
	for key, s := range suspects {
		here, there := a[key].hash, b[key].hash
		if here == there || here == s.there {
			delete(suspects, key)
			continue
		}
		if s.same++; here != s.here {
			s.same = 1
		}
		s.here, s.there = here, there
	}
}

// allSettled reports whether no suspect needs another try.
func allSettled(suspects map[string]*suspect) bool {
	for _, s := range suspects {
		if s.same < settledTries {
			return false
		}
	}
	return true
}

// watch compares rows that change all the time. It reads the writer's side over and over
// while the other side catches up with the first of these reads and is read then. What
// the other side has then, the writer's side had in between: a row agrees if its hash
// there is among those seen here.
func (v *verifier) watch(ctx context.Context, w workerConns, t *tableShape, suspects map[string]*suspect) error {
	moving := map[string]*suspect{}
	for key, s := range suspects {
		if s.same < settledTries && len(moving) < watchedRows {
			moving[key] = s
		}
	}
	if len(moving) == 0 {
		return nil
	}
	condition := t.suspectsCondition(moving)
	seen := map[string]bool{} // key and hash
	readHere := func() error {
		rows, err := w.from.each(ctx, t, condition)
		for key := range moving {
			seen[key+"\x00"+rows[key].hash] = true
		}
		return err
	}
	if err := readHere(); err != nil { // before the position that the other side catches up with
		return err
	}
	var there map[string]rowState
	read := make(chan struct{})
	var group errgroup.Group
	group.Go(func() (err error) {
		defer close(read)
		if _, err = v.waitCaughtUp(ctx); err == nil {
			there, err = w.to.each(ctx, t, condition)
		}
		return err
	})
	group.Go(func() error {
		for began := time.Now(); time.Since(began) < watchTime; {
			if err := readHere(); err != nil {
				return err
			}
			select {
			case <-read:
				return nil
			default:
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	for key := range moving {
		if seen[key+"\x00"+there[key].hash] {
			delete(suspects, key)
		}
	}
	return nil
}

// suspectsCondition is the condition that selects the suspects by key.
func (t *tableShape) suspectsCondition(suspects map[string]*suspect) string {
	if len(t.keyCols) == 0 {
		return "TRUE"
	}
	if len(suspects) == 0 {
		return "FALSE"
	}
	keys := make([]table.Key, 0, len(suspects))
	for _, s := range suspects {
		keys = append(keys, s.key)
	}
	return table.OneOf(table.ColumnNames(t.keyCols), keys)
}

// addRowDifference reports a row, or a table without a key, and keeps it for a repair.
func (v *verifier) addRowDifference(d rowDifference) {
	v.addDifference(Difference{Object: d.table.Title(), Key: d.title, What: d.describe(v)})
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.rows) < maxRepairs {
		v.rows = append(v.rows, d)
	}
}

// describe says how the row differs.
func (d rowDifference) describe(v *verifier) string {
	switch {
	case d.same < settledTries && len(d.table.keyCols) == 0:
		return "has no key and changes too often to be compared"
	case d.same < settledTries:
		return "changes too often to be compared"
	case len(d.table.keyCols) == 0:
		return fmt.Sprintf("has no primary key, nor a unique one without NULLs, and differs: %s on %s, %s on %s",
			rowCount(d.here), v.from.Name(), rowCount(d.there), v.to.Name())
	case d.there == "":
		return "missing on " + v.to.Name()
	case d.here == "":
		return "only on " + v.to.Name()
	}
	return "differs"
}

// rowCount is the number of rows in the hash of a table without a key, in words.
func rowCount(text string) string {
	n, _, _ := strings.Cut(text, " ")
	return n + " rows"
}
