package replication

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/servertest"
)

const (
	crashSockets = "MIGRATE_TEST_SEED_SOCKETS" // source,target: this process is a seed to be killed
	crashKills   = "MIGRATE_TEST_SEED_KILLS"
)

// TestSeedToBeKilled is not a test: it is the process that
// TestSeedSurvivesKills starts and kills.
func TestSeedToBeKilled(t *testing.T) {
	sockets := strings.Split(os.Getenv(crashSockets), ",")
	if len(sockets) != 2 {
		t.Skip("only runs inside TestSeedSurvivesKills")
	}
	pair := Pair{Name: "main"}
	for i, s := range []**Server{&pair.Source, &pair.Target} {
		side := []Side{Source, Target}[i]
		*s = NewServer(ServerConfig{Name: string(side), Side: side, Network: "unix", Address: sockets[i], User: "root"})
	}
	require.NoError(t, SeedWith(pair, SeedOptions{BytesPerSecond: 6 << 20}).Op.Apply(t.Context()))
}

// TestSeedSurvivesKills kills the seed with SIGKILL at random moments while
// the source is written to, lets it go on each time, and compares all rows in the end.
func TestSeedSurvivesKills(t *testing.T) {
	kills := 5
	if text := os.Getenv(crashKills); text != "" {
		_, err := fmt.Sscan(text, &kills)
		require.NoError(t, err)
	}
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := startPair(t, flavor)
		makeLoadSchema(source)
		makeBig(source)
		makeCrashTables(source)
		stop := crashLoad(t, source)
		random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
		finished := false
		for n := 0; n < kills && !finished; n++ {
			after := time.Duration(random.Int64N(int64(2200 * time.Millisecond)))
			finished = seedAndKill(t, source, target, after)
			t.Logf("killed after %s, finished %v", after, finished)
		}
		if !finished {
			require.NoError(t, SeedWith(pair, SeedOptions{}).Op.Apply(t.Context()))
		}
		require.NoError(t, Seed(pair).Op.Verify(t.Context()))
		replicate(t, flavor, source, target)
		writes := stop()
		require.Positive(t, writes)
		catchUp(t, pair)
		require.Equal(t, checksums(t, source, "load1"), checksums(t, target, "load1"), "%d writes", writes)
	})
}

// seedAndKill runs the seed in a process of its own and kills it after a while.
func seedAndKill(t *testing.T, source, target *servertest.Instance, after time.Duration) (finished bool) {
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestSeedToBeKilled$", "-test.count=1")
	cmd.Env = append(os.Environ(), crashSockets+"="+source.Socket+","+target.Socket)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return false
	}
	require.NoError(t, err, string(out))
	return true
}

func makeCrashTables(s *servertest.Instance) {
	s.Exec("CREATE TABLE load1.parent (id INT PRIMARY KEY, code INT NOT NULL UNIQUE)",
		`CREATE TABLE load1.child (id VARCHAR(20) PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES load1.parent (id) ON DELETE CASCADE ON UPDATE SET NULL)`,
		"CREATE TABLE load1.pairs (a INT, b VARCHAR(10), n DOUBLE, UNIQUE KEY n (n), PRIMARY KEY (a, b))")
	for i := range 500 {
		s.Exec(fmt.Sprintf("INSERT INTO load1.parent VALUES (%d, %d)", i, i), fmt.Sprintf("INSERT INTO load1.child VALUES ('Key %d', %d)", i, i))
	}
}

// crashLoad is load, and writes that are hard to follow: keys that move, unique
// values that change hands, foreign keys that act.
func crashLoad(t *testing.T, s *servertest.Instance) (stop func() int64) {
	stopLoad := load(t, s)
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
			} {
				_, _ = s.Root().ExecContext(ctx, statement) // some are to fail
			}
		}
	}()
	return func() int64 { cancel(); <-done; return stopLoad() }
}
