package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/seed/control"
	"github.com/dcmigrate/migrate/replication/throttle"
)

func TestPrintSeed(t *testing.T) {
	state := control.State{
		Pair:   "main",
		Limits: throttle.Limits{Workers: 4, BytesPerSecond: 20_000_000, MostRunning: 64, MostLag: 10 * time.Second},
		Progress: control.Progress{
			Phase: "copies", Bytes: 3 << 30, TotalBytes: 12 << 30, Rows: 3000, TotalRows: 12000, Rate: 18.5e6, Left: 9 * time.Minute, Done: 5, Tables: 7, Workers: 4,
			AtWork:   []control.TableProgress{{Table: "blog.posts", Bytes: 1 << 30, TotalBytes: 10 << 30, Rows: 1000, TotalRows: 10000}},
			Throttle: "waits: db1 (source) runs 70 threads, more than 64", Running: 70, History: 120, AtFirst: 100,
		},
	}
	var b strings.Builder
	printSeed(&b, state)
	require.Equal(t, `  seed of main: 4 workers, 19.1 MiB/s, waits above 64 running threads and 10s of replica lag
    3.0 GiB of about 12.0 GiB, copies, waits: db1 (source) runs 70 threads, more than 64, blog.posts 1000 of about 10000 rows, 5 of 7 tables done, 3000 of about 12000 rows, source: 70 threads, history list 120 (100 before), 17.6 MiB/s, about 9m0s left
    blog.posts                               1.0 GiB of about 10.0 GiB, 1000 of about 10000 rows
`, b.String())

	var out bytes.Buffer
	a := &app{out: &out, json: true}
	require.NoError(t, a.printSeeds([]control.State{state}))
	require.Contains(t, out.String(), `"source_history_list": 120`)
}

// What an earlier run of the step has done does not count for the rate.
func TestTheRateIsOfThisRun(t *testing.T) {
	p := control.Progress{Phase: "copies", Bytes: 110 << 20, TotalBytes: 120 << 20, History: -1}.Report()
	require.Equal(t, "110.0 MiB of 120.0 MiB (91%), 1.0 MiB/s, 10s left  copies", describe(p, 100<<20, 10*time.Second))
}
