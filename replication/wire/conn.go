package wire

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	protocol "github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/report"
)

// readBuffer is the buffer of a connection, in bytes.
const readBuffer = 128 << 10

// ReadCommitted makes each read of a session see what is committed then, and keep
// no old row versions on the server.
const ReadCommitted = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"

// rowSession makes a session read and write texts as they are stored, without
// conversion.
const rowSession = "SET NAMES binary"

// Conn is a connection on which a row of a result is one packet, whose values are
// never made into Go values. The library does its login, this package the framing
// of its packets. Not for concurrent use.
type Conn struct {
	server   *replication.Server
	settings []string

	conn      net.Conn
	in        *bufio.Reader
	sequence  byte
	packet    []byte // the one that was read last
	maxPacket int    // bytes of a command that the server takes; 0: not known yet
	lost      bool
	pinned    bool
	takesBulk bool
	prepared  struct {
		statement string
		id        uint32
	}
	multiStatements bool     // the server takes several statements in a packet
	prefetched      []string // queries that were sent and whose results were not read
}

// Open opens a connection for rows and runs the settings on it. Texts come and go
// as they are stored, without conversion.
func Open(ctx context.Context, s *replication.Server, settings ...string) (*Conn, error) {
	c := &Conn{server: s, settings: settings}
	return c, c.open(ctx)
}

// Server is the server that the connection leads to.
func (c *Conn) Server() *replication.Server { return c.server }

// Pin says that the connection holds what another one could not continue, as a
// transaction or a snapshot: it is not opened again when it is lost.
func (c *Conn) Pin() { c.pinned = true }

// Pinned reports whether the connection is pinned.
func (c *Conn) Pinned() bool { return c.pinned }

// TakesBulk reports whether the server takes many rows for one prepared statement
// (BulkRequest).
func (c *Conn) TakesBulk() bool { return c.takesBulk }

// NetConn is the network connection of now. Another goroutine may close it, to end
// what waits on the connection; use it for nothing else.
func (c *Conn) NetConn() net.Conn { return c.conn }

// Restore opens the connection again if it was lost and is not pinned.
func (c *Conn) Restore(ctx context.Context) error {
	if !c.lost || c.pinned {
		return nil
	}
	return c.open(ctx)
}

func (c *Conn) open(ctx context.Context) error {
	d, err := c.server.Dialect(ctx)
	if err != nil {
		return err
	}
	c.lost, c.takesBulk, c.prepared.statement, c.multiStatements, c.prefetched = false, d.ExtendedCapabilities(), "", false, nil
	if err := c.login(ctx); err != nil {
		c.lost = true
		return c.server.Wrap("connect", err)
	}
	c.in = bufio.NewReaderSize(c.conn, readBuffer)
	return c.configure(ctx, d.NoLimits())
}

// login connects and logs in.
func (c *Conn) login(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, replication.DialTimeout)
	defer cancel()
	release := func() bool { return true }
	dialer := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := c.server.Dial(ctx, network, address)
		if err == nil {
			c.conn = conn
			release = context.AfterFunc(limited, func() { _ = conn.Close() }) // not every connection knows deadlines
			if c.takesBulk {
				conn = &bulkLogin{Conn: conn}
			}
		}
		return conn, err
	}
	network, address := c.server.Address()
	_, err := protocol.ConnectWithDialer(limited, network, address, c.server.User(), c.server.Password().Open(), "", dialer,
		func(login *protocol.Conn) error {
			login.UnsetCapability(gomysql.CLIENT_DEPRECATE_EOF)
			login.UnsetCapability(gomysql.CLIENT_QUERY_ATTRIBUTES)
			if c.takesBulk {
				login.UnsetCapability(gomysql.CLIENT_LONG_PASSWORD) // the bit means: without extended capabilities
			}
			return nil
		})
	if err != nil {
		return DriverError(err)
	}
	if !release() {
		return context.Cause(limited)
	}
	return nil
}

// configure runs the settings of the session, and reads how long a packet the server
// takes. noLimits is the setting that lifts the limit of statements.
func (c *Conn) configure(ctx context.Context, noLimits string) error {
	c.maxPacket = 0
	settings := append([]string{
		"SET time_zone = '+00:00', sql_mode = '" + replication.SessionMode + "', lock_wait_timeout = " + replication.LockWaitSeconds +
			", wait_timeout = 3600, net_write_timeout = 600, net_read_timeout = 600, group_concat_max_len = 1073741824" + replication.DefinitionSettings,
		replication.MarkSession, rowSession, noLimits,
	}, c.settings...)
	answers, err := c.RunAll(ctx, append(settings, "SELECT @@max_allowed_packet")...)
	if n := len(answers); err != nil && n < len(settings) {
		c.Close()
		return c.server.Wrap(settings[n], err)
	}
	var limit string
	if err == nil {
		limit, err = answers[len(settings)].Value()
	}
	if err == nil {
		c.maxPacket, err = strconv.Atoi(limit)
	}
	if err == nil {
		err = c.setMultiStatements(ctx, false)
	}
	if err != nil {
		c.Close()
		return c.server.Wrap("read max_allowed_packet", err)
	}
	return nil
}

// Close ends the connection, with COM_QUIT if it is in good order: the server then
// logs no aborted client.
func (c *Conn) Close() {
	if c == nil || c.conn == nil {
		return
	}
	if !c.lost && c.in != nil {
		_, _ = c.conn.Write([]byte{1, 0, 0, 0, comQuit})
	}
	_ = c.conn.Close()
	c.lost = true
}

// guard closes the network connection when ctx ends, which ends what waits on it.
func (c *Conn) guard(ctx context.Context) (release func()) {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	return func() {
		if !stop() {
			c.lost = true
		}
	}
}

// fail ends the connection because of err, and returns the error for the caller.
func (c *Conn) fail(ctx context.Context, err error) error {
	c.lost = true
	c.Close()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return report.Transient(fmt.Errorf("the connection to %s is lost: %w", c.server.Name(), err), time.Second)
}
