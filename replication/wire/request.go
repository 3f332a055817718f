package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
)

// Request is a statement in a buffer that NewPacket has begun.
type Request struct {
	command byte
	prepare string // the statement to prepare first; "" is none
	start   int    // where its packet begins in the buffer
	buffer  []byte
}

// NewPacket empties a buffer and makes room in it for the head of a packet. The
// data of a statement is appended to it.
func NewPacket(buffer []byte) []byte {
	return append(buffer[:0], make([]byte, packetHead)...)
}

// TextRequest is the request for a statement whose text is in the buffer.
func TextRequest(buffer []byte) Request {
	return Request{command: comQuery, buffer: buffer}
}

// BulkRequest is the request to run a prepared statement for the many rows in
// the buffer (COM_STMT_BULK_EXECUTE). The server must take it, see Conn.TakesBulk.
func BulkRequest(prepare string, buffer []byte) Request {
	return Request{command: comBulkExecute, prepare: prepare, buffer: buffer}
}

// ExecuteRequest is the request to run a prepared statement with the parameters
// in the buffer (COM_STMT_EXECUTE). Its data begins at `at`; the bytes of a
// packet's head in front of that are overwritten.
func ExecuteRequest(prepare string, buffer []byte, at int) Request {
	return Request{command: comExecute, prepare: prepare, start: at - packetHead, buffer: buffer}
}

// Buffer is the buffer that the request was made with, to be used again once it
// was sent.
func (r Request) Buffer() []byte { return r.buffer }

const (
	comPrepare     = 0x16
	comExecute     = 0x17
	comCloseStmt   = 0x19
	comBulkExecute = 0xfa // https://mariadb.com/kb/en/com_stmt_bulk_execute/
)

// AppendLength appends a length-encoded number.
func AppendLength(out []byte, n int) []byte {
	switch {
	case n < 251:
		return append(out, byte(n))
	case n < 1<<16:
		return append(out, 0xfc, byte(n), byte(n>>8))
	case n < 1<<24:
		return append(out, 0xfd, byte(n), byte(n>>8), byte(n>>16))
	}
	return binary.LittleEndian.AppendUint64(append(out, 0xfe), uint64(n)) //nolint:gosec // a length
}

// Send sends a request that has no result, and returns its number of warnings.
func (c *Conn) Send(ctx context.Context, r Request) (warnings int, err error) {
	packet := r.buffer[r.start:]
	if r.prepare != "" {
		id, err := c.prepare(ctx, r.prepare)
		if err != nil {
			return 0, err
		}
		binary.LittleEndian.PutUint32(packet[packetHead:], id)
	}
	return c.command(ctx, r.command, packet)
}

// prepare prepares a statement; the connection keeps the last one.
func (c *Conn) prepare(ctx context.Context, statement string) (id uint32, err error) {
	if c.prepared.statement == statement {
		return c.prepared.id, nil
	}
	defer c.guard(ctx)()
	if c.prepared.statement != "" { // COM_STMT_CLOSE has no answer
		if err := c.send(comCloseStmt, binary.LittleEndian.AppendUint32(NewPacket(nil), c.prepared.id)); err != nil {
			return 0, c.fail(ctx, err)
		}
		c.prepared.statement = ""
	}
	if err := c.send(comPrepare, append(NewPacket(nil), statement...)); err != nil {
		return 0, c.fail(ctx, err)
	}
	if err := c.read(); err != nil {
		return 0, c.fail(ctx, err)
	}
	if c.packet[0] == 0xff {
		return 0, c.serverError()
	}
	if c.packet[0] != 0 || len(c.packet) < 9 {
		return 0, c.fail(ctx, errors.New("no answer to a prepared statement"))
	}
	id = binary.LittleEndian.Uint32(c.packet[1:])
	if binary.LittleEndian.Uint16(c.packet[5:]) > 0 {
		return 0, c.fail(ctx, fmt.Errorf("a statement with a result: %s", statement))
	}
	for parameters := binary.LittleEndian.Uint16(c.packet[7:]) > 0; parameters; { // their descriptions
		if err := c.read(); err != nil {
			return 0, c.fail(ctx, err)
		}
		parameters = !c.atEnd()
	}
	c.prepared.statement, c.prepared.id = statement, id
	return id, nil
}

// Where MariaDB's extended capabilities stand in the packet of the login, and the
// bit that announces bulk statements.
const (
	extendedAt      = 32
	extendedHasBulk = 1 << 2
)

// bulkLogin sets the capability for bulk statements in the login's first packet;
// the library does not know it.
type bulkLogin struct {
	net.Conn
	once sync.Once
}

// Write implements net.Conn.
func (c *bulkLogin) Write(p []byte) (int, error) {
	c.once.Do(func() {
		if len(p) >= extendedAt+4 {
			p[extendedAt] |= extendedHasBulk
		}
	})
	return c.Conn.Write(p)
}
