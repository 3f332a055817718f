package replication

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

	"github.com/dcmigrate/migrate/report"
)

const (
	wireBuffer   = 128 << 10
	wireKeep     = 4 << 20 // of a packet's memory that stays between rows
	maxPayload   = 1<<24 - 1
	statementGap = 5 // bytes before a statement: the packet's head and the command
	comQuit      = 0x01
	comQuery     = 0x03
)

// wire is a connection on which rows travel as the bytes of the protocol: a
// row of a result is one packet, whose values are never made into Go values.
// Its login is the library's, its framing is this file's. Not for concurrent use.
type wire struct {
	server *Server
	conn   net.Conn
	in     *bufio.Reader
	seq    byte
	packet []byte
	broken bool

	most     int // bytes of a command that the server takes
	settings []string
	extended bool // the server's protocol, see Dialect.ExtendedCapabilities
	prepared struct {
		statement string
		id        uint32
	}
	pinned       bool     // what it has open cannot be had again by another connection
	takesSeveral bool     // statements to a packet
	ahead        []string // queries that were sent and not read, see askAhead
}

// openWire opens a connection for rows and runs the settings in it. Texts come and
// go as they are stored, without conversion.
func openWire(ctx context.Context, s *Server, settings ...string) (*wire, error) {
	w := &wire{server: s, settings: settings}
	return w, w.open(ctx)
}

// restore connects again where the connection has ended.
func (w *wire) restore(ctx context.Context) error {
	if !w.broken || w.pinned {
		return nil
	}
	return w.open(ctx)
}

func (w *wire) open(ctx context.Context) error {
	s := w.server
	dialect, err := s.Dialect(ctx)
	if err != nil {
		return err
	}
	w.broken, w.extended, w.prepared.statement, w.takesSeveral, w.ahead = false, dialect.ExtendedCapabilities(), "", false, nil
	limited, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	release := func() bool { return true }
	dialer := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := s.dial(ctx, network, address)
		if err == nil {
			w.conn = conn
			release = context.AfterFunc(limited, func() { _ = conn.Close() }) // not every connection knows deadlines
			if w.extended {
				conn = &bulkLogin{Conn: conn}
			}
		}
		return conn, err
	}
	_, err = protocol.ConnectWithDialer(limited, s.cfg.Network, s.cfg.Address, s.cfg.User, s.cfg.Password.Open(), "", dialer,
		func(c *protocol.Conn) error {
			c.UnsetCapability(gomysql.CLIENT_DEPRECATE_EOF)
			c.UnsetCapability(gomysql.CLIENT_QUERY_ATTRIBUTES)
			if w.extended {
				c.UnsetCapability(gomysql.CLIENT_LONG_PASSWORD) // the bit says: without the extended ones
			}
			return nil
		})
	if err != nil {
		w.broken = true
		return s.wrap("connect", plainError(err))
	}
	if !release() {
		w.broken = true
		return s.wrap("connect", context.Cause(limited))
	}
	w.in = bufio.NewReaderSize(w.conn, wireBuffer)
	w.most = 0 // of the server is not known yet
	settings := append([]string{
		"SET time_zone = '+00:00', sql_mode = '" + sessionMode + "', lock_wait_timeout = " + lockWaitSeconds +
			", wait_timeout = 3600, net_write_timeout = 600, net_read_timeout = 600",
		"SET " + sessionMark + " = " + sessionMarkValue, rowSession, dialect.NoLimits(),
	}, w.settings...)
	answers, err := w.several(ctx, append(settings, "SELECT @@max_allowed_packet")...)
	if n := len(answers); err != nil && n < len(settings) {
		w.close()
		return s.wrap(settings[n], err)
	}
	if err == nil {
		w.most, err = strconv.Atoi(answers[len(settings)].rows[0][0])
	}
	if err == nil {
		err = w.setSeveral(ctx, false)
	}
	if err != nil {
		w.close()
		return s.wrap("read max_allowed_packet", err)
	}
	return nil
}

// errPacket is the server's ER_NET_PACKET_TOO_LARGE.
const errPacket = 1153

// plainError makes the library's error one that errorNumber knows.
func plainError(err error) error {
	var e *gomysql.MyError
	if errors.As(err, &e) {
		return &mysql.MySQLError{Number: e.Code, Message: e.Message}
	}
	return err
}

// close ends the connection; one in good order takes leave, so that the server
// logs no aborted client.
func (w *wire) close() {
	if w == nil || w.conn == nil {
		return
	}
	if !w.broken && w.in != nil {
		_, _ = w.conn.Write([]byte{1, 0, 0, 0, comQuit})
	}
	_ = w.conn.Close()
	w.broken = true
}

// guard ends what waits on the connection when ctx ends.
func (w *wire) guard(ctx context.Context) (release func()) {
	stop := context.AfterFunc(ctx, func() { _ = w.conn.Close() })
	return func() {
		if !stop() {
			w.broken = true
		}
	}
}

