package replicationtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/servertest"
)

// megabytesVariable is the environment variable that sets the size of the bench's tables, in MB.
const megabytesVariable = "MIGRATE_BENCH_MB"

// MakeBenchTables makes the schema "bench" of about 200 MB, or of as many MB as
// MIGRATE_BENCH_MB says: one table with half of the bytes and forty with the rest,
// which is the shape of a site of blogs.
func MakeBenchTables(b *testing.B, s *servertest.Instance) {
	b.Helper()
	megabytes := 200
	if text := os.Getenv(megabytesVariable); text != "" {
		var err error
		megabytes, err = strconv.Atoi(text)
		require.NoError(b, err)
	}
	definition := ` (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, author INT NOT NULL, made DATETIME NOT NULL, title VARCHAR(200) NOT NULL,
		body TEXT NOT NULL, score DOUBLE, status VARCHAR(20) NOT NULL, KEY author (author, made), KEY title (title(40)), KEY status (status))`
	s.Exec("CREATE DATABASE bench CHARACTER SET utf8mb4", "CREATE TABLE bench.base"+definition)
	var values []string
	for i := range 1000 {
		values = append(values, fmt.Sprintf("(%d, '2020-01-01 00:00:00' + INTERVAL %d MINUTE, 'Title %d of the bench', '%s', %d.25, '%s')",
			i%97, i*i%500000, i*7919%1000, strings.Repeat(fmt.Sprintf("Some text %d with \\'quotes\\' and more. ", i), 10+i%10), i, []string{"draft", "public"}[i%2]))
	}
	const columns = "author, made, title, body, score, status"
	s.Exec("INSERT INTO bench.base (" + columns + ") VALUES " + strings.Join(values, ","))
	fill := func(table string, rounds int) {
		s.Exec("CREATE TABLE bench." + table + definition)
		for range rounds {
			s.Exec("INSERT INTO bench." + table + " (" + columns + ") SELECT author + RAND() * 1000, made, title, body, score, status FROM bench.base")
		}
	}
	fill("large", megabytes/2*10/7)
	for i := range 40 {
		fill(fmt.Sprintf("small%d", i), max(megabytes/80*10/7, 1))
	}
}

// Median is the middle one of the durations, and 0 if there are none.
func Median(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// Shell runs a script with bash, which stops at the first command that fails. Its
// output is part of the error.
func Shell(b *testing.B, script string) error {
	b.Helper()
	out, err := exec.CommandContext(b.Context(), "bash", "-euo", "pipefail", "-c", script).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}
