package capture

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory/redact"
	"github.com/dcmigrate/migrate/wait"
)

// simulatedHost is a host in this process. It answers like a recorded host, with as
// many packages and files as a real one has.
type simulatedHost struct {
	name            string
	answer, archive []byte
	connect, run    time.Duration // how long each takes
	connectErr      error         // the error of Connect
	running         *atomic.Int64
	done            time.Time
}

func (s *simulatedHost) Name() string { return s.name }

func (s *simulatedHost) Close() error { return nil }

func (s *simulatedHost) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("it is simulated")
}

// Connect implements remote.Connector.
func (s *simulatedHost) Connect(ctx context.Context) error {
	if err := wait.For(ctx, s.connect); err != nil {
		return err
	}
	return s.connectErr
}

// Run implements remote.Host.
func (s *simulatedHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	s.running.Add(1)
	defer s.running.Add(-1)
	if err := wait.For(ctx, s.run); err != nil {
		return err
	}
	s.done = time.Now()
	text := s.answer
	if strings.Contains(script, "tar -c") {
		if _, err := io.Copy(io.Discard, stdin); err != nil {
			return err
		}
		text = s.archive
	}
	_, err := stdout.Write(text)
	return err
}

// simulateHosts returns n copies of a recorded host. Each has 600 packages and 300
// files more, which are its own.
func simulateHosts(t testing.TB, n int) ([]*simulatedHost, []Target) {
	recordedAnswer, err := parseFrames(recorded(t, "db1", 1201))
	require.NoError(t, err)
	archive := archiveOf(t, recordedContents(t, "db1"))
	var running atomic.Int64
	hosts, targets := make([]*simulatedHost, n), make([]Target, n)
	for i := range n {
		more := map[string]*strings.Builder{"packages": {}, "tree": {}, "tree-sums": {}}
		for p := range 600 {
			fmt.Fprintf(more["packages"], "ii \tlibrary%03d\t1.%d.0-1\tamd64\n\n", p, i)
		}
		for f := range 300 {
			fmt.Fprintf(more["tree"], "f\x00644\x000\x000\x00root\x00root\x001000\x00/etc/app/%03d.dat\x00\x00", f)
			fmt.Fprintf(more["tree-sums"], "%064x  /etc/app/%03d.dat\x00", i*300+f, f)
		}
		hosts[i] = &simulatedHost{name: fmt.Sprintf("host%03d", i), answer: reframe(recordedAnswer, more), archive: archive, running: &running}
		targets[i] = Target{Host: hosts[i]}
	}
	return hosts, targets
}

// reframe returns an answer with text added to some sections.
func reframe(a answer, more map[string]*strings.Builder) []byte {
	var status, sizes, data bytes.Buffer
	fmt.Fprintf(&status, "%sself %d\n", answerHeader, a.self)
	for _, name := range slices.Sorted(maps.Keys(a.sections)) {
		s := a.sections[name]
		out := bytes.Clone(s.out)
		if m := more[name]; m != nil {
			out = append(out, m.String()...)
		}
		fmt.Fprintf(&status, "status %s %d\n", name, s.status)
		fmt.Fprintf(&sizes, "%d /dev/shm/x/%s.out\n%d /dev/shm/x/%s.err\n", len(out), name, len(s.err), name)
		data.Write(out)
		data.Write(s.err)
	}
	return []byte(status.String() + "sizes\n" + sizes.String() + "data\n" + data.String() + "end\n")
}

func archiveOf(t testing.TB, contents map[string]string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(name, "/"), Mode: 0o600, Size: int64(len(contents[name]))}))
		_, err := w.Write([]byte(contents[name]))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func simulatedOptions(atOnce int) Options {
	o := testOptions()
	o.AtOnce = atOnce
	return o
}

// Hosts that cannot be reached cost their own time-out and do not delay the others,
// however many there are and however early they are in the list.
func TestDeadHostsHoldUpNoOther(t *testing.T) {
	hosts, targets := simulateHosts(t, 16)
	require.NoError(t, redact.Ready())
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		for i, h := range hosts {
			if h.run = time.Second; i < 6 {
				h.connect, h.connectErr = 10*time.Second, errors.New("host is unreachable")
			}
		}
		results := Hosts(t.Context(), targets, simulatedOptions(4))
		require.Equal(t, 10*time.Second, time.Since(begin))
		for i, r := range results {
			if i < 6 {
				require.EqualError(t, r.Err, "capture "+hosts[i].name+": host is unreachable")
				continue
			}
			require.NoError(t, r.Err)
			require.LessOrEqual(t, hosts[i].done.Sub(begin), 6*time.Second, "ten hosts, four at once, two seconds each")
		}
	})
}

// A host that hangs keeps its slot only until slotTimeout.
func TestHangingHostsHoldUpNoOther(t *testing.T) {
	hosts, targets := simulateHosts(t, 10)
	require.NoError(t, redact.Ready())
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		for i, h := range hosts {
			if h.run = time.Second; i < 6 {
				h.run = time.Hour
			}
		}
		results := Hosts(t.Context(), targets, simulatedOptions(4))
		require.Equal(t, captureTimeout, time.Since(begin).Truncate(captureTimeout), "the hanging ones are given up")
		for i, r := range results {
			if i < 6 {
				require.ErrorIs(t, r.Err, context.DeadlineExceeded)
				continue
			}
			require.NoError(t, r.Err)
			require.LessOrEqual(t, hosts[i].done.Sub(begin), 2*slotTimeout+2*time.Second)
		}
	})
}

// No more hosts than AtOnce are captured at the same time.
func TestCaptureKeepsItsLimit(t *testing.T) {
	hosts, targets := simulateHosts(t, 12)
	require.NoError(t, redact.Ready())
	synctest.Test(t, func(t *testing.T) {
		for _, h := range hosts {
			h.run = time.Second
		}
		var most int64
		stop := make(chan struct{})
		var watch sync.WaitGroup
		watch.Go(func() {
			ticker := time.NewTicker(100 * time.Millisecond)
			defer ticker.Stop()
			for {
				select {
				case <-ticker.C:
					most = max(most, hosts[0].running.Load())
				case <-stop:
					return
				}
			}
		})
		begin := time.Now()
		Hosts(t.Context(), targets, simulatedOptions(3))
		require.Equal(t, 8*time.Second, time.Since(begin), "four rounds of two trips")
		close(stop)
		watch.Wait()
		require.Equal(t, int64(3), most)
	})
}

// BenchmarkCaptureSimulated captures hosts that answer immediately. It measures this
// program's own work and memory.
func BenchmarkCaptureSimulated(b *testing.B) {
	for _, n := range []int{100, 500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			_, targets := simulateHosts(b, n)
			require.NoError(b, redact.Ready())
			for b.Loop() {
				before := heap()
				peak := watchHeap()
				results := Hosts(b.Context(), targets, simulatedOptions(16))
				most := peak()
				kept := heap()
				for _, r := range results {
					require.NoError(b, r.Err)
					require.Greater(b, len(r.Host.Packages), 600)
				}
				b.ReportMetric(float64(kept-before)/float64(n)/1024, "kept-KiB/host")
				b.ReportMetric(float64(most-before)/float64(n)/1024, "peak-KiB/host")
			}
		})
	}
}

// heap returns the bytes of the heap in use after a garbage collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// watchHeap samples the heap until the returned function is called, which returns the
// largest size in bytes.
func watchHeap() func() uint64 {
	stop, most := make(chan struct{}), make(chan uint64)
	go func() {
		var peak uint64
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			case <-stop:
				most <- peak
				return
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-most
	}
}
