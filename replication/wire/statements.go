package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/dcmigrate/migrate/replication/query"
)

const (
	comSetOption = 0x1b
	moreResults  = 0x0008 // SERVER_MORE_RESULTS_EXISTS
	severalOn    = 0      // MYSQL_OPTION_MULTI_STATEMENTS_ON
	severalOff   = 1
)

// Answer is what one of several statements has answered.
type Answer struct {
	columns []string
	Rows    [][]string
}

// records are the rows by the columns' names.
func (a Answer) records() []query.Record {
	out := make([]query.Record, len(a.Rows))
	for i, row := range a.Rows {
		out[i] = make(query.Record, len(row))
		for j, value := range row {
			out[i][a.columns[j]] = value
		}
	}
	return out
}

// Several runs statements that travel in one packet, so that no network stands
// between them, and returns the answer of each; the first that fails ends them.
// Only for small results.
func (w *Conn) Several(ctx context.Context, statements ...string) ([]Answer, error) {
	w.ForgetAhead()
	if err := w.Restore(ctx); err != nil {
		return nil, err
	}
	defer w.guard(ctx)()
	if err := w.setSeveral(ctx, true); err != nil {
		return nil, err
	}
	text := strings.Join(statements, "; ")
	if err := w.send(ComQuery, append(make([]byte, StatementGap, StatementGap+len(text)), text...)); err != nil {
		return nil, w.fail(ctx, err)
	}
	var out []Answer
	for {
		one, more, err := w.result(ctx)
		if err != nil {
			return out, err
		}
		if out = append(out, one); !more {
			return out, nil
		}
	}
}

// setSeveral tells the server whether packets may hold several statements. On
// connections that write rows they may not.
func (w *Conn) setSeveral(ctx context.Context, on bool) error {
	if w.takesSeveral == on {
		return nil
	}
	option := byte(severalOff)
	if on {
		option = severalOn
	}
	if _, err := w.Conn.Write([]byte{3, 0, 0, 0, comSetOption, option, 0}); err != nil {
		return w.fail(ctx, err)
	}
	if err := w.read(); err != nil {
		return w.fail(ctx, err)
	}
	if w.Packet[0] == 0xff {
		return w.serverError()
	}
	w.takesSeveral = on
	return nil
}

// result reads what one of several statements has answered.
func (w *Conn) result(ctx context.Context) (a Answer, more bool, err error) {
	if err := w.read(); err != nil {
		return a, false, w.fail(ctx, err)
	}
	switch w.Packet[0] {
	case 0xff:
		return a, false, w.serverError()
	case 0x00:
		flags, err := w.okFlags()
		return a, flags&moreResults != 0, err
	}
	described := false
	for {
		if err := w.read(); err != nil {
			return a, false, w.fail(ctx, err)
		}
		switch {
		case w.atEnd() && !described:
			described = true
		case w.atEnd():
			if len(w.Packet) < 5 {
				return a, false, w.fail(ctx, errShortRow)
			}
			return a, binary.LittleEndian.Uint16(w.Packet[3:])&moreResults != 0, nil
		case described && w.Packet[0] == 0xff:
			return a, false, w.serverError()
		default:
			if err := a.take(w.Packet, described); err != nil {
				return a, false, w.fail(ctx, err)
			}
		}
	}
}

// columnName is where a column's description has its name: behind catalog,
// schema, table and the table's own name.
const columnName = 4

// take adds a column's description, or a row.
func (a *Answer) take(packet []byte, row bool) error {
	if row {
		line, err := texts(packet)
		if err == nil && len(line) != len(a.columns) {
			err = errShortRow
		}
		a.Rows = append(a.Rows, line)
		return err
	}
	var name []byte
	for range columnName + 1 {
		var err error
		if name, packet, err = NextValue(packet); err != nil {
			return err
		}
	}
	a.columns = append(a.columns, string(name))
	return nil
}

// okFlags are the status flags of the OK packet at hand.
func (w *Conn) okFlags() (uint16, error) {
	rest := w.Packet[1:]
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
