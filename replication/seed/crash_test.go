package seed

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

const crashKills = "MIGRATE_TEST_SEED_KILLS"

// TestSeedToBeKilled is not a test: it is the process that
// TestSeedSurvivesKills starts and kills.
func TestSeedToBeKilled(t *testing.T) {
	pair, ok := replicationtest.SeedProcessPair(t)
	if !ok {
		return // it is not the process to be killed
	}
	require.NoError(t, StepWith(pair, Options{BytesPerSecond: 6 << 20, prepareFrom: 1, batchTables: 7}).Op.Apply(t.Context()))
}

// TestSeedSurvivesKills kills the seed's process or a server with SIGKILL, or cuts their
// connections, at random moments while the source is written to. The seed continues each
// time, and in the end all rows are compared. MIGRATE_TEST_SEED_KILLS is the number of
// kills on each flavor.
func TestSeedSurvivesKills(t *testing.T) {
	kills := 10
	if text := os.Getenv(crashKills); text != "" {
		_, err := fmt.Sscan(text, &kills)
		require.NoError(t, err)
	}
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		// A seed takes two to four seconds here: many kills need many seeds.
		for left := kills; left > 0; {
			left -= crashOneSeed(t, flavor, min(left, 20))
		}
	})
}

// crashOneSeed makes one seed, which continues after each of at most so many kills.
func crashOneSeed(t *testing.T, flavor servertest.Flavor, kills int) (done int) {
	pair, source, target := replicationtest.Start(t, flavor)
	defer source.Kill()
	defer target.Kill()
	replicationtest.MakeTCPLogin(source, target)
	replicationtest.MakeLoadSchema(source)
	replicationtest.MakeBigTable(source)
	makeCrashTables(source)
	stop := crashLoad(t, source)
	crash := crasher{
		t: t, servers: []*servertest.Instance{source, target}, links: []*breaker{newBreaker(t, source.Addr()), newBreaker(t, target.Addr())},
		random: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1)),
	}
	finished := false
	for ; done < kills && !finished; done++ {
		finished = crash.once(done)
	}
	if !finished {
		require.NoError(t, StepWith(pair, Options{}).Op.Apply(t.Context()))
	}
	require.NoError(t, Step(pair).Op.Verify(t.Context()))
	if flavor == servertest.MySQL {
		require.Equal(t, "1", extends(target))
	}
	replicationtest.Replicate(t, flavor, source, target)
	writes := stop()
	require.Positive(t, writes)
	replicationtest.Settle(t, pair.Source, pair.Target)
	require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"), "%d writes", writes)
	return done
}

// crasher kills parts of a running seed.
type crasher struct {
	t       *testing.T
	servers []*servertest.Instance
	links   []*breaker
	random  *rand.Rand
}

// once runs the seed in a process of its own until it ends or something is killed.
func (c *crasher) once(n int) (finished bool) {
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := replicationtest.SeedProcess(ctx, "TestSeedToBeKilled", c.links[0].address(), c.links[1].address())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(c.t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	after := time.NewTimer(time.Duration(c.random.Int64N(int64(2200 * time.Millisecond))))
	defer after.Stop()
	select {
	case err := <-ended:
		require.NoError(c.t, err, out.String())
		return true
	case <-after.C:
	}
	side, what := c.random.IntN(2), "the seed"
	switch n % 5 { // of five kills, three are of the seed itself
	case 1:
		what = fmt.Sprintf("server %d", side)
		c.servers[side].Kill()
		c.servers[side].Restart()
	case 3:
		what = fmt.Sprintf("connections to server %d", side)
		c.links[side].cut()
	default:
		require.NoError(c.t, cmd.Process.Kill())
	}
	err := <-ended
	require.NoError(c.t, ctx.Err(), "the seed hangs: %s", out.String())
	c.t.Logf("ended %s; the seed: %v", what, err)
	return err == nil
}

// breaker forwards connections and can cut them.
type breaker struct {
	listener net.Listener
	mu       sync.Mutex
	open     []net.Conn
}

func newBreaker(t *testing.T, to string) *breaker {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b := &breaker{listener: listener}
	t.Cleanup(func() { _ = listener.Close(); b.cut() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			b.mu.Lock()
			b.open = append(b.open, in, out)
			b.mu.Unlock()
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1]) // ends with either
					_, _ = in.Close(), out.Close()
				}()
			}
		}
	}()
	return b
}

