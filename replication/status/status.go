package status

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/guard"
	"github.com/dcmigrate/migrate/replication/link"
	"github.com/dcmigrate/migrate/replication/query"
)

// Pair is where a pair stands, for people and for --json.
type Pair struct {
	Pair    string `json:"pair"`
	Source  Server `json:"source"`
	Target  Server `json:"target"`
	Forward Link   `json:"forward"`
	Reverse Link   `json:"reverse"`
	// Guards of switches that are under way, or were killed; mostly none.
	Guards   []guard.Status `json:"guards,omitempty"`
	Rollback Rollback       `json:"rollback"`
}

// Server is one side.
type Server struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	// Fenced: no application write is let in. Kept: also after a restart.
	Fenced bool   `json:"fenced"`
	Kept   bool   `json:"kept"`
	GTIDs  string `json:"gtids,omitempty"`
	// Clients are the sessions of clients, without replication and migrate.
	Clients int `json:"clients"`
	// BinlogKept is how long the server keeps its binlog; 0: for ever.
	BinlogKept time.Duration `json:"binlog_kept_ns"`
	Error      string        `json:"error,omitempty"`
}

// Link is one direction.
type Link struct {
	Configured bool     `json:"configured"`
	Running    bool     `json:"running"`
	Lag        link.Lag `json:"lag"`
	Error      string   `json:"error,omitempty"`
}

// Rollback says whether the way back is open (invariant I5).
type Rollback struct {
	Ready bool `json:"ready"`
	// Missing says what is wanting, in words.
	Missing []string `json:"missing,omitempty"`
	// Lag is the reverse link's.
	Lag link.Lag `json:"lag"`
	// Expected is how long the switch back would take at least: its lag.
	Expected   time.Duration `json:"expected_ns"`
	BinlogKept time.Duration `json:"binlog_kept_ns"`
}

// Read reads where a pair stands. It only reads, and a side that does not
// answer is reported in its place.
func Read(ctx context.Context, p replication.Pair) Pair {
	out := Pair{Pair: p.Name}
	var g errgroup.Group
	g.Go(func() error { out.Source = serverStatus(ctx, p.Source); return nil })
	g.Go(func() error { out.Target = serverStatus(ctx, p.Target); return nil })
	g.Go(func() error { out.Forward = linkStatus(ctx, p.Source, p.Target); return nil })
	g.Go(func() error { out.Reverse = linkStatus(ctx, p.Target, p.Source); return nil })
	g.Go(func() error {
		out.Guards = guard.Statuses(ctx, guard.Guard{Pair: p.Name, From: p.Source, To: p.Target})
		return nil
	})
	_ = g.Wait() // its functions return nil: the errors are in the status
	out.Rollback = rollbackStatus(out)
	return out
}

func serverStatus(ctx context.Context, s *replication.Server) Server {
	out := Server{Name: s.Name()}
	if err := out.read(ctx, s); err != nil {
		out.Error = err.Error()
	}
	return out
}

func (o *Server) read(ctx context.Context, s *replication.Server) error {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return err
	}
	o.Version = dialect.String()
	set, err := replication.Executed(ctx, s)
	if err != nil {
		return err
	}
	o.GTIDs = set.String()
	fence, err := fence.Read(ctx, s)
	if err != nil {
		return err
	}
	o.Fenced, o.Kept = fence.Closed, fence.Kept
	all, err := account.Clients(ctx, s)
	if err != nil {
		return err
	}
	o.Clients = len(all)
	v, err := query.Variables(ctx, db, "binlog_expire_logs_seconds", "expire_logs_days")
	if err != nil {
		return s.Wrap("read how long the binlog is kept", err)
	}
	o.BinlogKept, err = binlogKept(v)
	return err
}

// binlogKept reads the expiry; MariaDB has days with a fraction, too.
func binlogKept(v map[string]string) (time.Duration, error) {
	unit, text := time.Second, v["binlog_expire_logs_seconds"]
	if text == "" || text == "0" {
		unit, text = 24*time.Hour, v["expire_logs_days"]
	}
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("read how long the binlog is kept: %w", err)
	}
	return time.Duration(n * float64(unit)), nil
}

func linkStatus(ctx context.Context, from, to *replication.Server) Link {
	status, err := link.Status(ctx, from, to)
	if err != nil {
		return Link{Error: err.Error()}
	}
	out := Link{Configured: status.Configured, Running: link.Running(status)}
	if !status.Configured {
		return out
	}
	if failure := link.Failure(status); failure != nil {
		out.Error = failure.Error()
	}
	lag, err := link.Measure(ctx, from, to)
	out.Lag = lag
	if err != nil {
		out.Error = errors.Join(errors.New(out.Error), err).Error()
	}
	return out
}

// shortBinlog is the least time that a side must keep its binlog for the way back.
const shortBinlog = 24 * time.Hour

func rollbackStatus(s Pair) Rollback {
	out := Rollback{Lag: s.Reverse.Lag, Expected: s.Reverse.Lag.Behind, BinlogKept: s.Target.BinlogKept}
	want := func(ok bool, missing string) {
		if !ok {
			out.Missing = append(out.Missing, missing)
		}
	}
	want(s.Source.Error == "", "the source does not answer")
	want(s.Target.Error == "", "the target does not answer")
	want(s.Reverse.Configured, "there is no reverse link")
	want(!s.Reverse.Configured || s.Reverse.Running, "the reverse link has stopped")
	want(s.Reverse.Lag.Stopped || !s.Reverse.Lag.AtLeast, "the reverse link does not keep up: "+s.Reverse.Lag.String()+" behind")
	want(s.Target.BinlogKept == 0 || s.Target.BinlogKept >= shortBinlog, "the target keeps its binlog for less than a day")
	out.Ready = len(out.Missing) == 0
	return out
}
