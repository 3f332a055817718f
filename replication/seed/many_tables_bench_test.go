package seed

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/verify"
)

// Settings of BenchmarkSeedManyTables: the number of blogs of twelve tables, and the round
// trip to the source.
const (
	benchBlogs     = "MIGRATE_BENCH_BLOGS"
	benchRoundTrip = "MIGRATE_BENCH_RTT"   // a duration
	benchCrowd     = "MIGRATE_BENCH_CROWD" // of BenchmarkMemoryOfTables: tables of one schema, in place of blogs
)

// benchSetting reads a setting of a benchmark from the environment.
func benchSetting[T any](b *testing.B, name string, usual T, parse func(string) (T, error)) T {
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	value, err := parse(text)
	require.NoError(b, err, name)
	return value
}

// makeCrowd makes one database with all blogs' tables.
func makeCrowd(s *servertest.Instance, tables int) {
	statements := []string{"CREATE DATABASE crowd"}
	for i := range tables {
		statements = append(statements, replicationtest.BlogTable(fmt.Sprintf("crowd.wp_%d_%d", i/12, i%12))...)
	}
	s.Exec(statements...)
}

// far relays to address with the given round trip.
func far(b *testing.B, address string, roundTrip time.Duration) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	b.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			away, err := net.Dial("tcp", address)
			if err != nil {
				_ = near.Close()
				continue
			}
			go late(near, away, roundTrip/2)
			go late(away, near, roundTrip/2)
		}
	}()
	return listener.Addr().String()
}

// late relays what arrives, each piece after a delay.
func late(to, from net.Conn, after time.Duration) {
	type piece struct {
		due  time.Time
		data []byte
	}
	pieces := make(chan piece, 1000)
	go func() {
		defer close(pieces)
		for {
			data := make([]byte, 64<<10)
			n, err := from.Read(data)
			if n > 0 {
				pieces <- piece{time.Now().Add(after), data[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		<-time.After(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			_ = from.Close()
			_, _ = io.Copy(io.Discard, from)
			for range pieces { //nolint:revive // unblock its reader
			}
			break
		}
	}
	_ = to.Close()
}

// BenchmarkSeedManyTables seeds many small tables from a near and from a far source: what
// a table costs, whatever it holds. mydumper and myloader do the same, in turn. Figures
// are medians in milliseconds a table.
func BenchmarkSeedManyTables(b *testing.B) {
	blogs := benchSetting(b, benchBlogs, 100, strconv.Atoi)
	roundTrip := benchSetting(b, benchRoundTrip, 20*time.Millisecond, time.ParseDuration)
	for _, flavor := range servertest.Flavors() {
		b.Run(string(flavor), func(b *testing.B) {
			source, target := servertest.Start(b, flavor), servertest.Start(b, flavor)
			replicationtest.MakeTCPLogin(source, target)
			replicationtest.MakeBlogs(source, blogs)
			took := map[string][]time.Duration{}
			sources := []struct{ name, address string }{{"near", source.Addr()}, {"far", far(b, source.Addr(), roundTrip)}}
			for b.Loop() {
				for _, from := range sources {
					for _, tool := range []string{"seed", "mydumper"} {
						spent, err := manyTables(b, tool, from.address, source, target, blogs)
						if err != nil {
							b.Logf("%s %s %s absent: %.300v", flavor, from.name, tool, err)
							continue
						}
						b.Logf("%s %s %s: %s", flavor, from.name, tool, spent)
						took[tool+"-"+from.name] = append(took[tool+"-"+from.name], spent)
					}
				}
			}
			for name, list := range took {
				b.ReportMetric(replicationtest.Median(list).Seconds()*1000/float64(blogs*12), name+"-ms")
			}
		})
	}
}

// manyTables has a tool copy the blogs, and removes the copy.
func manyTables(b *testing.B, tool, address string, source, target *servertest.Instance, blogs int) (time.Duration, error) {
	began := time.Now()
	if tool == "mydumper" {
		host, port, err := net.SplitHostPort(address)
		require.NoError(b, err)
		dir := b.TempDir()
		err = replicationtest.Shell(b, fmt.Sprintf(`mydumper -h %s -P %s -u migrate_crash -p pw --regex '^blog' -t 4 --trx-consistency-only -G -E -R -o %[3]s/d
			myloader -S %[4]s -u root -t 4 -q 20 -d %[3]s/d`, host, port, dir, target.Socket))
		spent := time.Since(began)
		for i := range blogs {
			target.Exec(fmt.Sprintf("DROP DATABASE IF EXISTS blog%d", i))
		}
		return spent, err
	}
	pair := replicationtest.TCPPair(b, address, target.Addr())
	err := Step(pair).Op.Apply(b.Context())
	spent := time.Since(began)
	replicationtest.WhileFenced(target, func() { require.NoError(b, Step(pair).Op.Undo(b.Context(), json.RawMessage(`{}`))) })
	return spent, err
}

// BenchmarkMemoryOfTables reports the peak resident memory of a seed of many small tables,
// and of a verify of them, in a process of their own.
func BenchmarkMemoryOfTables(b *testing.B) {
	blogs, crowd := benchSetting(b, benchBlogs, 500, strconv.Atoi), benchSetting(b, benchCrowd, 0, strconv.Atoi)
	for _, flavor := range servertest.Flavors() {
		b.Run(string(flavor), func(b *testing.B) {
			fast := servertest.Set("innodb_flush_log_at_trx_commit", "0")
			source, target := servertest.Start(b, flavor, fast, servertest.Set("sync_binlog", "0")), servertest.Start(b, flavor, fast)
			tables := crowd
			if crowd > 0 {
				makeCrowd(source, crowd)
			} else {
				replicationtest.MakeBlogs(source, blogs)
				tables = blogs * 12
			}
			replicationtest.MakeTCPLogin(source, target)
			for b.Loop() {
				out, err := replicationtest.SeedProcess(b.Context(), "TestTablesToBeMeasured", source.Addr(), target.Addr()).CombinedOutput()
				require.NoError(b, err, string(out))
				found := regexp.MustCompile(`(\w+) VmHWM:\s*(\d+) kB`).FindAllSubmatch(out, -1)
				require.Len(b, found, 2, string(out))
				for _, m := range found {
					kilobytes, err := strconv.ParseFloat(string(m[2]), 64)
					require.NoError(b, err)
					b.ReportMetric(kilobytes/1024, string(m[1])+"-MiB")
				}
				replicationtest.WhileFenced(target, func() {
					require.NoError(b, Step(replicationtest.TCPPair(b, source.Addr(), target.Addr())).Op.Undo(b.Context(), json.RawMessage(`{}`)))
				})
			}
			b.ReportMetric(float64(tables), "tables")
		})
	}
}

// TestTablesToBeMeasured is not a test: it is the process that BenchmarkMemoryOfTables starts.
func TestTablesToBeMeasured(t *testing.T) {
	pair, ok := replicationtest.SeedProcessPair(t)
	if !ok {
		return // it is not the process to be measured
	}
	debug.SetGCPercent(50) // as cmd/migrate has it
	peak := func(of string) {
		status, err := os.ReadFile("/proc/self/status")
		require.NoError(t, err)
		t.Log(of, string(regexp.MustCompile(`VmHWM:.*kB`).Find(status)))
		debug.FreeOSMemory()
		require.NoError(t, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)) // resets the peak, see proc(5)
	}
	require.NoError(t, Step(pair).Op.Apply(t.Context()))
	peak("seed")
	report, err := verify.Run(t.Context(), pair, verify.Options{})
	require.NoError(t, err)
	require.Zero(t, report.Found)
	peak("verify")
}
