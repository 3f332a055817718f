package replication

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
)

const (
	comSetOption   = 0x1b
	moreResults    = 0x0008 // SERVER_MORE_RESULTS_EXISTS
	severalResults = 0      // MYSQL_OPTION_MULTI_STATEMENTS_ON
)

// several runs statements that travel in one packet, so that no network stands
// between them, and returns the rows of each; the first that fails ends them.
// Only for small results.
func (w *wire) several(ctx context.Context, statements ...string) ([][][]string, error) {
	if err := w.restore(ctx); err != nil {
		return nil, err
	}
	defer w.guard(ctx)()
	if _, err := w.conn.Write([]byte{3, 0, 0, 0, comSetOption, severalResults, 0}); err != nil {
		return nil, w.fail(ctx, err)
	}
	if err := w.read(); err != nil {
		return nil, w.fail(ctx, err)
	}
	if w.packet[0] == 0xff {
		return nil, w.serverError()
	}
	text := strings.Join(statements, "; ")
	if err := w.send(comQuery, append(make([]byte, statementGap, statementGap+len(text)), text...)); err != nil {
		return nil, w.fail(ctx, err)
	}
	var out [][][]string
	for {
		rows, more, err := w.result(ctx)
		if err != nil {
			return out, err
		}
		if out = append(out, rows); !more {
			return out, nil
		}
	}
}

// result reads what one of several statements has answered.
func (w *wire) result(ctx context.Context) (rows [][]string, more bool, err error) {
	if err := w.read(); err != nil {
		return nil, false, w.fail(ctx, err)
	}
	switch w.packet[0] {
	case 0xff:
		return nil, false, w.serverError()
	case 0x00:
		flags, err := w.okFlags()
		return nil, flags&moreResults != 0, err
	}
	columns := true
	for {
		if err := w.read(); err != nil {
			return nil, false, w.fail(ctx, err)
		}
		switch {
		case w.atEnd() && columns:
			columns = false
		case w.atEnd():
			if len(w.packet) < 5 {
				return nil, false, w.fail(ctx, errShortRow)
			}
			return rows, binary.LittleEndian.Uint16(w.packet[3:])&moreResults != 0, nil
		case w.packet[0] == 0xff:
			return nil, false, w.serverError()
		case !columns:
			line, err := texts(w.packet)
			if err != nil {
				return nil, false, w.fail(ctx, err)
			}
			rows = append(rows, line)
		}
	}
}

// texts takes a row apart; NULL is the empty string.
func texts(row []byte) ([]string, error) {
	var line []string
	for len(row) > 0 {
		value, rest, err := nextValue(row)
		if err != nil {
			return nil, err
		}
		line, row = append(line, string(value)), rest
	}
	return line, nil
}

// okFlags are the status flags of the OK packet at hand.
func (w *wire) okFlags() (uint16, error) {
	rest := w.packet[1:]
	for range 2 { // affected rows, last insert id
		n, err := lengthOf(rest)
		if err != nil {
			return 0, err
		}
		rest = rest[n.size:]
	}
	if len(rest) < 2 {
		return 0, errors.New("an OK packet is cut short")
	}
	return binary.LittleEndian.Uint16(rest), nil
}
