package wire

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	protocol "github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-sql-driver/mysql"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/report"
)

const (
	wireBuffer   = 128 << 10
	wireKeep     = 4 << 20 // of a packet's memory that stays between rows
	maxPayload   = 1<<24 - 1
	StatementGap = 5 // bytes before a statement: the packet's head and the command
	comQuit      = 0x01
	// ComQuery is the command that runs a statement.
	ComQuery = 0x03
)

// Conn is a connection on which rows travel as the bytes of the protocol: a
// row of a result is one packet, whose values are never made into Go values.
// Its login is the library's, its framing is this file's. Not for concurrent use.
type Conn struct {
	Server *replication.Server
	Conn   net.Conn
	in     *bufio.Reader
	seq    byte
	Packet []byte
	Broken bool

	Most     int // bytes of a command that the server takes
	settings []string
	Extended bool // the server's protocol, see Dialect.ExtendedCapabilities
	prepared struct {
		statement string
		id        uint32
	}
	Pinned       bool     // what it has open cannot be had again by another connection
	takesSeveral bool     // statements to a packet
	ahead        []string // queries that were sent and not read, see askAhead
}

// Open opens a connection for rows and runs the settings in it. Texts come and
// go as they are stored, without conversion.
func Open(ctx context.Context, s *replication.Server, settings ...string) (*Conn, error) {
	w := &Conn{Server: s, settings: settings}
	return w, w.open(ctx)
}

// Restore connects again where the connection has ended.
func (w *Conn) Restore(ctx context.Context) error {
	if !w.Broken || w.Pinned {
		return nil
	}
	return w.open(ctx)
}

func (w *Conn) open(ctx context.Context) error {
	s := w.Server
	dialect, err := s.Dialect(ctx)
	if err != nil {
		return err
	}
	w.Broken, w.Extended, w.prepared.statement, w.takesSeveral, w.ahead = false, dialect.ExtendedCapabilities(), "", false, nil
	limited, cancel := context.WithTimeout(ctx, replication.DialTimeout)
	defer cancel()
	release := func() bool { return true }
	dialer := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := s.Dial(ctx, network, address)
		if err == nil {
			w.Conn = conn
			release = context.AfterFunc(limited, func() { _ = conn.Close() }) // not every connection knows deadlines
			if w.Extended {
				conn = &bulkLogin{Conn: conn}
			}
		}
		return conn, err
	}
	_, err = protocol.ConnectWithDialer(limited, s.Config.Network, s.Config.Address, s.Config.User, s.Config.Password.Open(), "", dialer,
		func(c *protocol.Conn) error {
			c.UnsetCapability(gomysql.CLIENT_DEPRECATE_EOF)
			c.UnsetCapability(gomysql.CLIENT_QUERY_ATTRIBUTES)
			if w.Extended {
				c.UnsetCapability(gomysql.CLIENT_LONG_PASSWORD) // the bit says: without the extended ones
			}
			return nil
		})
	if err != nil {
		w.Broken = true
		return s.Wrap("connect", PlainError(err))
	}
	if !release() {
		w.Broken = true
		return s.Wrap("connect", context.Cause(limited))
	}
	w.in = bufio.NewReaderSize(w.Conn, wireBuffer)
	w.Most = 0 // of the server is not known yet
	settings := append([]string{
		"SET time_zone = '+00:00', sql_mode = '" + replication.SessionMode + "', lock_wait_timeout = " + replication.LockWaitSeconds +
			", wait_timeout = 3600, net_write_timeout = 600, net_read_timeout = 600",
		"SET " + replication.SessionMark + " = " + replication.SessionMarkValue, rowSession, dialect.NoLimits(),
	}, w.settings...)
	answers, err := w.Several(ctx, append(settings, "SELECT @@max_allowed_packet")...)
	if n := len(answers); err != nil && n < len(settings) {
		w.Close()
		return s.Wrap(settings[n], err)
	}
	if err == nil {
		w.Most, err = strconv.Atoi(answers[len(settings)].Rows[0][0])
	}
	if err == nil {
		err = w.setSeveral(ctx, false)
	}
	if err != nil {
		w.Close()
		return s.Wrap("read max_allowed_packet", err)
	}
	return nil
}

// errPacket is the server's ER_NET_PACKET_TOO_LARGE.
const errPacket = 1153

// PlainError makes the library's error one that errorNumber knows.
func PlainError(err error) error {
	var e *gomysql.MyError
	if errors.As(err, &e) {
		return &mysql.MySQLError{Number: e.Code, Message: e.Message}
	}
	return err
}

// Close ends the connection; one in good order takes leave, so that the server
// logs no aborted client.
func (w *Conn) Close() {
	if w == nil || w.Conn == nil {
		return
	}
	if !w.Broken && w.in != nil {
		_, _ = w.Conn.Write([]byte{1, 0, 0, 0, comQuit})
	}
	_ = w.Conn.Close()
	w.Broken = true
}

// guard ends what waits on the connection when ctx ends.
func (w *Conn) guard(ctx context.Context) (release func()) {
	stop := context.AfterFunc(ctx, func() { _ = w.Conn.Close() })
	return func() {
		if !stop() {
			w.Broken = true
		}
	}
}

// fail marks the connection as unusable, and says why it is.
func (w *Conn) fail(ctx context.Context, err error) error {
	w.Broken = true
	w.Close()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return report.Transient(fmt.Errorf("the connection to %s is lost: %w", w.Server.Name(), err), time.Second)
}

