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
	"github.com/dcmigrate/migrate/replication/statement"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

// ErrPurged is wrapped when a server no longer has the requested part of its binlog.
var ErrPurged = errors.New("that part of the binlog is purged")

const (
	// heartbeatPeriod is the time between the heartbeats of a server that has nothing to
	// send.
	heartbeatPeriod = time.Second
	// maxSilence bounds a reader's wait for the next transaction or heartbeat.
	maxSilence = 30 * time.Second
)

// Transaction is one transaction of a binlog.
type Transaction struct {
	ID replication.GTID
	At time.Time // by the clock of the server that executed it first
}

// Visitor receives the contents of a binlog in their order.
type Visitor interface {
	// Begin starts a transaction. If it is not wanted, its rows are not decoded.
	Begin(t Transaction) (wanted bool)
	// Rows receives the rows of one table that a wanted transaction changed. The visitor must
	// not keep them. An event that cannot be decoded is broken and has no rows.
	Rows(ctx context.Context, e *logevent.RowsEvent, broken bool) error
	// Statement receives a statement of a wanted transaction.
	Statement(s statement.Logged)
	// XA receives the steps of distributed transactions, wanted or not.
	XA(step XAStep, name replication.XID)
}

// Reader reads the binlog of one server, through the server's host if there is one. It
// logs in with an account of its own that may do nothing else.
type Reader struct {
	Server   *replication.Server
	Dialect  *dialect.Dialect
	password secret.Value
	texts    texts
	ID       uint32 // the reader's server_id
}

// ReaderLogin is the account that reads a server's binlog. It exists only during a read.
func ReaderLogin(s *replication.Server) account.Login {
	return account.Login{Server: s, Name: replication.ReaderUser, Grant: "REPLICATION SLAVE ON *.*"}
}

// Open returns a reader of the server's binlog. It creates the reader's account, and first
// drops one that an earlier run has left.
func Open(ctx context.Context, s *replication.Server) (*Reader, error) {
	dialect, err := s.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	r := &Reader{
		Server: s, Dialect: dialect, password: account.NewPassword(),
		ID: 1<<31 + rand.Uint32N(1<<31-1), // a real server's id is rarely that high
	}
	if r.texts, err = readTexts(ctx, s, dialect); err != nil {
		return nil, err
	}
	if s.OnlyReads() {
		r.password = s.Password()
		return r, nil
	}
	return r, ReaderLogin(s).Create(ctx, s.ClientHost(), r.password)
}

// Close drops the reader's account, also when ctx has ended.
func (r *Reader) Close(ctx context.Context) error {
	if r.Server.OnlyReads() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replication.RestoreTimeout)
	defer cancel()
	return ReaderLogin(r.Server).Drop(ctx)
}

// user is the name of the account that the reader logs in with.
func (r *Reader) user() string {
	if r.Server.OnlyReads() {
		return r.Server.User()
	}
	return ReaderLogin(r.Server).Name
}

// Read passes the visitor every transaction that is not in start, until it has read all of
// goal. It holds one event at a time in memory.
func (r *Reader) Read(ctx context.Context, start, goal replication.GTIDSet, v Visitor) error {
	left := newRemaining(goal.Minus(start))
	if left.isEmpty() {
		return nil
	}
	set, err := gomysql.ParseGTIDSet(r.flavor(), start.String())
	if err != nil {
		return fmt.Errorf("read the binlog of %s from %s: %w", r.Server.Name(), start, err)
	}
	pass := &pass{ctx: ctx, visitor: v, texts: r.texts, remaining: left, lastHeard: time.Now()}
	cfg, err := r.config(pass)
	if err != nil {
		return err
	}
	syncer := logevent.NewBinlogSyncer(cfg)
	stream, err := syncer.StartSyncGTID(set)
	if err == nil {
		_, err = stream.GetEvent(ctx) // the pass handles the events; GetEvent returns the stream's end
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

// explain adds what to do about a binlog that could not be read. It leaves out the text of
// an error about an event, which quotes the event.
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

// remaining are the transactions that a pass has not read yet.
type remaining struct {
	set   replication.GTIDSet // of MariaDB without the domains that are read
	count int64               // on MySQL
}

func newRemaining(set replication.GTIDSet) *remaining {
	return &remaining{set: set, count: set.Ahead(replication.GTIDSet{})}
}

func (r *remaining) isEmpty() bool { return r.count == 0 || r.set.IsEmpty() }

func (r *remaining) remove(id replication.GTID) {
	if !r.set.ByDomain() {
		if r.set.Has(id) {
			r.count--
		}
		return
	}
	if last, ok := r.set.LastOf(id.Domain); ok && id.Sequence >= last {
		r.set = r.set.Without(id.Domain)
	}
}
