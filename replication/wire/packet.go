package wire

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/go-sql-driver/mysql"
)

const (
	maxPayload = 1<<24 - 1
	packetHead = 5 // bytes in front of a command's data: the packet's head and the command
)

// errPacketTooLarge is the server's ER_NET_PACKET_TOO_LARGE.
const errPacketTooLarge = 1153

// textPacket is a packet of a statement's text.
func textPacket(statement string) []byte {
	return append(make([]byte, packetHead, packetHead+len(statement)), statement...)
}

// send writes a command in as many packets as it needs. It overwrites bytes of data.
func (c *Conn) send(command byte, data []byte) error {
	data[packetHead-1] = command
	c.sequence = 0
	for {
		n := min(len(data)-4, maxPayload)
		data[0], data[1], data[2], data[3] = byte(n), byte(n>>8), byte(n>>16), c.sequence
		c.sequence++
		if _, err := c.conn.Write(data[:4+n]); err != nil {
			return err
		}
		if n < maxPayload {
			return nil
		}
		data = data[n:] // the next head overwrites the last four bytes that were sent
	}
}

// read reads one packet, which is never empty.
func (c *Conn) read() error {
	c.packet = c.packet[:0]
	for {
		var head [4]byte
		if _, err := io.ReadFull(c.in, head[:]); err != nil {
			return err
		}
		n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
		at := len(c.packet)
		if need := at + n; cap(c.packet) < need {
			grown := make([]byte, at, max(need, min(2*cap(c.packet), need+keptPacket)))
			copy(grown, c.packet)
			c.packet = grown
		}
		c.packet = c.packet[:at+n]
		if _, err := io.ReadFull(c.in, c.packet[at:]); err != nil {
			return err
		}
		if n < maxPayload {
			break
		}
	}
	if len(c.packet) == 0 {
		return errors.New("an empty packet")
	}
	return nil
}

// atEnd reports whether the packet is an EOF packet.
func (c *Conn) atEnd() bool { return c.packet[0] == 0xfe && len(c.packet) < 9 }

// okWarnings is the number of warnings in the OK packet; a packet that is cut
// short has none.
func (c *Conn) okWarnings() int {
	rest, err := c.okRest()
	if err != nil || len(rest) < 4 {
		return 0
	}
	return int(binary.LittleEndian.Uint16(rest[2:]))
}

// okFlags are the status flags of the OK packet.
func (c *Conn) okFlags() (uint16, error) {
	rest, err := c.okRest()
	if err != nil {
		return 0, err
	}
	if len(rest) < 2 {
		return 0, errors.New("an OK packet is cut short")
	}
	return binary.LittleEndian.Uint16(rest), nil
}

// okRest is the OK packet behind the affected rows and the last insert id.
func (c *Conn) okRest() ([]byte, error) {
	rest := c.packet[1:]
	for range 2 {
		n, err := lengthOf(rest)
		if err != nil {
			return nil, err
		}
		rest = rest[n.size:]
	}
	return rest, nil
}

// serverError is the error of the ERR packet.
func (c *Conn) serverError() error {
	if len(c.packet) < 3 {
		return errors.New("the server refuses without a reason")
	}
	number := binary.LittleEndian.Uint16(c.packet[1:])
	if number == errPacketTooLarge {
		c.lost = true // the server closes it
	}
	message := c.packet[3:]
	if len(message) > 6 && message[0] == '#' {
		message = message[6:]
	}
	return &mysql.MySQLError{Number: number, Message: string(message)}
}
