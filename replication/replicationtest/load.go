package replicationtest

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/wait"
)

// MakeLoadSchema makes the schema load1, which Load writes to: a table with 5000
// rows, one with an upserted counter, and one without a key.
func MakeLoadSchema(s *servertest.Instance) {
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

// MakeBigTable makes load1.big of about 16 MB, so that a copy of it takes a while.
// It needs the schema of MakeLoadSchema.
func MakeBigTable(s *servertest.Instance) {
	var values []string
	for range 4000 {
		values = append(values, "('"+strings.Repeat("y", 1000)+"')")
	}
	s.Exec("CREATE TABLE load1.big (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(1000))",
		"INSERT INTO load1.big (v) VALUES "+strings.Join(values, ","), "INSERT INTO load1.big (v) SELECT v FROM load1.big",
		"INSERT INTO load1.big (v) SELECT v FROM load1.big")
}

// Load writes to the schema of MakeLoadSchema with four writers: inserts, updates,
// deletes, each transaction over several tables. stop ends and awaits the writers
// and returns the number of transactions that were committed.
func Load(t *testing.T, s *servertest.Instance) (stop func() int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	var commits atomic.Int64
	for writer := range 4 {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(writer)))
			for ctx.Err() == nil {
				if err := writeOnce(ctx, s.Root(), random); err == nil {
					commits.Add(1)
				} else {
					_ = wait.For(ctx, 5*time.Millisecond) // the server may be down
				}
			}
		})
	}
	return sync.OnceValue(func() int64 { cancel(); writers.Wait(); return commits.Load() })
}

// writeOnce commits one transaction of Load.
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
