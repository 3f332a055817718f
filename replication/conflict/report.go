package conflict

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/report"
)

// Report is what both sides wrote while both accepted writes. Of a row it holds the
// key only.
type Report struct {
	Pair    string           `json:"pair"`
	Left    replication.Side `json:"left"`    // the side that the writers left
	Entered replication.Side `json:"entered"` // the side that they went to
	// Start is where each side's log was read from. End is the transactions that the side
	// that was left had after its fence.
	Start    WindowStart `json:"start"`
	End      string      `json:"end"`
	Opened   time.Time   `json:"opened"` // by the controller's clock
	Finished time.Time   `json:"finished"`
	// Complete is false if the entered side lacked transactions of the other, because its
	// link had stopped.
	Complete bool `json:"complete"`
	// Wrote is what the clients of the side that was left wrote, and those of the other.
	Wrote [2]SideWrites `json:"wrote"`
	// InTurn counts the rows that both sides wrote, one after the other: every write saw
	// the other side's earlier ones. They are no conflicts.
	InTurn int64 `json:"in_turn"`
	// Found counts the keys that both sides wrote without having the other's write.
	// Conflicts lists the first 1000 of them.
	Found     int64      `json:"found"`
	Conflicts []Conflict `json:"conflicts,omitempty"`
	// Unsure is what the logs do not show: statements, DDL, keys over expressions.
	Unsure []string      `json:"unsure,omitempty"`
	Took   time.Duration `json:"took"`
}

// SideWrites is what the clients of one server wrote.
type SideWrites struct {
	Transactions int64     `json:"transactions"`
	Rows         int64     `json:"rows"`
	First        time.Time `json:"first,omitzero"` // by the server's clock
	Last         time.Time `json:"last,omitzero"`
}

// Conflict is a key that both sides wrote without having the other's write.
type Conflict struct {
	Table   string `json:"table"`            // schema.table
	Unique  string `json:"unique,omitempty"` // the unique key, if it is not the primary one
	Key     string `json:"key"`              // its values as SQL literals
	Left    Write  `json:"left"`
	Entered Write  `json:"entered"`
	Times   int64  `json:"times"` // writes of the entered side that conflict
}

// Write is one side's write. Its transaction in the log has the row's images.
type Write struct {
	GTID string    `json:"gtid"`
	At   time.Time `json:"at"` // by the server's clock
	What string    `json:"what"`
}

// String is the conflict in one line for the operator.
func (c Conflict) String() string {
	key := "key"
	if c.Unique != "" {
		key = "unique key " + c.Unique
	}
	return fmt.Sprintf("%s %s %s: %s by %s at %s, %s by %s at %s", c.Table, key, c.Key,
		c.Left.What, c.Left.GTID, c.Left.At.Format(time.TimeOnly), c.Entered.What, c.Entered.GTID, c.Entered.At.Format(time.TimeOnly))
}

// addTime notes the time of a transaction; they come in their order in the log.
func (s *SideWrites) addTime(at time.Time) {
	if s.First.IsZero() {
		s.First = at
	}
	s.Last = at
}

// Summary is the report in one line for the operator.
func (r Report) Summary() string {
	what := "no row was written on both sides at once"
	switch {
	case r.Found > 0:
		what = fmt.Sprintf("%d keys were written on both sides at once", r.Found)
	case !r.Complete:
		what = "no row was written on both sides at once, as far as the link came"
	}
	text := fmt.Sprintf("%s: %d transactions on the %s, %d on the %s; %d rows in turn", what,
		r.Wrote[0].Transactions, r.Left, r.Wrote[1].Transactions, r.Entered, r.InTurn)
	if len(r.Unsure) > 0 {
		text += fmt.Sprintf("; %d things that the logs cannot tell", len(r.Unsure))
	}
	return text
}

// noteReport summarizes the report for the run's notes. The notes hold no keys, because
// keys may be tokens and the notes are in the journal. Only the operator reads the report.
func noteReport(ctx context.Context, r Report, where string) {
	const maxTables = 5
	report.Note(ctx, "%s: %s", r.Pair, r.Summary())
	tables := map[string]int{}
	for _, c := range r.Conflicts {
		tables[c.Table]++
	}
	for i, name := range slices.Sorted(maps.Keys(tables)) {
		if i == maxTables {
			report.Note(ctx, "%s: H1: and %d more tables", r.Pair, len(tables)-maxTables)
			break
		}
		report.Note(ctx, "%s: H1: %s: %d keys", r.Pair, name, tables[name])
	}
	if r.Found > int64(len(r.Conflicts)) {
		report.Note(ctx, "%s: the report lists the first %d of %d keys", r.Pair, len(r.Conflicts), r.Found)
	}
	if r.Found > 0 || len(r.Unsure) > 0 {
		report.Note(ctx, "%s: see %s; docs/conflicts.md says what to do", r.Pair, where)
	}
}
