package binlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	logevent "github.com/go-mysql-org/go-mysql/replication"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

// ErrPurged is wrapped when a server has not got the asked-for part of
// its binlog any more.
var ErrPurged = errors.New("that part of the binlog is purged")

const (
	// binlogBeat is how often a server that has nothing to send says so.
	heartbeatPeriod = time.Second
	// binlogSilence is how long a reader waits for the next transaction or beat.
	maxSilence = 30 * time.Second
)

// Transaction is one transaction of a binlog.
type Transaction struct {
	ID replication.GTID
	At time.Time // by the clock of the server that wrote it first
}

// Visitor is told what a binlog holds, in its order.
type Visitor interface {
	// Begin starts a transaction; the rows of one that is not wanted are not decoded.
	Begin(t Transaction) (wanted bool)
	// Rows has the rows of a table that a wanted transaction changed. They are
	// not to be kept. An event that cannot be decoded has none, and broken is set.
	Rows(ctx context.Context, e *logevent.RowsEvent, broken bool) error
	// Statement has a statement of a wanted transaction, with its default schema.
	Statement(schema, text string)
}

// Reader reads the binlog of one server, through its machine where it has
// one, as an account of its own that may do nothing else.
type Reader struct {
	Server   *replication.Server
	Dialect  *dialect.Dialect
	password secret.Value
	ID       uint32 // by which the server knows the reader
}

// ReaderLogin is the account to read a server's binlog with. It exists only
// while that is read.
func ReaderLogin(s *replication.Server) account.Login {
	return account.Login{Server: s, Name: replication.OwnUserPrefix + "reader", Grant: "REPLICATION SLAVE ON *.*"}
}

// Open makes the account anew, whatever an earlier run has left.
func Open(ctx context.Context, s *replication.Server) (*Reader, error) {
	dialect, err := s.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	r := &Reader{
		Server: s, Dialect: dialect, password: account.NewPassword(),
		ID: 1<<31 + rand.Uint32N(1<<31-1), // a real server's id is rarely that high
	}
	if s.OnlyReads() {
		r.password = s.Password()
		return r, nil
	}
	return r, ReaderLogin(s).Create(ctx, s.ClientHost(), r.password)
}

// Close drops the account, also when ctx has ended.
func (r *Reader) Close(ctx context.Context) error {
	if r.Server.OnlyReads() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replication.RestoreTimeout)
	defer cancel()
	return ReaderLogin(r.Server).Drop(ctx)
}

// user is the account that the reader logs in with.
func (r *Reader) user() string {
	if r.Server.OnlyReads() {
		return r.Server.User()
	}
	return ReaderLogin(r.Server).Name
}

// Read hands the visitor every transaction that is not in start, until all of
// goal has come. It holds one event at a time in memory.
func (r *Reader) Read(ctx context.Context, start, goal replication.GTIDSet, v Visitor) error {
	left := newGoal(goal.Minus(start))
	if left.reached() {
		return nil
	}
	set, err := gomysql.ParseGTIDSet(r.flavor(), start.String())
	if err != nil {
		return fmt.Errorf("read the binlog of %s from %s: %w", r.Server.Name(), start, err)
	}
	pass := &pass{ctx: ctx, visitor: v, goal: left, lastHeard: time.Now()}
	cfg, err := r.config(pass)
	if err != nil {
		return err
	}
	syncer := logevent.NewBinlogSyncer(cfg)
	stream, err := syncer.StartSyncGTID(set)
	if err == nil {
		_, err = stream.GetEvent(ctx) // the pass has the events; this is how it ends
	}
	syncer.Close()
	switch {
	case pass.done:
		return nil
	case pass.err != nil:
		return pass.err
	case ctx.Err() != nil:
		return fmt.Errorf("read the binlog of %s: %w", r.Server.Name(), context.Cause(ctx))
	}
	return r.explain(err)
}

// flavor is the server's flavor as go-mysql spells it: in lower case.
func (r *Reader) flavor() string { return strings.ToLower(string(r.Dialect.Flavor)) }

func (r *Reader) config(pass *pass) (logevent.BinlogSyncerConfig, error) {
	network, address := r.Server.Address()
	cfg := logevent.BinlogSyncerConfig{
		ServerID: r.ID, Flavor: r.flavor(), Localhost: "migrate",
		User: r.user(), Password: r.password.Open(),
		Host: address, HeartbeatPeriod: heartbeatPeriod, ReadTimeout: maxSilence,
		DisableRetrySync: true, DiscardGTIDSet: true, TimestampStringLocation: time.UTC,
		Logger: slog.New(slog.DiscardHandler), // it would log rows
		Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
			return r.Server.Dial(ctx, network, address)
		},
		SynchronousEventHandler: pass, RowsEventDecodeFunc: pass.decode, PayloadDecoderConcurrency: 1,
	}
	if network == "unix" {
		return cfg, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return cfg, fmt.Errorf("read the binlog of %s: %w", r.Server.Name(), err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return cfg, fmt.Errorf("read the binlog of %s: port %q: %w", r.Server.Name(), port, err)
	}
	cfg.Host, cfg.Port = host, uint16(n)
	return cfg, nil
}

// explain says what to do about a binlog that could not be read. The text of
// an event's error is left out: it holds the event.
func (r *Reader) explain(err error) error {
	var event *logevent.EventError
	if errors.As(err, &event) {
		return fmt.Errorf("read the binlog of %s: an event of type %s cannot be decoded", r.Server.Name(), event.Header.EventType)
	}
	var refused *gomysql.MyError
	if !errors.As(err, &refused) {
		return report.Transient(fmt.Errorf("read the binlog of %s: %w", r.Server.Name(), err), time.Second)
	}
	if refused.Code == 1236 && strings.Contains(refused.Message, "purged") { // ER_MASTER_FATAL_ERROR_READING_BINLOG
		err = fmt.Errorf("%w: %w", ErrPurged, err)
		return report.WithHint(fmt.Errorf("read the binlog of %s: %w", r.Server.Name(), err),
			"compare the rows with migrate verify, and keep binlogs longer; docs/conflicts.md says how to go on without a report")
	}
	return fmt.Errorf("read the binlog of %s: %w", r.Server.Name(), err)
}

// binlogGoal is the transactions that have yet to come.
type goal struct {
	set  replication.GTIDSet
	left int64 // of intervals; domains leave the set
}

func newGoal(set replication.GTIDSet) *goal {
	return &goal{set: set, left: set.Ahead(replication.GTIDSet{})}
}

func (g *goal) reached() bool { return g.left == 0 || g.set.IsEmpty() }

func (g *goal) see(id replication.GTID) {
	if !g.set.ByDomain() {
		if g.set.Has(id) {
			g.left--
		}
		return
	}
	if last, ok := g.set.LastOf(id.Domain); ok && id.Sequence >= last {
		g.set = g.set.Without(id.Domain)
	}
}