// Exec runs a statement that has no result, and returns its number of warnings.
func (w *Conn) Exec(ctx context.Context, statement string) (warnings int, err error) {
	return w.command(ctx, ComQuery, append(make([]byte, StatementGap, StatementGap+len(statement)), statement...))
}

// command sends a command without a result, whose data stands behind statementGap bytes, without copying it.
func (w *Conn) command(ctx context.Context, command byte, data []byte) (warnings int, err error) {
	if n := len(data) - StatementGap + 1; w.Most > 0 && n > w.Most {
		// The server would end the connection in the middle of it, most often unheard.
		return 0, &mysql.MySQLError{Number: errPacket, Message: fmt.Sprintf("%d bytes are more than max_allowed_packet of %s, %d", n, w.Server.Name(), w.Most)}
	}
	if len(w.ahead) > 0 {
		return 0, w.fail(ctx, ErrUnread)
	}
	defer w.guard(ctx)()
	if err := w.send(command, data); err != nil {
		return 0, w.fail(ctx, err)
	}
	if err := w.read(); err != nil {
		return 0, w.fail(ctx, err)
	}
	switch w.Packet[0] {
	case 0x00:
		return w.okWarnings(), nil
	case 0xff:
		return 0, w.serverError()
	}
	return 0, w.fail(ctx, errors.New("a statement without result has one"))
}

// Query runs a SELECT and hands each row's packet to each. An error of each ends the connection.
func (w *Conn) Query(ctx context.Context, statement string, each func(row []byte) error) error {
	if len(w.ahead) > 0 && w.ahead[0] != statement {
		w.ForgetAhead()
	}
	if err := w.Restore(ctx); err != nil {
		return err
	}
	defer w.guard(ctx)()
	if len(w.ahead) > 0 {
		w.ahead = w.ahead[1:]
	} else {
		if err := w.send(ComQuery, append(make([]byte, StatementGap, StatementGap+len(statement)), statement...)); err != nil {
			return w.fail(ctx, err)
		}
	}
	if err := w.read(); err != nil {
		return w.fail(ctx, err)
	}
	switch w.Packet[0] {
	case 0xff:
		w.ahead = nil // the server answers no more of them
		return w.serverError()
	case 0x00:
		return w.fail(ctx, errors.New("a query has no result"))
	}
	for { // the columns' descriptions
		if err := w.read(); err != nil {
			return w.fail(ctx, err)
		}
		if w.atEnd() {
			break
		}
	}
	return w.rows(ctx, each)
}

// rows reads the rows of a result.
func (w *Conn) rows(ctx context.Context, each func(row []byte) error) error {
	for {
		if err := w.read(); err != nil {
			return w.fail(ctx, err)
		}
		switch {
		case w.atEnd():
			if cap(w.Packet) > wireKeep {
				w.Packet = nil
			}
			return nil
		case w.Packet[0] == 0xff:
			w.ahead = nil
			return w.serverError()
		}
		if err := each(w.Packet); err != nil {
			w.Broken = true
			w.Close()
			return err
		}
	}
}

// Texts reads a small result; NULL is the empty string.
func (w *Conn) Texts(ctx context.Context, statement string) ([][]string, error) {
	var out [][]string
	err := w.Query(ctx, statement, func(row []byte) error {
		line, err := texts(row)
		if err != nil {
			return err
		}
		out = append(out, line)
		return nil
	})
	return out, err
}

func (w *Conn) atEnd() bool { return w.Packet[0] == 0xfe && len(w.Packet) < 9 }

func (w *Conn) okWarnings() int {
	rest := w.Packet[1:]
	for range 2 { // affected rows, last insert id
		n, err := lengthOf(rest)
		if err != nil {
			return 0
		}
		rest = rest[n.size:]
	}
	if len(rest) < 4 {
		return 0
	}
	return int(binary.LittleEndian.Uint16(rest[2:]))
}

func (w *Conn) serverError() error {
	if len(w.Packet) < 3 {
		return errors.New("the server refuses without a reason")
	}
	number := binary.LittleEndian.Uint16(w.Packet[1:])
	if number == errPacket {
		w.Broken = true // the server closes it
	}
	message := w.Packet[3:]
	if len(message) > 6 && message[0] == '#' {
		message = message[6:]
	}
	return &mysql.MySQLError{Number: number, Message: string(message)}
}

// send writes a command in as many packets as it needs, in place.
func (w *Conn) send(command byte, data []byte) error {
	data[StatementGap-1] = command
	w.seq = 0
	for {
		n := min(len(data)-4, maxPayload)
		data[0], data[1], data[2], data[3] = byte(n), byte(n>>8), byte(n>>16), w.seq
		w.seq++
		if _, err := w.Conn.Write(data[:4+n]); err != nil {
			return err
		}
		if n < maxPayload {
			return nil
		}
		data = data[n:] // the next head overwrites the last four bytes that were sent
	}
}

// read reads one packet, which is never empty.
func (w *Conn) read() error {
	w.Packet = w.Packet[:0]
	for {
		var head [4]byte
		if _, err := io.ReadFull(w.in, head[:]); err != nil {
			return err
		}
		n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
		at := len(w.Packet)
		if need := at + n; cap(w.Packet) < need {
			grown := make([]byte, at, max(need, min(2*cap(w.Packet), need+wireKeep)))
			copy(grown, w.Packet)
			w.Packet = grown
		}
		w.Packet = w.Packet[:at+n]
		if _, err := io.ReadFull(w.in, w.Packet[at:]); err != nil {
			return err
		}
		if n < maxPayload {
			break
		}
	}
	if len(w.Packet) == 0 {
		return errors.New("an empty packet")
	}
	return nil
}
