package replication

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
)

const (
	comSetOption = 0x1b
	moreResults  = 0x0008 // SERVER_MORE_RESULTS_EXISTS
	severalOn    = 0      // MYSQL_OPTION_MULTI_STATEMENTS_ON
	severalOff   = 1
)

// answer is what one of several statements has answered.
type answer struct {
	columns []string
	rows    [][]string
}

// records are the rows by the columns' names.
func (a answer) records() []record {
	out := make([]record, len(a.rows))
	for i, row := range a.rows {
		out[i] = make(record, len(row))
		for j, value := range row {
			out[i][a.columns[j]] = value
		}
	}
	return out
}

// several runs statements that travel in one packet, so that no network stands
// between them, and returns the answer of each; the first that fails ends them.
// Only for small results.
func (w *wire) several(ctx context.Context, statements ...string) ([]answer, error) {
	w.forgetAhead()
	if err := w.restore(ctx); err != nil {
		return nil, err
	}
	defer w.guard(ctx)()
	if err := w.setSeveral(ctx, true); err != nil {
		return nil, err
	}
	text := strings.Join(statements, "; ")
	if err := w.send(comQuery, append(make([]byte, statementGap, statementGap+len(text)), text...)); err != nil {
		return nil, w.fail(ctx, err)
	}
	var out []answer
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
func (w *wire) setSeveral(ctx context.Context, on bool) error {
	if w.takesSeveral == on {
		return nil
	}
	option := byte(severalOff)
	if on {
		option = severalOn
	}
	if _, err := w.conn.Write([]byte{3, 0, 0, 0, comSetOption, option, 0}); err != nil {
		return w.fail(ctx, err)
	}
	if err := w.read(); err != nil {
		return w.fail(ctx, err)
	}
	if w.packet[0] == 0xff {
		return w.serverError()
	}
	w.takesSeveral = on
	return nil
}

// result reads what one of several statements has answered.
func (w *wire) result(ctx context.Context) (a answer, more bool, err error) {
	if err := w.read(); err != nil {
		return a, false, w.fail(ctx, err)
	}
	switch w.packet[0] {
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
			if len(w.packet) < 5 {
				return a, false, w.fail(ctx, errShortRow)
			}
			return a, binary.LittleEndian.Uint16(w.packet[3:])&moreResults != 0, nil
		case described && w.packet[0] == 0xff:
			return a, false, w.serverError()
		default:
			if err := a.take(w.packet, described); err != nil {
				return a, false, w.fail(ctx, err)
			}
		}
	}
}

// columnName is where a column's description has its name: behind catalog,
// schema, table and the table's own name.
const columnName = 4

// take adds a column's description, or a row.
func (a *answer) take(packet []byte, row bool) error {
	if row {
		line, err := texts(packet)
		if err == nil && len(line) != len(a.columns) {
			err = errShortRow
		}
		a.rows = append(a.rows, line)
		return err
	}
	var name []byte
	for range columnName + 1 {
		var err error
		if name, packet, err = nextValue(packet); err != nil {
			return err
		}
	}
	a.columns = append(a.columns, string(name))
	return nil
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
