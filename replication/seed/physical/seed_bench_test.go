package physical

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// BenchmarkSeed copies the same data between the same two servers with the seed, with
// mydumper and myloader at their best settings, with mariadb-dump into the client, with
// the seed by files, and with mariadb-backup by hand. They take turns, and each round
// begins with another one. Figures are medians.
func BenchmarkSeed(b *testing.B) {
	for _, flavor := range servertest.Flavors() {
		b.Run(string(flavor), func(b *testing.B) {
			options := []servertest.Option{
				servertest.Set("innodb_buffer_pool_size", "1G"), servertest.Set("sync_binlog", "1"), servertest.Set("innodb_flush_log_at_trx_commit", "1"),
			}
			if flavor == servertest.MariaDB {
				options = append(options, servertest.Set("innodb_log_file_size", "512M"))
			} else {
				options = append(options, servertest.Set("innodb_redo_log_capacity", "1G"))
			}
			source, target := servertest.Start(b, flavor, options...), servertest.Start(b, flavor, options...)
			replicationtest.MakeBenchTables(b, source)
			pair := replication.Pair{Name: "main", Schemas: []string{"bench"}, Source: replicationtest.Server(b, source, replication.Source, nil), Target: replicationtest.Server(b, target, replication.Target, nil)}
			methods := append(fileMethods(b, source, target), []benchMethod{
				{"seed", func() error { return seed.Step(pair).Op.Apply(b.Context()) }, func() {
					replicationtest.WhileFenced(target, func() { require.NoError(b, seed.Step(pair).Op.Undo(b.Context(), json.RawMessage(`{}`))) })
				}},
				{"mydumper", func() error { return replicationtest.Shell(b, dumperScript(b, source, target)) }, func() { target.Exec("DROP DATABASE bench") }},
				{"dump", func() error { return replicationtest.Shell(b, dumpScript(source, target)) }, func() { target.Exec("DROP DATABASE bench") }},
			}...)
			took := map[string][]time.Duration{}
			for round := 0; b.Loop(); round++ {
				for i := range methods {
					method := methods[(i+round)%len(methods)] // the order rotates, so that none always follows the same one
					syscall.Sync()                            // the next one must not pay for what this one's predecessor has written
					began, cpu := time.Now(), cpuOf(b, source.Pid(), target.Pid(), os.Getpid())
					if err := method.run(); err != nil {
						b.Logf("%s %s absent: %.300s", flavor, method.name, err)
						continue
					}
					took[method.name] = append(took[method.name], time.Since(began))
					spent := cpuOf(b, source.Pid(), target.Pid(), os.Getpid())
					b.Logf("%s %s %s; processors: source %s, target %s, this %s", flavor, method.name, time.Since(began).Round(10*time.Millisecond),
						spent[0]-cpu[0], spent[1]-cpu[1], spent[2]-cpu[2])
					method.undo()
				}
			}
			b.ReportMetric(peakMemory(b, pair, source, target), "rss-MiB")
			took["auto"] = took[chosenMethod(b, filesStep(b, source, target))]
			for name, list := range took {
				if len(list) > 0 { // a peer may be missing
					b.ReportMetric(replicationtest.Median(list).Seconds(), name+"-s")
				}
			}
		})
	}
}

// peakMemory returns the peak resident memory of a seed in a process of its own, in MiB.
func peakMemory(b *testing.B, pair replication.Pair, source, target *servertest.Instance) float64 {
	replicationtest.MakeTCPLogin(source, target)
	out, err := replicationtest.SeedProcess(b.Context(), "TestSeedToBeMeasured", source.Addr(), target.Addr()).CombinedOutput()
	require.NoError(b, err, string(out))
	replicationtest.WhileFenced(target, func() { require.NoError(b, seed.Step(pair).Op.Undo(b.Context(), json.RawMessage(`{}`))) })
	m := regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(out)
	require.NotNil(b, m, string(out))
	kilobytes, err := strconv.ParseFloat(string(m[1]), 64)
	require.NoError(b, err)
	return kilobytes / 1024
}

// TestSeedToBeMeasured is not a test: it is the process that peakMemory starts.
func TestSeedToBeMeasured(t *testing.T) {
	pair, ok := replicationtest.SeedProcessPair(t)
	if !ok {
		return // it is not the process to be measured
	}
	require.NoError(t, seed.Step(pair).Op.Apply(t.Context()))
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	t.Logf("%s", status[bytes.Index(status, []byte("VmHWM")):])
}

// cpuOf returns the processor time that each process has used.
func cpuOf(b *testing.B, pids ...int) []time.Duration {
	var out []time.Duration
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		require.NoError(b, err)
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		var ticks int64
		for _, text := range fields[11:13] { // utime, stime, in hundredths of a second
			n, err := strconv.ParseInt(text, 10, 64)
			require.NoError(b, err)
			ticks += n
		}
		out = append(out, time.Duration(ticks)*10*time.Millisecond)
	}
	return out
}

func dumperScript(b *testing.B, source, target *servertest.Instance) string {
	dir := b.TempDir()
	return fmt.Sprintf(`rm -rf %[1]s/d; mydumper -S %[2]s -u root -B bench -t 4 -F 32 --trx-consistency-only -G -E -R -o %[1]s/d
		myloader -S %[3]s -u root -t 4 -q 20 -d %[1]s/d`, dir, source.Socket, target.Socket)
}

func dumpScript(source, target *servertest.Instance) string {
	return fmt.Sprintf(`mariadb-dump -S %s -u root --single-transaction --routines --events --databases bench | mariadb -S %s -u root`, source.Socket, target.Socket)
}
