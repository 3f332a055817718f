package physical

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

// killEnv tells a process how to seed and when to die: the JSON of a killOrder.
const killEnv = "MIGRATE_TEST_PHYSICAL_KILL"

// killOrder is a seed in a process of its own, and the moment of its death.
type killOrder struct {
	Source, Target string // sockets
	Port           int    // the source's
	Dir, Service   string // the folder of the seed's notes; the socket of the test, which is the service manager
	At             killPoint
}

// killPoint is a moment in the script or request that contains At: before it, some time
// after it began, after it, or in its middle.
type killPoint struct {
	At     string
	After  time.Duration // since it began; 0: before it begins
	Done   bool          // after it
	Middle string        // the script's text from here on does not run, and the process dies
}

// mortalHost is a host whose caller dies at the kill point.
type mortalHost struct {
	remote.Host
	at killPoint
}

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // until the signal arrives
}

// strike dies at once or schedules the death if what matches the kill point; last says
// that the caller is to die after it.
func (k killPoint) strike(what string) (last bool) {
	if k.At == "" || !strings.Contains(what, k.At) {
		return false
	}
	switch {
	case k.Done || k.Middle != "":
		return true
	case k.After == 0:
		die()
	}
	time.AfterFunc(k.After, die)
	return false
}

func (h mortalHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	last := h.at.strike(script)
	if last && h.at.Middle != "" {
		script, _, _ = strings.Cut(script, h.at.Middle)
		script += "\n:\nfi\n"
	}
	err := h.Host.Run(ctx, script, stdin, stdout)
	if last {
		die()
	}
	return err
}

// remoteService is the Service that asks the test, which owns the server.
type remoteService struct {
	socket string
	at     killPoint
}

func (remoteService) Unit(context.Context, *replication.Server) (string, error) { return "test", nil }

func (r remoteService) Stop(ctx context.Context, _ string) error { return r.ask(ctx, "stop") }

func (r remoteService) Start(ctx context.Context, _ string) error { return r.ask(ctx, "start") }

func (r remoteService) ask(ctx context.Context, what string) error {
	last := r.at.strike("service " + what)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", r.socket)
	}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://test/"+what, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	if last {
		die()
	}
	return answer.Body.Close()
}

// TestPhysicalSeedToBeKilled is not a test: it is the process that
// TestPhysicalSeedSurvivesKills starts and kills.
func TestPhysicalSeedToBeKilled(t *testing.T) {
	text := os.Getenv(killEnv)
	if text == "" {
		return // it is not the process to be killed
	}
	var order killOrder
	require.NoError(t, json.Unmarshal([]byte(text), &order))
	host := mortalHost{remote.NewLocal("target"), order.At}
	pair := replication.Pair{Name: "main", Source: replication.NewServer(replication.ServerConfig{
		Name: "source", Side: replication.Source, Host: remote.NewLocal("source"), Network: "unix", Address: order.Source, User: "root",
		Endpoint: func(context.Context) (replication.Endpoint, error) {
			return replication.Endpoint{Host: "127.0.0.1", Port: order.Port}, nil
		},
	}), Target: replication.NewServer(replication.ServerConfig{Name: "target", Side: replication.Target, Host: host, Network: "unix", Address: order.Target, User: "root"})}
	options := Options{Method: MethodFiles, Dir: order.Dir, Service: remoteService{order.Service, order.At}, BytesPerSecond: 24 << 20}
	ctx := report.WithNotes(t.Context(), func(text string) { fmt.Fprintln(os.Stdout, "note:", text) })
	require.NoError(t, Step(pair, seed.Step(pair), options).Op.Apply(ctx))
}

// manager is the target's service manager; it runs in the test's own goroutine.
type manager struct {
	asked  chan string
	done   chan struct{}
	socket string
}

func startManager(t *testing.T, dir string) manager {
	m := manager{asked: make(chan string), done: make(chan struct{}), socket: filepath.Join(dir, "service")}
	listener, err := net.Listen("unix", m.socket)
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		m.asked <- r.URL.Path
		<-m.done
	}), ReadHeaderTimeout: time.Minute}
	t.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }() // ends with the test
	return m
}

