package physical

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/wait"
)

// benchMethod is one method of making the first copy, and its undo.
type benchMethod struct {
	name string
	run  func() error
	undo func()
}

// fileMethods are the seed by files, and as its floor the same tools by hand.
func fileMethods(b *testing.B, source, target *servertest.Instance) []benchMethod {
	step := filesStep(b, source, target)
	methods := []benchMethod{{
		"files", func() error { return step.Apply(b.Context()) },
		func() {
			replicationtest.WhileFenced(target, func() { require.NoError(b, step.Undo(b.Context(), nil)) })
		},
	}}
	if source.Flavor == servertest.MySQL {
		return methods
	}
	data, fresh, old := filepath.Join(target.Dir, "data"), filepath.Join(target.Dir, "fresh"), filepath.Join(target.Dir, "old")
	return append(methods, benchMethod{
		"backup", func() error {
			err := replicationtest.Shell(b, fmt.Sprintf(`rm -rf %[2]s; mkdir %[2]s
				mariadb-backup --no-defaults --backup --stream=xbstream --parallel=2 -S %[1]s -u root | mbstream -x -p 2 -C %[2]s
				mariadb-backup --prepare --use-memory=4G --target-dir=%[2]s`, source.Socket, fresh))
			if err != nil {
				return err
			}
			target.Stop()
			require.NoError(b, os.Rename(data, old))
			require.NoError(b, os.Rename(fresh, data))
			target.Restart()
			return nil
		}, func() {
			target.Stop()
			require.NoError(b, os.RemoveAll(data))
			require.NoError(b, os.Rename(old, data))
			target.Restart()
		},
	})
}

// filesStep is the seed by files between two test servers.
func filesStep(b *testing.B, source, target *servertest.Instance) *op {
	pair := replication.Pair{Name: "bench", Source: replicationtest.Server(b, source, replication.Source, remote.NewLocal("source")), Target: replicationtest.Server(b, target, replication.Target, remote.NewLocal("target"))}
	options := Options{Method: MethodFiles, Service: testService{target}, Dir: b.TempDir()}
	step, ok := Step(pair, seed.Step(pair), options).Op.(*op)
	require.True(b, ok)
	return step
}

// chosenMethod is the method that `seed: auto`, the default, chooses for the servers of a
// step.
func chosenMethod(b *testing.B, files *op) string {
	auto := *files
	auto.options.Method = MethodAuto
	c, err := auto.choose(b.Context(), true)
	require.NoError(b, err)
	b.Log("a full copy is made", c.text())
	if c.method == MethodFiles {
		return "files"
	}
	return "seed"
}

// BenchmarkSeedStall writes single rows to the source without pause, alone and while its
// files are read, and reports the longest commit.
func BenchmarkSeedStall(b *testing.B) {
	for _, flavor := range servertest.Flavors() {
		b.Run(string(flavor), func(b *testing.B) {
			source, target := servertest.StartTwo(b, flavor, servertest.Set("innodb_flush_log_at_trx_commit", "2"))
			replicationtest.MakeBenchTables(b, source)
			source.Exec("CREATE TABLE bench.stall (id INT AUTO_INCREMENT PRIMARY KEY)")
			step := filesStep(b, source, target)
			var alone, taken []time.Duration
			for b.Loop() {
				alone = append(alone, longestCommit(b, source, func() { require.NoError(b, wait.For(b.Context(), 5*time.Second)) }))
				taken = append(taken, longestCommit(b, source, func() { require.NoError(b, step.Apply(b.Context())) }))
				replicationtest.WhileFenced(target, func() { require.NoError(b, step.Undo(b.Context(), nil)) })
			}
			for name, list := range map[string][]time.Duration{"alone-ms": alone, "stall-ms": taken} {
				slices.Sort(list)
				b.ReportMetric(float64(list[len(list)/2].Microseconds())/1000, name)
			}
		})
	}
}

// longestCommit writes rows while do runs, and returns the longest commit.
func longestCommit(b *testing.B, s *servertest.Instance, do func()) time.Duration {
	ctx, cancel := context.WithCancel(b.Context())
	conn, err := s.Root().Conn(ctx)
	require.NoError(b, err)
	longest := make(chan time.Duration)
	go func() {
		var most time.Duration
		for ctx.Err() == nil {
			began := time.Now()
			if _, err := conn.ExecContext(ctx, "INSERT INTO bench.stall VALUES ()"); err == nil {
				most = max(most, time.Since(began))
			}
		}
		longest <- most
	}()
	do()
	cancel()
	most := <-longest
	_ = conn.Close()
	return most
}
