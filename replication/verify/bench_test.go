package verify

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
	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/table"
)

// BenchmarkVerify compares the same data on the same two servers in turn by verify, by
// the bare SQL of its hashes on both servers at once, and by pt-table-checksum. Figures
// are medians.
func BenchmarkVerify(b *testing.B) {
	for _, flavor := range servertest.Flavors() {
		b.Run(string(flavor), func(b *testing.B) {
			options := []servertest.Option{servertest.Set("innodb_buffer_pool_size", "512M")}
			source, target := servertest.StartTwo(b, flavor, options...)
			replicationtest.MakeBenchTables(b, source)
			pair := replication.Pair{Name: "main", Schemas: []string{"bench"}, Source: replicationtest.Server(b, source, replication.Source, remote.NewLocal("source")), Target: replicationtest.Server(b, target, replication.Target, remote.NewLocal("target"))}
			require.NoError(b, seed.Step(pair).Op.Apply(b.Context()))
			require.NoError(b, link.Start(pair.Source, pair.Target).Op.Apply(b.Context()))
			work := bareWork(b, pair)
			tools := []struct {
				name string
				run  func() error
			}{
				{"verify", func() error {
					report, err := Run(b.Context(), pair, Options{})
					require.True(b, report.Clean(), "%v", report.Differences)
					return err
				}},
				{"bare", func() error { return bareHash(b, pair, work) }},
				{"pt-table-checksum", func() error { return replicationtest.Shell(b, checksumScript(b, source, target)) }},
			}
			took, processor := map[string][]time.Duration{}, map[string][]time.Duration{}
			for b.Loop() {
				for _, tool := range tools {
					began, worked := time.Now(), workedNow(b, source)+workedNow(b, target)
					if err := tool.run(); err != nil {
						b.Logf("%s %s absent: %.300s", flavor, tool.name, err)
						continue
					}
					took[tool.name] = append(took[tool.name], time.Since(began))
					worked = workedNow(b, source) + workedNow(b, target) - worked
					processor[tool.name] = append(processor[tool.name], worked)
					b.Logf("%s %s %s, the servers worked %s", flavor, tool.name, time.Since(began).Round(10*time.Millisecond), worked)
				}
			}
			for _, tool := range tools {
				if list := took[tool.name]; len(list) > 0 {
					slices.Sort(list)
					b.ReportMetric(list[len(list)/2].Seconds(), tool.name+"-s")
					slices.Sort(processor[tool.name])
					b.ReportMetric(processor[tool.name][len(list)/2].Seconds(), tool.name+"-processor-s")
				}
			}
		})
	}
}

// workedNow is the processor time that a server has used.
func workedNow(b *testing.B, s *servertest.Instance) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.Pid()))
	require.NoError(b, err)
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')'):]))
	var ticks time.Duration
	for _, field := range fields[12:14] { // utime and stime, in hundredths of a second
		n, err := strconv.Atoi(field)
		require.NoError(b, err)
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond
}

// bareChunk is a chunk of a table whose bounds are known.
type bareChunk struct {
	table     *tableShape
	condition string
}

// bareWork cuts the tables into chunks of 32 MB.
func bareWork(b *testing.B, pair replication.Pair) []bareChunk {
	tables, err := allShapes(b.Context(), pair.Source, "bench")
	require.NoError(b, err)
	v := newVerifier(pair, Options{})
	w, err := v.openConn(b.Context(), pair.Source)
	require.NoError(b, err)
	defer w.Close()
	var out []bareChunk
	dialect, err := pair.Source.Dialect(b.Context())
	require.NoError(b, err)
	for _, t := range tables {
		t.crc32c = dialect.HasCRC32C()
		for lower := table.Key(nil); ; {
			upper, err := w.key(b.Context(), t, lower, nil, 4*t.firstChunk())
			require.NoError(b, err)
			out = append(out, bareChunk{t, table.Within(t.keyCols, lower, upper)})
			if lower = upper; upper == nil {
				break
			}
		}
	}
	return out
}

// bareHash runs the hashes' SQL on both servers at once, on two kept connections each.
func bareHash(b *testing.B, pair replication.Pair, work []bareChunk) error {
	var group errgroup.Group
	v := newVerifier(pair, Options{})
	for _, s := range []*replication.Server{pair.Source, pair.Target} {
		queue := make(chan bareChunk, len(work))
		for _, chunk := range work {
			queue <- chunk
		}
		close(queue)
		for range v.opts.Parallel {
			group.Go(func() error {
				w, err := v.openConn(b.Context(), s)
				if err != nil {
					return err
				}
				defer w.Close()
				for chunk := range queue {
					if _, err := w.hash(b.Context(), chunk.table, chunk.condition); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	return group.Wait()
}

// checksumScript compares by pt-table-checksum with its defaults. Its exit status is 16 if
// the sides differ.
func checksumScript(b *testing.B, source, target *servertest.Instance) string {
	if _, err := exec.LookPath("pt-table-checksum"); err != nil {
		return "echo not installed; exit 1"
	}
	source.Exec("CREATE DATABASE IF NOT EXISTS percona", "CREATE TABLE IF NOT EXISTS percona.dsns (id INT PRIMARY KEY, parent_id INT, dsn VARCHAR(255) NOT NULL)",
		fmt.Sprintf("REPLACE INTO percona.dsns VALUES (1, NULL, 'S=%s,u=root')", target.Socket))
	return fmt.Sprintf("pt-table-checksum S=%s,u=root --databases bench --no-check-binlog-format --no-version-check --recursion-method dsn=S=%[1]s,u=root,D=percona,t=dsns --quiet", source.Socket)
}
