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

// Pair is the status of a pair, for people and for --json.
type Pair struct {
	Pair    string `json:"pair"`
	Source  Server `json:"source"`
	Target  Server `json:"target"`
	Forward Link   `json:"forward"`
	Reverse Link   `json:"reverse"`
	// Guards are of switches that are under way or were interrupted; mostly none.
	Guards   []guard.Status `json:"guards,omitempty"`
	Rollback Rollback       `json:"rollback"`
}

// Server is the status of one side.
type Server struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	// Fenced says that the server refuses application writes, Kept that it does so after a
	// restart, too.
	Fenced bool   `json:"fenced"`
	Kept   bool   `json:"kept"`
	GTIDs  string `json:"gtids,omitempty"`
	// Clients is the number of sessions, without those of replication and of migrate.
	Clients int `json:"clients"`
	// BinlogKept is how long the server keeps its binlog; 0 is for ever.
	BinlogKept time.Duration `json:"binlog_kept_ns"`
	Error      string        `json:"error,omitempty"`

	open bool // it accepts application writes
}

// Link is the status of the link in one direction.
type Link struct {
	Configured bool     `json:"configured"`
	Running    bool     `json:"running"`
	Lag        link.Lag `json:"lag"`
	Error      string   `json:"error,omitempty"`
}

// Rollback says whether the way back is open (invariant I5).
type Rollback struct {
	Ready bool `json:"ready"`
	// Missing lists what the way back lacks, for people.
	Missing []string `json:"missing,omitempty"`
	// Risks lists what will close the way back later, for people. A rollback can run still.
	Risks []string `json:"risks,omitempty"`
	// Lag is the lag of the reverse link.
	Lag link.Lag `json:"lag"`
	// Expected is how long the switch back takes at least: the lag.
	Expected   time.Duration `json:"expected_ns"`
	BinlogKept time.Duration `json:"binlog_kept_ns"`

	passes bool // waiting may be enough for what is missing
}

// Read reads the status of a pair and changes nothing. The error of a side that does not
// answer is in the status of that side.
func Read(ctx context.Context, p replication.Pair) Pair { return Needs{}.Read(ctx, p) }

// Read is the function Read, for a way back that needs more.
func (n Needs) Read(ctx context.Context, p replication.Pair) Pair {
	out := Pair{Pair: p.Name}
	var g errgroup.Group
	g.Go(func() error { out.Source = readServer(ctx, p.Source); return nil })
	g.Go(func() error { out.Target = readServer(ctx, p.Target); return nil })
	g.Go(func() error { out.Forward = readLink(ctx, p.Source, p.Target); return nil })
	g.Go(func() error { out.Reverse = readLink(ctx, p.Target, p.Source); return nil })
	g.Go(func() error {
		out.Guards = guard.Statuses(ctx, guard.Guard{Pair: p.Name, From: p.Source, To: p.Target})
		return nil
	})
	_ = g.Wait() // its functions return nil: the errors are in the status
	out.Rollback = rollback(ctx, view{out, p, n})
	return out
}

// readServer reads the status of a server, or why it cannot be read.
func readServer(ctx context.Context, s *replication.Server) Server {
	out := Server{Name: s.Name()}
	if err := out.read(ctx, s); err != nil {
		out.Error = err.Error()
	}
	return out
}

// read fills in what it can read of a server.
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
	o.Fenced, o.Kept, o.open = fence.Closed, fence.Kept, fence.Open
	clients, err := account.Clients(ctx, s)
	if err != nil {
		return err
	}
	o.Clients = len(clients)
	variables, err := query.Variables(ctx, db, "binlog_expire_logs_seconds", "expire_logs_days")
	if err != nil {
		return s.Wrap("read how long the binlog is kept", err)
	}
	o.BinlogKept, err = binlogKept(variables)
	return err
}

// binlogKept is the time for which a server with these variables keeps its binlog. It may
// be set in days with a fraction on MariaDB.
func binlogKept(variables map[string]string) (time.Duration, error) {
	unit, text := time.Second, variables["binlog_expire_logs_seconds"]
	if text == "" || text == "0" {
		unit, text = 24*time.Hour, variables["expire_logs_days"]
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

// readLink reads the status of the link from → to, or why it cannot be read.
func readLink(ctx context.Context, from, to *replication.Server) Link {
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

// minBinlogKept is how long the target should keep its binlog at least for the way back.
const minBinlogKept = 24 * time.Hour

// rollback tells whether the way back is open.
func rollback(ctx context.Context, v view) Rollback {
	out := Rollback{Lag: v.Reverse.Lag, Expected: v.Reverse.Lag.Behind, BinlogKept: v.Target.BinlogKept}
	out.Missing, out.passes = v.missing(ctx)
	out.Ready = len(out.Missing) == 0
	if v.Target.BinlogKept > 0 && v.Target.BinlogKept < minBinlogKept {
		out.Risks = append(out.Risks, "the target keeps its binlog for less than a day: a reverse link that stops for longer cannot go on")
	}
	return out
}