// run runs the seed in a process of its own until it ends or dies.
func (m manager) run(t *testing.T, target *servertest.Instance, order killOrder) (finished bool, output string) {
	text, err := json.Marshal(order)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPhysicalSeedToBeKilled$", "-test.count=1")
	cmd.Env = append(os.Environ(), killEnv+"="+string(text))
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	service := testService{target}
	for {
		select {
		case what := <-m.asked:
			if what == "/stop" {
				require.NoError(t, service.Stop(t.Context(), ""))
			} else {
				require.NoError(t, service.Start(t.Context(), ""))
			}
			m.done <- struct{}{}
		case err := <-ended:
			if err == nil {
				return true, out.String()
			}
			require.Contains(t, err.Error(), "killed", out.String())
			return false, out.String()
		}
	}
}

// killPoints are the moments in the order in which a seed reaches them: each run continues
// where the one before died.
func killPoints(flavor servertest.Flavor) []killPoint {
	points := []killPoint{{At: "mbstream", After: 400 * time.Millisecond}, {At: "--prepare", After: 30 * time.Millisecond}}
	if flavor == servertest.MySQL {
		points = []killPoint{{At: "mkdir -m 700", After: 700 * time.Millisecond}}
	}
	return append(points,
		killPoint{At: "service stop"},
		killPoint{At: "service stop", Done: true},
		killPoint{At: "mv -T", Middle: `mv -T "$beside/$`},
		killPoint{At: "service start"},
		killPoint{At: "service start", Done: true},
		killPoint{At: "then echo received", After: 30 * time.Millisecond},
		killPoint{At: `sync "$file.new"`},
		killPoint{At: `sync "$file.new"`, Done: true})
}

// TestPhysicalSeedSurvivesKills kills the seed in each of its phases under write load, and
// lets the host start the server between the attempts. The server only ever starts with
// its own old data or with all of the source's, then fenced and without events. In the end
// both sides are equal.
func TestPhysicalSeedSurvivesKills(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target, options := startPair(t, flavor)
		replicationtest.MakeBigTable(source)
		stop := replicationtest.Load(t, source)
		t.Cleanup(func() { stop() })
		m := startManager(t, target.Dir)
		order := killOrder{Source: source.Socket, Target: target.Socket, Port: source.Port, Dir: options.Dir, Service: m.socket}
		for _, order.At = range killPoints(flavor) {
			finished, out := m.run(t, target, order)
			require.False(t, finished, "%+v is never reached: %s", order.At, out)
			if order.At.Middle != "" { // there is no data directory; a unit may create the folder
				data := filepath.Join(target.Dir, "data")
				require.NoDirExists(t, data)
				require.NoError(t, os.Mkdir(data, 0o700))
				continue
			}
			if order.At == (killPoint{At: "service start"}) {
				continue // the next attempt is to start it
			}
			require.NoError(t, testService{target}.Start(t.Context(), ""), "%+v", order.At)
			require.Equal(t, "1", target.Value("SELECT @@GLOBAL.read_only"), "%+v", order.At)
			if target.Value("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'load1'") == "0" {
				require.Equal(t, "1", target.Value("SELECT COUNT(*) FROM mysql.user WHERE User = 'only_here'"), "its own data: %+v", order.At)
			} else {
				require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM load1.ran WHERE server = @@GLOBAL.server_id"), "%+v", order.At)
			}
		}
		require.NoError(t, Step(pair, seed.Step(pair), options).Op.Apply(t.Context()))
		require.NoError(t, Step(pair, seed.Step(pair), options).Op.Verify(t.Context()))
		requireSeeded(t, source, target)
		requireConverges(t, pair, source, target, stop)

		forget := Forget(pair, options)
		require.NoError(t, forget.Op.Apply(t.Context()))
		require.NoError(t, forget.Op.Verify(t.Context()))
		require.NoError(t, forget.Op.Apply(t.Context()), "twice")
		require.NoDirExists(t, filepath.Join(target.Dir, "data"+besideSuffix))
		state, err := Step(pair, seed.Step(pair), options).Op.Check(t.Context())
		require.NoError(t, err)
		require.True(t, state.Done, "the marker stays")
	})
}
