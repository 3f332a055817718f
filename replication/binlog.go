package replication

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

	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

// ErrBinlogPurged is wrapped when a server has not got the asked-for part of
// its binlog any more.
var ErrBinlogPurged = errors.New("that part of the binlog is purged")

const (
	// binlogBeat is how often a server that has nothing to send says so.
	binlogBeat = time.Second
	// binlogSilence is how long a reader waits for the next transaction or beat.
	binlogSilence = 30 * time.Second
)

// transaction is one transaction of a binlog.
type transaction struct {
	id gtid
	at time.Time // by the clock of the server that wrote it first
}

// gtid names one transaction.
type gtid struct {
	origin   string // "domain-server-" or "uuid:" or "uuid:tag:"
	sequence uint64
	domain   uint32 // MariaDB
	server   uint32 // that wrote it first
	uuid     string // MySQL: of that server
}

// String is the GTID in the server's notation.
func (g gtid) String() string { return g.origin + strconv.FormatUint(g.sequence, 10) }

// binlogVisitor is told what a binlog holds, in its order.
type binlogVisitor interface {
	// begin starts a transaction; the rows of one that is not wanted are not decoded.
	begin(t transaction) (wanted bool)
	// rows has the rows of a table that a wanted transaction changed. They are
	// not to be kept. An event that cannot be decoded has none, and broken is set.
	rows(ctx context.Context, e *logevent.RowsEvent, broken bool) error
	// statement has a statement of a wanted transaction, with its default schema.
	statement(schema, text string)
}

// binlogReader reads the binlog of one server, through its machine where it has
// one, as an account of its own that may do nothing else.
type binlogReader struct {
	server   *Server
	dialect  *Dialect
	password secret.Value
	id       uint32 // by which the server knows the reader
}

// readerAccount is the account to read a server's binlog with. It exists only
// while that is read.
func readerAccount(s *Server) login {
	return login{s, ownUserPrefix + "reader", "REPLICATION SLAVE ON *.*"}
}

// openBinlog makes the account anew, whatever an earlier run has left.
func openBinlog(ctx context.Context, s *Server) (*binlogReader, error) {
	dialect, err := s.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	r := &binlogReader{
		server: s, dialect: dialect, password: newPassword(),
		id: 1<<31 + rand.Uint32N(1<<31-1), // a real server's id is rarely that high
	}
	if s.cfg.OnlyReads {
		r.password = s.cfg.Password
		return r, nil
	}
	host := anyHost
	if s.cfg.Network == "unix" {
		host = "localhost"
	}
	return r, readerAccount(s).create(ctx, host, r.password)
}

// close drops the account, also when ctx has ended.
func (r *binlogReader) close(ctx context.Context) error {
	if r.server.cfg.OnlyReads {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTimeout)
	defer cancel()
	return readerAccount(r.server).drop(ctx)
}

// user is the account that the reader logs in with.
func (r *binlogReader) user() string {
	if r.server.cfg.OnlyReads {
		return r.server.cfg.User
	}
	return readerAccount(r.server).name
}

// read hands the visitor every transaction that is not in start, until all of
// goal has come. It holds one event at a time in memory.
func (r *binlogReader) read(ctx context.Context, start, goal GTIDSet, v binlogVisitor) error {
	left := newBinlogGoal(goal.Minus(start))
	if left.reached() {
		return nil
	}
	set, err := gomysql.ParseGTIDSet(r.flavor(), start.String())
	if err != nil {
		return fmt.Errorf("read the binlog of %s from %s: %w", r.server.Name(), start, err)
	}
	pass := &binlogPass{ctx: ctx, visitor: v, left: left, heard: time.Now()}
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
		return fmt.Errorf("read the binlog of %s: %w", r.server.Name(), context.Cause(ctx))
	}
	return r.explain(err)
}

// flavor is the server's flavor as go-mysql spells it: in lower case.
func (r *binlogReader) flavor() string { return strings.ToLower(string(r.dialect.Flavor)) }

func (r *binlogReader) config(pass *binlogPass) (logevent.BinlogSyncerConfig, error) {
	cfg := logevent.BinlogSyncerConfig{
		ServerID: r.id, Flavor: r.flavor(), Localhost: "migrate",
		User: r.user(), Password: r.password.Open(),
		Host: r.server.cfg.Address, HeartbeatPeriod: binlogBeat, ReadTimeout: binlogSilence,
		DisableRetrySync: true, DiscardGTIDSet: true, TimestampStringLocation: time.UTC,
		Logger: slog.New(slog.DiscardHandler), // it would log rows
		Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
			return r.server.dial(ctx, network, address)
		},
		SynchronousEventHandler: pass, RowsEventDecodeFunc: pass.decode, PayloadDecoderConcurrency: 1,
	}
	if r.server.cfg.Network == "unix" {
		return cfg, nil
	}
	host, port, err := net.SplitHostPort(r.server.cfg.Address)
	if err != nil {
		return cfg, fmt.Errorf("read the binlog of %s: %w", r.server.Name(), err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return cfg, fmt.Errorf("read the binlog of %s: port %q: %w", r.server.Name(), port, err)
	}
	cfg.Host, cfg.Port = host, uint16(n)
	return cfg, nil
}

// explain says what to do about a binlog that could not be read. The text of
// an event's error is left out: it holds the event.
func (r *binlogReader) explain(err error) error {
	var event *logevent.EventError
	if errors.As(err, &event) {
		return fmt.Errorf("read the binlog of %s: an event of type %s cannot be decoded", r.server.Name(), event.Header.EventType)
	}
	var refused *gomysql.MyError
	if !errors.As(err, &refused) {
		return report.Transient(fmt.Errorf("read the binlog of %s: %w", r.server.Name(), err), time.Second)
	}
	if refused.Code == 1236 && strings.Contains(refused.Message, "purged") { // ER_MASTER_FATAL_ERROR_READING_BINLOG
		err = fmt.Errorf("%w: %w", ErrBinlogPurged, err)
		return report.WithHint(fmt.Errorf("read the binlog of %s: %w", r.server.Name(), err),
			"compare the rows with migrate verify, and keep binlogs longer; docs/conflicts.md says how to go on without a report")
	}
	return fmt.Errorf("read the binlog of %s: %w", r.server.Name(), err)
}

// binlogGoal is the transactions that have yet to come.
type binlogGoal struct {
	set  GTIDSet
	left int64 // of intervals; domains leave the set
}

func newBinlogGoal(set GTIDSet) *binlogGoal {
	return &binlogGoal{set: set.Union(GTIDSet{}), left: set.Ahead(GTIDSet{})} // the union is a copy
}

func (g *binlogGoal) reached() bool { return g.left == 0 || g.set.IsEmpty() }

func (g *binlogGoal) seen(id gtid) {
	if g.set.byDomain() {
		if last, ok := g.set.domains[id.domain]; ok && id.sequence >= last.sequence {
			delete(g.set.domains, id.domain)
		}
		return
	}
	for _, i := range g.set.intervals[id.origin[:len(id.origin)-1]] {
		if n := int64(id.sequence); i.first <= n && n <= i.last {
			g.left--
			return
		}
	}
}