// fail marks the connection as unusable, and says why it is.
func (w *wire) fail(ctx context.Context, err error) error {
	w.broken = true
	w.close()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return report.Transient(fmt.Errorf("the connection to %s is lost: %w", w.server.Name(), err), time.Second)
}

// exec runs a statement that has no result, and returns its number of warnings.
func (w *wire) exec(ctx context.Context, statement string) (warnings int, err error) {
	return w.command(ctx, comQuery, append(make([]byte, statementGap, statementGap+len(statement)), statement...))
}

// command sends a command without a result, whose data stands behind statementGap bytes, without copying it.
func (w *wire) command(ctx context.Context, command byte, data []byte) (warnings int, err error) {
	if n := len(data) - statementGap + 1; w.most > 0 && n > w.most {
		// The server would end the connection in the middle of it, most often unheard.
		return 0, &mysql.MySQLError{Number: errPacket, Message: fmt.Sprintf("%d bytes are more than max_allowed_packet of %s, %d", n, w.server.Name(), w.most)}
	}
	if len(w.ahead) > 0 {
		return 0, w.fail(ctx, errUnread)
	}
	defer w.guard(ctx)()
	if err := w.send(command, data); err != nil {
		return 0, w.fail(ctx, err)
	}
	if err := w.read(); err != nil {
		return 0, w.fail(ctx, err)
	}
	switch w.packet[0] {
	case 0x00:
		return w.okWarnings(), nil
	case 0xff:
		return 0, w.serverError()
	}
	return 0, w.fail(ctx, errors.New("a statement without result has one"))
}

// query runs a SELECT and hands each row's packet to each. An error of each ends the connection.
func (w *wire) query(ctx context.Context, statement string, each func(row []byte) error) error {
	if len(w.ahead) > 0 && w.ahead[0] != statement {
		w.forgetAhead()
	}
	if err := w.restore(ctx); err != nil {
		return err
	}
	defer w.guard(ctx)()
	if len(w.ahead) > 0 {
		w.ahead = w.ahead[1:]
	} else {
		if err := w.send(comQuery, append(make([]byte, statementGap, statementGap+len(statement)), statement...)); err != nil {
			return w.fail(ctx, err)
		}
	}
	if err := w.read(); err != nil {
		return w.fail(ctx, err)
	}
	switch w.packet[0] {
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
func (w *wire) rows(ctx context.Context, each func(row []byte) error) error {
	for {
		if err := w.read(); err != nil {
			return w.fail(ctx, err)
		}
		switch {
		case w.atEnd():
			if cap(w.packet) > wireKeep {
				w.packet = nil
			}
			return nil
		case w.packet[0] == 0xff:
			w.ahead = nil
			return w.serverError()
		}
		if err := each(w.packet); err != nil {
			w.broken = true
			w.close()
			return err
		}
	}
}

// texts reads a small result; NULL is the empty string.
func (w *wire) texts(ctx context.Context, statement string) ([][]string, error) {
	var out [][]string
	err := w.query(ctx, statement, func(row []byte) error {
		line, err := texts(row)
		if err != nil {
			return err
		}
		out = append(out, line)
		return nil
	})
	return out, err
}

func (w *wire) atEnd() bool { return w.packet[0] == 0xfe && len(w.packet) < 9 }

func (w *wire) okWarnings() int {
	rest := w.packet[1:]
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

func (w *wire) serverError() error {
	if len(w.packet) < 3 {
		return errors.New("the server refuses without a reason")
	}
	number := binary.LittleEndian.Uint16(w.packet[1:])
	if number == errPacket {
		w.broken = true // the server closes it
	}
	message := w.packet[3:]
	if len(message) > 6 && message[0] == '#' {
		message = message[6:]
	}
	return &mysql.MySQLError{Number: number, Message: string(message)}
}

// send writes a command in as many packets as it needs, in place.
func (w *wire) send(command byte, data []byte) error {
	data[statementGap-1] = command
	w.seq = 0
	for {
		n := min(len(data)-4, maxPayload)
		data[0], data[1], data[2], data[3] = byte(n), byte(n>>8), byte(n>>16), w.seq
		w.seq++
		if _, err := w.conn.Write(data[:4+n]); err != nil {
			return err
		}
		if n < maxPayload {
			return nil
		}
		data = data[n:] // the next head overwrites the last four bytes that were sent
	}
}

// read reads one packet, which is never empty.
func (w *wire) read() error {
	w.packet = w.packet[:0]
	for {
		var head [4]byte
		if _, err := io.ReadFull(w.in, head[:]); err != nil {
			return err
		}
		n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
		at := len(w.packet)
		if need := at + n; cap(w.packet) < need {
			grown := make([]byte, at, max(need, min(2*cap(w.packet), need+wireKeep)))
			copy(grown, w.packet)
			w.packet = grown
		}
		w.packet = w.packet[:at+n]
		if _, err := io.ReadFull(w.in, w.packet[at:]); err != nil {
			return err
		}
		if n < maxPayload {
			break
		}
	}
	if len(w.packet) == 0 {
		return errors.New("an empty packet")
	}
	return nil
}
