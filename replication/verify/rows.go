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

// Limits of following rows that are in flight.
const (
	rowTries  = 40
	settled   = 3                      // times that a row must differ while it stays the same on the writer's side
	sampledAt = 3                      // tries after which a row that changes all the time is watched closely
	watched   = 64                     // rows that are watched at once
	watchTime = 300 * time.Millisecond // the other side is read at the first moment of it, once it has come there
	rowPause  = 25 * time.Millisecond
)

// rowDifference is a row that differs for sure.
type rowDifference struct {
	table *verifyTable
	suspect
}

// suspect is a row that has differed so far. A table without a key is one row.
type suspect struct {
	key         table.Key
	title       string
	here, there string // the last hashes; "" stands for no row
	same        int    // times that it differed while the writer's side stood still
}

// compareRows follows the rows that differ until they agree, or stay different
// while the writer's side stands still.
func (v *verifier) compareRows(ctx context.Context, w both, t *verifyTable, condition string) error {
	var suspects map[string]*suspect
	for try := range rowTries {
		if suspects != nil {
			condition = t.among(suspects)
		}
		a, err := w.from.each(ctx, t, condition)
		if err != nil {
			return err
		}
		if _, err := v.caughtUp(ctx); err != nil {
			return err
		}
		b, err := w.to.each(ctx, t, condition)
		if err != nil {
			return err
		}
		if suspects == nil {
			suspects = firstSuspects(a, b)
		} else {
			followSuspects(suspects, a, b)
		}
		if try >= sampledAt {
			if err := v.watch(ctx, w, t, suspects); err != nil {
				return err
			}
		}
		if settledAll(suspects) {
			break
		}
		if err := wait.For(ctx, rowPause*time.Duration(1+try/4)); err != nil {
			return err
		}
	}
	for _, s := range suspects {
		v.differRow(rowDifference{t, *s})
	}
	return nil
}

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

// followSuspects takes out the rows that agree. They do, too, where the
// writer's side shows, later, what the other side had: it had it all the time.
func followSuspects(suspects map[string]*suspect, a, b map[string]rowState) {
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

func settledAll(suspects map[string]*suspect) bool {
	for _, s := range suspects {
		if s.same < settled {
			return false
		}
	}
	return true
}

// watch compares rows that change all the time: the writer's side is read over
// and over while the other side catches up with the beginning of that and is
// read. What it has then, the writer's side had in between: a row agrees when
// its hash there is one of those seen here.
func (v *verifier) watch(ctx context.Context, w both, t *verifyTable, suspects map[string]*suspect) error {
	moving := map[string]*suspect{}
	for key, s := range suspects {
		if s.same < settled && len(moving) < watched {
			moving[key] = s
		}
	}
	if len(moving) == 0 {
		return nil
	}
	condition := t.among(moving)
	seen := map[string]bool{} // key and hash
	look := func() error {
		rows, err := w.from.each(ctx, t, condition)
		for key := range moving {
			seen[key+"\x00"+rows[key].hash] = true
		}
		return err
	}
	if err := look(); err != nil { // before the position that the other side catches up with
		return err
	}
	var there map[string]rowState
	read := make(chan struct{})
	var group errgroup.Group
	group.Go(func() (err error) {
		defer close(read)
		if _, err = v.caughtUp(ctx); err == nil {
			there, err = w.to.each(ctx, t, condition)
		}
		return err
	})
	group.Go(func() error {
		for began := time.Now(); time.Since(began) < watchTime; {
			if err := look(); err != nil {
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

// among selects the suspects by key.
func (t *verifyTable) among(suspects map[string]*suspect) string {
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

// differRow reports a row, or a table without a key.
func (v *verifier) differRow(d rowDifference) {
	v.differ(Difference{Object: d.table.Title(), Key: d.title, What: d.describe(v)})
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.rows) < mostRepairs {
		v.rows = append(v.rows, d)
	}
}

func (d rowDifference) describe(v *verifier) string {
	switch {
	case d.same < settled && len(d.table.keyCols) == 0:
		return "has no key and changes too often to be compared"
	case d.same < settled:
		return "changes too often to be compared"
	case len(d.table.keyCols) == 0:
		return fmt.Sprintf("has no primary key, nor a unique one without NULLs, and differs: %s on %s, %s on %s",
			rowsOfSum(d.here), v.from.Name(), rowsOfSum(d.there), v.to.Name())
	case d.there == "":
		return "missing on " + v.to.Name()
	case d.here == "":
		return "only on " + v.to.Name()
	}
	return "differs"
}

// rowsOfSum is the number of rows in what chunkHash says of a table.
func rowsOfSum(text string) string {
	n, _, _ := strings.Cut(text, " ")
	return n + " rows"
}