func (b *breaker) address() string { return b.listener.Addr().String() }

func (b *breaker) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, conn := range b.open {
		_ = conn.Close()
	}
	b.open = nil
}

// crashSmallTables is the number of tables that are copied together.
const crashSmallTables = 40

func makeCrashTables(s *servertest.Instance) {
	s.Exec("CREATE TABLE load1.parent (id INT PRIMARY KEY, code INT NOT NULL UNIQUE)",
		`CREATE TABLE load1.child (id VARCHAR(20) PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES load1.parent (id) ON DELETE CASCADE ON UPDATE SET NULL)`,
		"CREATE TABLE load1.pairs (a INT, b VARCHAR(10), n DOUBLE, UNIQUE KEY n (n), PRIMARY KEY (a, b))")
	for i := range crashSmallTables {
		s.Exec(fmt.Sprintf("CREATE TABLE load1.few%d (id INT PRIMARY KEY, v INT)", i), fmt.Sprintf("INSERT INTO load1.few%d VALUES (1, 1), (2, 2), (3, 3)", i))
	}
	for i := range 500 {
		s.Exec(fmt.Sprintf("INSERT INTO load1.parent VALUES (%d, %d)", i, i), fmt.Sprintf("INSERT INTO load1.child VALUES ('Key %d', %d)", i, i))
	}
}

// crashLoad is Load and writes that are hard to follow: keys that move, unique values that
// change hands, foreign keys that act.
func crashLoad(t *testing.T, s *servertest.Instance) (stop func() int64) {
	stopLoad := replicationtest.Load(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		random := rand.New(rand.NewPCG(9, 9))
		for n := 0; ctx.Err() == nil; n++ {
			i, j := random.IntN(500), random.IntN(20000)
			for _, statement := range []string{
				fmt.Sprintf("DELETE FROM load1.parent WHERE id = %d", i),
				fmt.Sprintf("INSERT IGNORE INTO load1.parent VALUES (%d, %d)", i, 1000+n),
				fmt.Sprintf("INSERT IGNORE INTO load1.child VALUES ('key %d', %d)", i, i),
				fmt.Sprintf("UPDATE IGNORE load1.parent SET id = %d WHERE id = %d", random.IntN(500), random.IntN(500)),
				fmt.Sprintf("UPDATE IGNORE load1.big SET id = %d WHERE id = %d", 20000+j, j),
				fmt.Sprintf("UPDATE load1.big SET v = '%d' WHERE id = %d", n, random.IntN(20000)),
				fmt.Sprintf("INSERT IGNORE INTO load1.pairs VALUES (%d, 'x%d', %d)", i, j, n),
				fmt.Sprintf("UPDATE IGNORE load1.pairs SET b = UPPER(b), a = %d WHERE n = %d", j, random.IntN(n+1)),
				fmt.Sprintf("REPLACE INTO load1.pairs VALUES (%d, 'r', %d)", i, random.IntN(n+1)),
				fmt.Sprintf("REPLACE INTO load1.few%d VALUES (%d, %d)", i%crashSmallTables, random.IntN(4), n),
				fmt.Sprintf("DELETE FROM load1.few%d WHERE id = %d", j%crashSmallTables, random.IntN(4)),
			} {
				_, _ = s.Root().ExecContext(ctx, statement) // some are meant to fail
			}
		}
	}()
	return func() int64 { cancel(); <-done; return stopLoad() }
}
