package replication

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Limits of reading again what is in flight.
const (
	chunkTries = 2
	rowTries   = 40
	settled    = 3 // times that a row must differ while it stays the same on the writer's side
	rowPause   = 25 * time.Millisecond
)

func (v *verifier) compareTable(ctx context.Context, t table) error {
	v.count(func(r *VerifyReport) { r.Tables++ })
	err := v.compareRows(ctx, t)
	if absent(err) {
		v.differ(Difference{Object: t.title(), What: "the table or a column is not on both sides"})
		return nil
	}
	return err
}

func (v *verifier) compareRows(ctx context.Context, t table) error {
	key := t.key()
	if len(key) == 0 {
		return v.compareWhole(ctx, t)
	}
	db, err := v.from.DB(ctx)
	if err != nil {
		return err
	}
	var lower bound
	for {
		upper, err := readBound(ctx, db, t, lower, strconv.Itoa(v.opts.ChunkRows-1))
		if err != nil {
			return v.from.wrap("read the keys of "+t.title(), err)
		}
		if err := v.compareChunk(ctx, t, within(key, lower, upper)); err != nil {
			return err
		}
		v.progress(ctx, t)
		if upper == nil {
			return nil
		}
		lower = upper
	}
}

// readBound finds the end of the chunk behind lower; nil: the table's end.
func readBound(ctx context.Context, db *sql.DB, t table, lower bound, offset string) (bound, error) {
	rows, err := db.QueryContext(ctx, t.boundQuery(lower, offset))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found bound
	for rows.Next() {
		if found, _, err = scanKey(rows, t.key(), 0); err != nil {
			return nil, err
		}
	}
	return found, rows.Err()
}

// scanKey reads a row of key values and some more columns.
func scanKey(rows *sql.Rows, key []column, more int) (bound, []string, error) {
	values := make([]sql.RawBytes, len(key)+more)
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	if err := rows.Scan(into...); err != nil {
		return nil, nil, err
	}
	b := make(bound, len(key))
	for i, c := range key {
		b[i] = c.keyLiteral(values[i])
	}
	rest := make([]string, more)
	for i := range rest {
		rest[i] = string(values[len(key)+i])
	}
	return b, rest, nil
}

// compareChunk compares the rows where condition holds: by hash, by hash again
// once the other side has caught up, then row by row.
func (v *verifier) compareChunk(ctx context.Context, t table, condition string) error {
	a, b, err := v.hashBoth(ctx, t, condition)
	if err != nil {
		return err
	}
	v.count(func(r *VerifyReport) { r.Chunks++; r.Rows += a.Rows })
	if a == b {
		return nil
	}
	v.count(func(r *VerifyReport) { r.Reread++ })
	for range chunkTries {
		if a, err = v.hash(ctx, v.from, t, condition); err != nil {
			return err
		}
		if _, err := v.caughtUp(ctx); err != nil {
			return err
		}
		if b, err = v.hash(ctx, v.to, t, condition); err != nil {
			return err
		}
		if a == b {
			return nil
		}
	}
	return v.compareEachRow(ctx, t, condition)
}

// rowHashes reads the rows where condition holds, by key.
func (v *verifier) rowHashes(ctx context.Context, s *Server, t table, condition string) (map[string]string, error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, t.rowsQuery(dialect, condition))
	if err != nil {
		return nil, s.wrap("read rows of "+t.title(), err)
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		key, rest, err := scanKey(rows, t.key(), 1)
		if err != nil {
			return nil, s.wrap("read rows of "+t.title(), err)
		}
		out[strings.Join(key, ",")] = rest[0]
	}
	return out, rows.Err()
}

// suspect is a row that has differed so far.
type suspect struct {
	here, there string // the last hashes; "" stands for no row
	same        int    // times that it differed while the writer's side stood still
}

// compareEachRow follows the rows that differ until they agree, or stay
// different while the writer's side stands still. Agreement is also when the
// writer's side shows, later, what the other side had: it had it all the time.
func (v *verifier) compareEachRow(ctx context.Context, t table, condition string) error {
	var suspects map[string]*suspect
	for try := range rowTries {
		where := condition
		if suspects != nil {
			where = t.keysCondition(suspects)
		}
		a, err := v.rowHashes(ctx, v.from, t, where)
		if err != nil {
			return err
		}
		if _, err := v.caughtUp(ctx); err != nil {
			return err
		}
		b, err := v.rowHashes(ctx, v.to, t, where)
		if err != nil {
			return err
		}
		if suspects == nil {
			suspects = firstSuspects(a, b)
		} else {
			followSuspects(suspects, a, b)
		}
		if settledAll(suspects) {
			break
		}
		if err := pause(ctx, rowPause*time.Duration(1+try/4)); err != nil {
			return err
		}
	}
	for key, s := range suspects {
		v.differ(Difference{Object: t.title(), Key: key, What: s.describe(v.to)})
	}
	return nil
}

func firstSuspects(a, b map[string]string) map[string]*suspect {
	suspects := map[string]*suspect{}
	for key, hash := range a {
		if b[key] != hash {
			suspects[key] = &suspect{hash, b[key], 1}
		}
	}
	for key, hash := range b {
		if _, ok := a[key]; !ok {
			suspects[key] = &suspect{"", hash, 1}
		}
	}
	return suspects
}

func followSuspects(suspects map[string]*suspect, a, b map[string]string) {
	for key, s := range suspects {
		here, there := a[key], b[key]
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

func (s *suspect) describe(to *Server) string {
	switch {
	case s.same < settled:
		return "changes too often to be compared"
	case s.there == "":
		return "missing on " + to.Name()
	case s.here == "":
		return "only on " + to.Name()
	}
	return "differs"
}

// keysCondition selects the suspects by key.
func (t table) keysCondition(suspects map[string]*suspect) string {
	conditions := make([]string, 0, len(suspects))
	tuple := "(" + quoteList(names(t.key())) + ")"
	for key := range suspects {
		conditions = append(conditions, tuple+"=("+key+")")
	}
	if len(conditions) == 0 {
		return "FALSE"
	}
	return "(" + strings.Join(conditions, " OR ") + ")"
}

// compareWhole compares a table without a primary key as one chunk, until both
// sides agree or differ while the writer's side stands still.
func (v *verifier) compareWhole(ctx context.Context, t table) error {
	var lastA, lastB sum
	same := 0
	for try := range rowTries {
		a, err := v.hash(ctx, v.from, t, "TRUE")
		if err != nil {
			return err
		}
		v.count(func(r *VerifyReport) {
			switch try {
			case 0:
				r.Chunks++
				r.Rows += a.Rows
			case 1:
				r.Reread++
			}
		})
		if _, err := v.caughtUp(ctx); err != nil {
			return err
		}
		b, err := v.hash(ctx, v.to, t, "TRUE")
		if err != nil {
			return err
		}
		if a == b || try > 0 && a == lastB {
			return nil
		}
		if same++; a != lastA {
			same = 1
		}
		if lastA, lastB = a, b; same >= settled {
			v.differ(Difference{Object: t.title(), What: fmt.Sprintf("has no primary key and differs: %d rows on %s, %d on %s",
				a.Rows, v.from.Name(), b.Rows, v.to.Name())})
			return nil
		}
		if err := pause(ctx, rowPause*time.Duration(1+try/4)); err != nil {
			return err
		}
	}
	v.differ(Difference{Object: t.title(), What: "has no primary key and changes too often to be compared"})
	return nil
}
