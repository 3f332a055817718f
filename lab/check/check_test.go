package check

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/traffic"
)

// memoryDatabase is a database of the blog in memory that holds ops only.
type memoryDatabase struct {
	posts, users, confirmed, likes []string
	tally                          int
	at                             string // GTID position
	err                            error
}

func (m *memoryDatabase) Query(_ context.Context, sql string) ([]byte, error) {
	if m.err != nil {
		return nil, m.err
	}
	for k, rows := range map[traffic.Kind][]string{
		traffic.Publish: m.posts, traffic.Signup: m.users, traffic.Confirm: m.confirmed, traffic.Like: m.likes,
	} {
		if sql == opQueries[k] {
			return []byte(strings.Join(rows, "\n") + "\n"), nil
		}
	}
	switch table, ok := strings.CutPrefix(sql, "CHECKSUM TABLE "); {
	case ok:
		sum := crc32.ChecksumIEEE(fmt.Append(nil, map[string]any{
			"blog.posts": m.posts, "blog.users": append(slices.Clone(m.users), m.confirmed...), "blog.likes": m.likes, "blog.tallies": m.tally,
		}[table]))
		return fmt.Appendf(nil, "%s\t%d\n", table, sum), nil
	case strings.Contains(sql, "blog.tallies"):
		return fmt.Appendf(nil, "%d\t%d\n", m.tally, len(m.likes)), nil
	case strings.Contains(sql, "gtid"):
		return []byte(m.at + "\n"), nil
	}
	return nil, fmt.Errorf("unknown statement %q", sql)
}

// newBlogDatabase returns a database with n acknowledged writes of each kind.
func newBlogDatabase(n int) *memoryDatabase {
	m := &memoryDatabase{tally: n}
	for i := range n {
		m.posts = append(m.posts, fmt.Sprint("P", i))
		m.users = append(m.users, fmt.Sprint("U", i))
		m.confirmed = append(m.confirmed, fmt.Sprint("C", i))
		m.likes = append(m.likes, fmt.Sprint("L", i))
	}
	return m
}

// clientLog returns the log of newBlogDatabase(n)'s clients, with a write without
// an answer and a refused one besides.
func clientLog(n int) traffic.Log {
	log := traffic.Log{{Kind: traffic.Read, Status: 200}, {Kind: traffic.Publish, Op: "P-unknown"}, {Kind: traffic.Like, Op: "L-refused", Status: 503}}
	for i := range n {
		for k, letter := range map[traffic.Kind]string{traffic.Publish: "P", traffic.Signup: "U", traffic.Confirm: "C", traffic.Like: "L"} {
			log = append(log, traffic.Record{Kind: k, Op: fmt.Sprint(letter, i), Status: 200})
		}
	}
	return log
}

func TestHistory(t *testing.T) {
	for _, c := range []struct {
		name                       string
		mutate                     func(source, target *memoryDatabase)
		lost, doubled, differences int
	}{
		{"clean", func(*memoryDatabase, *memoryDatabase) {}, 0, 0, 0},
		{"a write without an answer that is there once", func(s, d *memoryDatabase) {
			s.posts, d.posts = append(s.posts, "P-unknown"), append(d.posts, "P-unknown")
		}, 0, 0, 0},
		{"a write without an answer that is there twice", func(s, d *memoryDatabase) {
			s.posts, d.posts = append(s.posts, "P-unknown", "P-unknown"), append(d.posts, "P-unknown", "P-unknown")
		}, 0, 2, 0},
		{"lost on the target", func(_, d *memoryDatabase) { d.posts = d.posts[1:] }, 1, 0, 1},
		{"lost on both", func(s, d *memoryDatabase) { s.users, d.users = s.users[1:], d.users[1:] }, 2, 0, 0},
		{"a confirmation lost on the source", func(s, _ *memoryDatabase) { s.confirmed = s.confirmed[:2] }, 1, 0, 1},
		{"a like lost on the target", func(_, d *memoryDatabase) { d.likes, d.tally = d.likes[1:], d.tally-1 }, 1, 0, 2},
		{"doubled on the target", func(_, d *memoryDatabase) { d.posts = append(d.posts, "P1") }, 0, 1, 1},
		{"a lost update of the tally, equal on both", func(s, d *memoryDatabase) { s.tally--; d.tally-- }, 0, 0, 2},
		{"a row that differs", func(_, d *memoryDatabase) { d.posts = append(d.posts, "of no client") }, 0, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			source, target := newBlogDatabase(3), newBlogDatabase(3)
			c.mutate(source, target)
			r, err := History(t.Context(), clientLog(3), source, target)
			require.NoError(t, err)
			require.Equal(t, 12, r.Acked)
			require.Len(t, r.Lost, c.lost, "%+v", r.Lost)
			require.Len(t, r.Doubled, c.doubled, "%+v", r.Doubled)
			require.Len(t, r.Differences, c.differences, "%q", r.Differences)
			require.Equal(t, c.lost+c.doubled+c.differences == 0, r.Clean())
		})
	}
}

func TestSide(t *testing.T) {
	db := newBlogDatabase(3)
	r, err := Side(t.Context(), clientLog(3), "target", db)
	require.NoError(t, err)
	require.True(t, r.Clean())
	db.likes = db.likes[1:]
	r, err = Side(t.Context(), clientLog(3), "target", db)
	require.NoError(t, err)
	require.Equal(t, []Finding{{"target", traffic.Like, "L0", "acknowledged, but not there"}}, r.Lost)
	require.Equal(t, []string{"target: the tally says 3 likes, 2 are there"}, r.Differences)
	db.err = errors.New("server has gone away")
	_, err = Side(t.Context(), clientLog(3), "target", db)
	require.EqualError(t, err, "check target: server has gone away")
}

func TestDrain(t *testing.T) {
	for _, c := range []struct {
		source, target string
		drained        bool
	}{
		{"1-1-7,2-2-5", "2-2-5,1-1-7,1-1-6", true},
		{"", "", true},
		{"1-1-7,2-2-5", "1-1-6,2-2-5", false},
		{"1-1-7,2-2-5", "1-1-7,2-2-6", false},
		{"1-1-7", "1-1-7,2-2-6", false},
		{"1-1-12", "1-1-9", false},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		err := Drain(ctx, &memoryDatabase{at: c.source}, &memoryDatabase{at: c.target})
		cancel()
		if c.drained {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, context.DeadlineExceeded, "%+v", c)
	}
	require.ErrorContains(t, Drain(t.Context(), &memoryDatabase{at: "uuid:1-7"}, &memoryDatabase{}), "domain-server-sequence")
}
