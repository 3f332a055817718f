package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"
)

const (
	comQuit  = 0x01
	comQuery = 0x03
	// keptPacket is how much of a packet's memory stays between results, in bytes.
	keptPacket = 4 << 20
)

// Exec runs a statement that has no result, and returns its number of warnings.
func (c *Conn) Exec(ctx context.Context, statement string) (warnings int, err error) {
	return c.command(ctx, comQuery, textPacket(statement))
}

// command sends a packet that NewPacket has begun, without copying it. The command
// has no result.
func (c *Conn) command(ctx context.Context, command byte, packet []byte) (warnings int, err error) {
	if n := len(packet) - packetHead + 1; c.maxPacket > 0 && n > c.maxPacket {
		// The server would end the connection in the middle of it, and its reason would most often be lost.
		return 0, &mysql.MySQLError{Number: errPacketTooLarge, Message: fmt.Sprintf("%d bytes are more than max_allowed_packet of %s, %d", n, c.server.Name(), c.maxPacket)}
	}
	if len(c.prefetched) > 0 {
		return 0, c.fail(ctx, errUnread)
	}
	defer c.guard(ctx)()
	if err := c.send(command, packet); err != nil {
		return 0, c.fail(ctx, err)
	}
	if err := c.read(); err != nil {
		return 0, c.fail(ctx, err)
	}
	switch c.packet[0] {
	case 0x00:
		return c.okWarnings(), nil
	case 0xff:
		return 0, c.serverError()
	}
	return 0, c.fail(ctx, errors.New("a statement without result has one"))
}

// Query runs a SELECT and calls each with the packet of each row, which is valid
// until each returns. An error of each ends the connection.
func (c *Conn) Query(ctx context.Context, statement string, each func(row []byte) error) error {
	if len(c.prefetched) > 0 && c.prefetched[0] != statement {
		c.DropPrefetched()
	}
	if err := c.Restore(ctx); err != nil {
		return err
	}
	defer c.guard(ctx)()
	if len(c.prefetched) > 0 {
		c.prefetched = c.prefetched[1:]
	} else {
		if err := c.send(comQuery, textPacket(statement)); err != nil {
			return c.fail(ctx, err)
		}
	}
	if err := c.read(); err != nil {
		return c.fail(ctx, err)
	}
	switch c.packet[0] {
	case 0xff:
		c.prefetched = nil // the server does not run the others
		return c.serverError()
	case 0x00:
		return c.fail(ctx, errors.New("a query has no result"))
	}
	for { // the columns' descriptions
		if err := c.read(); err != nil {
			return c.fail(ctx, err)
		}
		if c.atEnd() {
			break
		}
	}
	return c.rows(ctx, each)
}

// rows reads the rows of a result.
func (c *Conn) rows(ctx context.Context, each func(row []byte) error) error {
	for {
		if err := c.read(); err != nil {
			return c.fail(ctx, err)
		}
		switch {
		case c.atEnd():
			if cap(c.packet) > keptPacket {
				c.packet = nil
			}
			return nil
		case c.packet[0] == 0xff:
			c.prefetched = nil
			return c.serverError()
		}
		if err := each(c.packet); err != nil {
			c.lost = true
			c.Close()
			return err
		}
	}
}

// Texts reads a small result; NULL is the empty string.
func (c *Conn) Texts(ctx context.Context, statement string) ([][]string, error) {
	var out [][]string
	err := c.Query(ctx, statement, func(row []byte) error {
		line, err := texts(row)
		if err != nil {
			return err
		}
		out = append(out, line)
		return nil
	})
	return out, err
}

// ResultWarnings is the number of warnings of the result that Query has read last.
func (c *Conn) ResultWarnings() int {
	if len(c.packet) < 5 {
		return 0
	}
	return int(binary.LittleEndian.Uint16(c.packet[1:]))
}
