package replication

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/wait"
)

// replicate starts the server's own replication with plain statements.
func replicate(t *testing.T, flavor servertest.Flavor, from, to *servertest.Instance) {
	from.Exec("CREATE USER IF NOT EXISTS 'migrate_test'@'%' IDENTIFIED BY 'pw'",
		"GRANT REPLICATION SLAVE ON *.* TO 'migrate_test'@'%'")
	port := fmt.Sprint(from.Port)
	if flavor == servertest.MariaDB {
		to.Exec("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT="+port+
			", MASTER_USER='migrate_test', MASTER_PASSWORD='pw', MASTER_USE_GTID=slave_pos", "START SLAVE")
		return
	}
	to.Exec("CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT="+port+
		", SOURCE_USER='migrate_test', SOURCE_PASSWORD='pw', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1", "START REPLICA")
}

// checksums asks a server for CHECKSUM TABLE of every base table of a schema: the server's own hash, not ours.
func checksums(t *testing.T, s *servertest.Instance, schema string) map[string]string {
	rows, err := s.Root().Query("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA=? AND TABLE_TYPE='BASE TABLE'", schema)
	require.NoError(t, err)
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		r, ok, err := queryRecord(t.Context(), s.Root(), "CHECKSUM TABLE "+QuoteTable(schema, name))
		require.NoError(t, err)
		require.True(t, ok)
		out[name] = r["Checksum"]
	}
	require.NoError(t, rows.Err())
	return out
}

// rowsOf reads a table by the binary protocol: floats by their bits.
func rowsOf(t *testing.T, db *sql.DB, query string) []string {
	statement, err := db.Prepare(query)
	require.NoError(t, err)
	defer statement.Close()
	rows, err := statement.Query()
	require.NoError(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var out []string
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, rows.Scan(into...))
		var line []string
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				v = fmt.Sprintf("%x", b)
			}
			line = append(line, fmt.Sprintf("%s=%T:%v", columns[i], v, v))
		}
		out = append(out, strings.Join(line, " "))
	}
	require.NoError(t, rows.Err())
	return out
}

// load writes to schema s with four writers until stop is called: rows, updates of
// keys, deletes, transactions over several tables.
func load(t *testing.T, s *servertest.Instance) (stop func() int64) {
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	var writes atomic.Int64
	for writer := range 4 {
		done.Add(1)
		go func() {
			defer done.Done()
			random := rand.New(rand.NewPCG(7, uint64(writer)))
			for ctx.Err() == nil {
				if err := writeOnce(ctx, s.Root(), random); err == nil {
					writes.Add(1)
				} else {
					_ = wait.For(ctx, 5*time.Millisecond) // the server may be down
				}
			}
		}()
	}
	return sync.OnceValue(func() int64 { cancel(); done.Wait(); return writes.Load() })
}

func writeOnce(ctx context.Context, db *sql.DB, random *rand.Rand) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	id := random.IntN(3000)
	for _, statement := range []string{
		fmt.Sprintf("INSERT INTO load1.posts (title, score) VALUES ('post %d', %g)", id, random.Float64()),
		fmt.Sprintf("UPDATE load1.posts SET score = score + 0.1 WHERE id = %d", id),
		fmt.Sprintf("INSERT INTO load1.counters VALUES (%d, 1) ON DUPLICATE KEY UPDATE n = n + 1", id%50),
		fmt.Sprintf("INSERT INTO load1.nokey VALUES (%d, 'x')", id),
		fmt.Sprintf("DELETE FROM load1.posts WHERE id = %d", random.IntN(3000)),
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func makeLoadSchema(s *servertest.Instance) {
	s.Exec("CREATE DATABASE load1 CHARACTER SET utf8mb4",
		"CREATE TABLE load1.posts (id INT PRIMARY KEY AUTO_INCREMENT, title VARCHAR(100), score DOUBLE, KEY(title))",
		"CREATE TABLE load1.counters (k INT PRIMARY KEY, n BIGINT NOT NULL)",
		"CREATE TABLE load1.nokey (a INT, b VARCHAR(10))")
	var values []string
	for i := range 5000 {
		values = append(values, fmt.Sprintf("('start %d %s', %d)", i, strings.Repeat("x", 60), i))
	}
	s.Exec("INSERT INTO load1.posts (title, score) VALUES " + strings.Join(values, ","))
}

func TestSeedUnderLoadThenLinkLosesNothing(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := startPair(t, flavor)
		makeLoadSchema(source)
		for round := range 3 {
			stop := load(t, source)
			t.Cleanup(func() { stop() })
			step := Seed(pair)
			require.NoError(t, step.Op.Apply(t.Context()))
			require.NoError(t, step.Op.Verify(t.Context()))
			replicate(t, flavor, source, target)
			writes := stop()
			require.Positive(t, writes)
			settle(t, pair.Source, pair.Target)
			require.Equal(t, checksums(t, source, "load1"), checksums(t, target, "load1"), "round %d, %d writes", round, writes)
			if flavor == servertest.MariaDB {
				target.Exec("STOP SLAVE", "RESET SLAVE ALL")
			} else {
				target.Exec("STOP REPLICA", "RESET REPLICA ALL")
			}
			require.NoError(t, step.Op.Undo(t.Context(), json.RawMessage(`{}`)))
		}
	})
}

func TestSeedExercise(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := startPair(t, flavor)
		makeLoadSchema(source)
		source.Exec("CREATE USER app@'%' IDENTIFIED BY 'secret'", "GRANT ALL ON load1.* TO app@'%'")
		fence := "read_only"
		if flavor == servertest.MySQL {
			fence = "super_read_only"
		}
		target.Exec("SET GLOBAL " + fence + " = 1")
		plantest.Exercise(t, Seed(pair))
		require.Equal(t, "1", target.Value("SELECT @@GLOBAL."+fence), "the target stays fenced")
		require.Equal(t, checksums(t, source, "load1"), checksums(t, target, "load1"))

		login := target.Open("app", "secret", "tcp")
		defer login.Close()
		require.NoError(t, login.Ping(), "the application logs in with its password")
		_, err := login.Exec("DELETE FROM load1.posts")
		require.Error(t, err, "and cannot write")
	})
}

// peakOf measures the most heap that is in use until the function is called that it returns.
func peakOf(t *testing.T, every time.Duration) func() uint64 {
	runtime.GC()
	ctx, cancel := context.WithCancel(t.Context())
	sampled := make(chan uint64)
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		var most uint64
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
			select {
			case <-ctx.Done():
				sampled <- most
				return
			case <-tick.C:
			}
		}
	}()
	return func() uint64 { cancel(); return <-sampled }
}

func TestSeedStreamsInLittleMemory(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := startPair(t, flavor)
		source.Exec("CREATE DATABASE big", "CREATE TABLE big.t (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(500), b LONGBLOB)",
			"INSERT INTO big.t (a, b) VALUES (REPEAT('a', 500), REPEAT('\\0', 1000)), (REPEAT('b', 500), NULL)")
		for range 15 {
			source.Exec("INSERT INTO big.t (a, b) SELECT a, b FROM big.t")
		}
		peak := peakOf(t, 5*time.Millisecond)
		began := time.Now()
		require.NoError(t, Seed(pair).Op.Apply(t.Context()))
		most := peak()
		t.Logf("seeded 65536 rows, about 67 MB, in %s; peak heap %d MiB", time.Since(began), most>>20)
		require.Less(t, most, uint64(40<<20))
		require.Equal(t, checksums(t, source, "big"), checksums(t, target, "big"))
	})
}
