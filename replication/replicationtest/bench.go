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

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// benchMegabytes is about how much the bench copies.
const benchMegabytes = "MIGRATE_BENCH_MB"

// MakeBench makes one table with half of the bytes, and forty with the rest,
// the shape of a site of blogs.
func MakeBench(b *testing.B, s *servertest.Instance) {
	megabytes := 200
	if text := os.Getenv(benchMegabytes); text != "" {
		var err error
		megabytes, err = strconv.Atoi(text)
		require.NoError(b, err)
	}
	shape := ` (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, author INT NOT NULL, made DATETIME NOT NULL, title VARCHAR(200) NOT NULL,
		body TEXT NOT NULL, score DOUBLE, status VARCHAR(20) NOT NULL, KEY author (author, made), KEY title (title(40)), KEY status (status))`
	s.Exec("CREATE DATABASE bench CHARACTER SET utf8mb4", "CREATE TABLE bench.base"+shape)
	var values []string
	for i := range 1000 {
		values = append(values, fmt.Sprintf("(%d, '2020-01-01 00:00:00' + INTERVAL %d MINUTE, 'Title %d of the bench', '%s', %d.25, '%s')",
			i%97, i*i%500000, i*7919%1000, strings.Repeat(fmt.Sprintf("Some text %d with \\'quotes\\' and more. ", i), 10+i%10), i, []string{"draft", "public"}[i%2]))
	}
	const columns = "author, made, title, body, score, status"
	s.Exec("INSERT INTO bench.base (" + columns + ") VALUES " + strings.Join(values, ","))
	fill := func(table string, rounds int) {
		s.Exec("CREATE TABLE bench." + table + shape)
		for range rounds {
			s.Exec("INSERT INTO bench." + table + " (" + columns + ") SELECT author + RAND() * 1000, made, title, body, score, status FROM bench.base")
		}
	}
	fill("large", megabytes/2*10/7)
	for i := range 40 {
		fill(fmt.Sprintf("small%d", i), max(megabytes/80*10/7, 1))
	}
}

// MedianOf is 0 for none.
func MedianOf(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// BenchServer is the server of an instance without a host, for a benchmark.
func BenchServer(b *testing.B, side replication.Side, s *servertest.Instance) *replication.Server {
	out := replication.NewServer(replication.ServerConfig{Name: string(side), Side: side, Network: "unix", Address: s.Socket, User: "root"})
	b.Cleanup(func() { _ = out.Close() })
	return out
}

// Shell runs a script with sh; its output is part of the error.
func Shell(b *testing.B, script string) error {
	out, err := exec.CommandContext(b.Context(), "bash", "-euo", "pipefail", "-c", script).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}
