package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
)

// Request is a statement on its way.
type Request struct {
	Command byte
	Prepare string // "" without
	From    int    // where its packet begins in the buffer: statementGap before its data
	Buffer  []byte
}

func (r Request) packet() []byte { return r.Buffer[r.From:] }

const comPrepare = 0x16

const comCloseStmt = 0x19

const extendedAt = 32

const extendedHasBulk = 1 << 2

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

// Request sends a statement of rows.
func (w *Conn) Request(ctx context.Context, r Request) (warnings int, err error) {
	packet := r.packet()
	if r.Prepare != "" {
		id, err := w.prepare(ctx, r.Prepare)
		if err != nil {
			return 0, err
		}
		binary.LittleEndian.PutUint32(packet[StatementGap:], id)
	}
	return w.command(ctx, r.Command, packet)
}

// prepare prepares a statement; the connection keeps the last one.
func (w *Conn) prepare(ctx context.Context, statement string) (id uint32, err error) {
	if w.prepared.statement == statement {
		return w.prepared.id, nil
	}
	defer w.guard(ctx)()
	if w.prepared.statement != "" { // has no answer
		if err := w.send(comCloseStmt, binary.LittleEndian.AppendUint32(make([]byte, StatementGap), w.prepared.id)); err != nil {
			return 0, w.fail(ctx, err)
		}
		w.prepared.statement = ""
	}
	if err := w.send(comPrepare, append(make([]byte, StatementGap), statement...)); err != nil {
		return 0, w.fail(ctx, err)
	}
	if err := w.read(); err != nil {
		return 0, w.fail(ctx, err)
	}
	if w.Packet[0] == 0xff {
		return 0, w.serverError()
	}
	if w.Packet[0] != 0 || len(w.Packet) < 9 {
		return 0, w.fail(ctx, errors.New("no answer to a prepared statement"))
	}
	id = binary.LittleEndian.Uint32(w.Packet[1:])
	if binary.LittleEndian.Uint16(w.Packet[5:]) > 0 {
		return 0, w.fail(ctx, fmt.Errorf("a statement with a result: %s", statement))
	}
	for parameters := binary.LittleEndian.Uint16(w.Packet[7:]) > 0; parameters; { // their descriptions
		if err := w.read(); err != nil {
			return 0, w.fail(ctx, err)
		}
		parameters = !w.atEnd()
	}
	w.prepared.statement, w.prepared.id = statement, id
	return id, nil
}

// bulkLogin tells MariaDB in the login that bulk statements will come, which the library does not know.
type bulkLogin struct {
	net.Conn
	once sync.Once
}

func (c *bulkLogin) Write(p []byte) (int, error) {
	c.once.Do(func() {
		if len(p) >= extendedAt+4 {
			p[extendedAt] |= extendedHasBulk
		}
	})
	return c.Conn.Write(p)
}
