package conflict

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
)

// history is the logs of two servers that exchange transactions, each of which writes
// one key.
type history struct{ logs [2][]logEvent }

// logEvent is the nth transaction that the server origin wrote.
type logEvent struct {
	origin, nth, key int
}

// drawHistory draws a history that ends with the drain of server 0.
func drawHistory(t *rapid.T) history {
	var h history
	var applied [2]int // how many transactions of the other server a server has applied
	var written [2][]logEvent
	for range rapid.IntRange(1, 40).Draw(t, "steps") {
		side := rapid.IntRange(0, 1).Draw(t, "side")
		if rapid.Bool().Draw(t, "write") {
			e := logEvent{side, len(written[side]) + 1, rapid.IntRange(0, 3).Draw(t, "key")}
			written[side] = append(written[side], e)
			h.logs[side] = append(h.logs[side], e)
		} else if other := written[1-side]; applied[side] < len(other) {
			h.logs[side] = append(h.logs[side], other[applied[side]])
			applied[side]++
		}
	}
	for ; applied[1] < len(written[0]); applied[1]++ {
		h.logs[1] = append(h.logs[1], written[0][applied[1]])
	}
	return h
}

// crossed are the keys of pairs of writes that each stand before the other in the log of
// their own server. It compares every write with every other.
func (h history) crossed() []int {
	before := func(log []logEvent, a, b logEvent) bool {
		i, j := slices.Index(log, a), slices.Index(log, b)
		return i >= 0 && (j < 0 || i < j)
	}
	var keys []int
	for _, s := range h.logs[0] {
		for _, e := range h.logs[1] {
			if s.origin == 0 && e.origin == 1 && s.key == e.key && before(h.logs[0], s, e) && before(h.logs[1], e, s) {
				keys = append(keys, s.key)
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func TestConflictsAreThoseOfEveryPairOfWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		shape := &binlog.Table{Title: "app.t", Columns: []binlog.Column{{Name: "id", Kind: "int"}}, Keys: []binlog.Key{{Name: "PRIMARY", Columns: []binlog.KeyColumn{{Index: 0}}}}}
		c := &scan{shares: 1, maxListed: 100, report: &Report{}, keys: map[[16]byte]*leftWrites{}}
		for side, apply := range []func(keyChange){c.remember, c.match} {
			var own, other uint64
			for _, e := range h.logs[side] {
				if e.origin != side {
					other++
					continue
				}
				own++
				apply(keyChange{table: shape, key: "PRIMARY", parts: []binlog.KeyPart{{Column: shape.Columns[0], Raw: []byte{byte('0' + e.key)}}}, nth: own, seen: other})
			}
		}
		var found []int
		for _, conflict := range c.report.Conflicts {
			found = append(found, int(conflict.Key[0]-'0'))
		}
		slices.Sort(found)
		require.Equal(t, h.crossed(), found)
	})
}

// If a link does not keep the order of commits, counting proves nothing: every key that
// both sides wrote is listed.
func TestConflictsWithoutOrderAreAllKeysOfBothSides(t *testing.T) {
	shape := &binlog.Table{Title: "app.t", Columns: []binlog.Column{{Name: "id", Kind: "int"}}}
	for _, unordered := range []bool{false, true} {
		c := &scan{shares: 1, maxListed: 100, report: &Report{}, keys: map[[16]byte]*leftWrites{}, unordered: unordered}
		write := func(nth, seen uint64) keyChange {
			return keyChange{table: shape, key: "PRIMARY", parts: []binlog.KeyPart{{Column: shape.Columns[0], Raw: []byte("1")}}, nth: nth, seen: seen}
		}
		c.remember(write(1, 0))
		c.match(write(1, 1)) // in turn
		require.Equal(t, map[bool]int64{false: 0, true: 1}[unordered], c.report.Found)
	}
	var log logProgress
	maria := func(domain uint32, n uint64) bool {
		return log.add(replication.GTID{Sequence: n, Domain: domain, Server: 7}, binlog.Origin{Server: 7, Domain: 3})
	}
	require.True(t, maria(3, 10))
	require.True(t, maria(3, 12), "a gap is no disorder")
	require.False(t, maria(3, 11))
	require.False(t, maria(4, 13), "a session's own domain has numbers of its own")
}
