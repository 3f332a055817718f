package enemy

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/servertest"
)

const (
	seedVariable   = "MIGRATE_ENEMY_SEED"   // the number of the first round; "random" draws it
	roundsVariable = "MIGRATE_ENEMY_ROUNDS" // on each flavor
	keepVariable   = "MIGRATE_ENEMY_KEEP"   // anything keeps the statements of rounds that are clean, too
)

// TestEnemy moves random schemas under random traffic.
func TestEnemy(t *testing.T) { // I1, I2
	first, rounds := uint64(1), uint64(10)
	if text := os.Getenv(seedVariable); text == "random" {
		first = uint64(time.Now().UnixNano()) % 1e9
	} else if text != "" {
		var err error
		first, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
		rounds = 1
	}
	if text := os.Getenv(roundsVariable); text != "" {
		var err error
		rounds, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		a := newArena(t, flavor)
		var refused, kills, unrefused, seedsCompared int
		for n := range rounds {
			began := time.Now()
			r := a.newRound(first + n)
			defer r.close()
			r.run()
			r.close()
			if os.Getenv(keepVariable) != "" {
				t.Logf("statements: %s", r.log.keep(r.seed))
			}
			t.Logf("%s: round %d of %d (seed %d): %d statements, %d acknowledged writes, %d kills, refused: %v, %.1fs", flavor, n+1, rounds, r.seed, len(r.log.lines), r.acknowledged,
				r.kills, slices.Sorted(maps.Keys(r.refused)), time.Since(began).Seconds())
			kills += r.kills
			seedsCompared += r.seedsCompared
			refused += len(r.refused)
			if len(r.refused) == 0 {
				unrefused++
			}
		}
		require.GreaterOrEqual(t, 2*unrefused, int(rounds), "most rounds go through without a refusal")
		t.Logf("%s: %d rounds, %d kills, %d seeds compared right after they had ended, %d kinds of refusals that were legitimate", flavor, rounds, kills, seedsCompared, refused)
	})
}
