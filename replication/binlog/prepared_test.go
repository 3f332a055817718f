package binlog

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestPreparedAtAPosition asks for the transactions that were prepared at positions, with
// all ways in which the servers log them.
func TestPreparedAtAPosition(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		source := servertest.Start(t, flavor)
		s := replicationtest.Server(t, source, replication.Source, nil)
		source.Exec("CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)")
		position := func() replication.GTIDSet {
			set, err := Logged(t.Context(), s)
			require.NoError(t, err)
			return set
		}
		prepare := func(xid, id string) {
			replicationtest.PrepareXA(t, source, xid, "INSERT INTO d.t VALUES ("+id+")")
		}
		before := position()
		prepare("'a', 'b', 7", "1")
		one := position()
		replicationtest.EndXA(t, source, "XA COMMIT 'a', 'b', 7")
		prepare("X'00ff27', '', 2147483647", "2")
		two := position()
		replicationtest.EndXA(t, source, "XA ROLLBACK X'00ff27', '', 2147483647")
		source.Exec("XA START 'whole'", "INSERT INTO d.t VALUES (3)", "XA END 'whole'", "XA COMMIT 'whole' ONE PHASE")
		none := position()
		if flavor == servertest.MySQL {
			source.Exec("SET binlog_transaction_compression = 1", "XA START 'packed'", "INSERT INTO d.t VALUES (5), (6), (7)", "XA END 'packed'",
				"XA PREPARE 'packed'", "XA COMMIT 'packed'", "SET binlog_transaction_compression = 0")
		}
		prepare("'last'", "4")
		after := position()
		a, odd, last := replication.XID{Format: 7, Global: "a", Branch: "b"}, replication.XID{Format: 2147483647, Global: "\x00\xff'"}, replication.XID{Format: 1, Global: "last"}
		for _, c := range []struct {
			name string
			at   replication.GTIDSet
			want []replication.XID
		}{
			{"before all of them", before, nil},
			{"one that is committed later", one, []replication.XID{a}},
			{"one that is rolled back later", two, []replication.XID{odd}},
			{"between them", none, nil},
			{"one that is still prepared", after, []replication.XID{last}},
		} {
			got, err := PreparedAt(t.Context(), s, c.at)
			require.NoError(t, err, c.name)
			require.Equal(t, c.want, got, c.name)
		}

		err := WaitPrepared(t.Context(), s, 50*time.Millisecond)
		require.ErrorIs(t, err, ErrPrepared)
		require.ErrorContains(t, err, "'last',")
		done := make(chan error, 1)
		go func() { done <- WaitPrepared(t.Context(), s, time.Minute) }()
		replicationtest.EndXA(t, source, "XA COMMIT 'last'")
		require.NoError(t, <-done)
	})
}
