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

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/wait"
)

// MakeBig makes load1.big with about 16 MB, so that a copy of it takes a while.
func MakeBig(s *servertest.Instance) {
	var values []string
	for range 4000 {
		values = append(values, "('"+strings.Repeat("y", 1000)+"')")
	}
	s.Exec("CREATE TABLE load1.big (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(1000))",
		"INSERT INTO load1.big (v) VALUES "+strings.Join(values, ","), "INSERT INTO load1.big (v) SELECT v FROM load1.big",
		"INSERT INTO load1.big (v) SELECT v FROM load1.big")
}

// MakeBlogs makes databases as a host of blogs has them: twelve tables each, a few rows in every one.
func MakeBlogs(s *servertest.Instance, blogs int) {
	for i := range blogs {
		statements := []string{fmt.Sprintf("CREATE DATABASE blog%d", i)}
		for j := range 12 {
			statements = append(statements, BlogTable(fmt.Sprintf("blog%d.wp_%d", i, j))...)
		}
		s.Exec(statements...)
	}
}

// BlogTable lists the statements that create and fill one table of a blog.
func BlogTable(table string) []string {
	return []string{
		"CREATE TABLE " + table + ` (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, post BIGINT NOT NULL DEFAULT 0,
			name VARCHAR(191), value LONGTEXT, KEY post (post), KEY name (name))`,
		"INSERT INTO " + table + " (post, name, value) VALUES (1, 'a', 'x'), (2, 'b', REPEAT('y', 200)), (3, 'c', NULL)",
	}
}

// Replicate starts the server's own replication with plain statements.
func Replicate(t *testing.T, flavor servertest.Flavor, from, to *servertest.Instance) {
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

// Load writes to schema s with four writers until stop is called: rows, updates of
// keys, deletes, transactions over several tables.
func Load(t *testing.T, s *servertest.Instance) (stop func() int64) {
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

// MakeLoadSchema creates the schema load1 that Load writes to, with 5000 rows.
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

// Sampled looks at the transactions of the logins of a seed, and at the history
// list, until its result is called: the oldest in seconds, and the longest.
func Sampled(t *testing.T, s *servertest.Instance) func() (oldest, history int64) {
	ctx, cancel := context.WithCancel(t.Context())
	type most struct{ oldest, history int64 }
	out := make(chan most, 1)
	go func() {
		var m most
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			r, ok, err := query.One(ctx, s.Root(), `SELECT
				(SELECT COALESCE(MAX(TIMESTAMPDIFF(SECOND, trx_started, NOW())), 0) FROM information_schema.INNODB_TRX
					JOIN information_schema.PROCESSLIST ON ID = trx_mysql_thread_id WHERE USER = 'seeder') AS oldest,
				(SELECT `+"`COUNT`"+` FROM information_schema.INNODB_METRICS WHERE NAME = 'trx_rseg_history_len') AS history`)
			if err == nil && ok {
				m.oldest, m.history = max(m.oldest, table.Estimate(r["oldest"])), max(m.history, table.Estimate(r["history"]))
			}
			select {
			case <-ctx.Done():
				out <- m
				return
			case <-tick.C:
			}
		}
	}()
	return func() (int64, int64) { cancel(); m := <-out; return m.oldest, m.history }
}
