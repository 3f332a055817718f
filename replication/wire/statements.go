package wire

import (
	"context"
	"encoding/binary"
	"strings"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
)

const (
	comSetOption       = 0x1b
	multiStatementsOn  = 0      // MYSQL_OPTION_MULTI_STATEMENTS_ON
	multiStatementsOff = 1      // MYSQL_OPTION_MULTI_STATEMENTS_OFF
	moreResults        = 0x0008 // SERVER_MORE_RESULTS_EXISTS
)

// Answer is the result of one of several statements.
type Answer struct {
	columns []string
	rows    [][]string
}

// Value is the first value of the result; it is an error if there is none.
func (a Answer) Value() (string, error) {
	if len(a.rows) == 0 || len(a.rows[0]) == 0 {
		return "", replication.ErrGone
	}
	return a.rows[0][0], nil
}

// records are the rows by the columns' names.
func (a Answer) records() []query.Record {
	out := make([]query.Record, len(a.rows))
	for i, row := range a.rows {
		out[i] = make(query.Record, len(row))
		for j, value := range row {
			out[i][a.columns[j]] = value
		}
	}
	return out
}

// RunAll runs statements with small results, which travel in one packet: no round
// trip is between them. It returns the answers up to the first statement that
// fails; those behind it are not run.
func (c *Conn) RunAll(ctx context.Context, statements ...string) ([]Answer, error) {
	c.DropPrefetched()
	if err := c.Restore(ctx); err != nil {
		return nil, err
	}
	defer c.guard(ctx)()
	if err := c.setMultiStatements(ctx, true); err != nil {
		return nil, err
	}
	if err := c.send(comQuery, textPacket(strings.Join(statements, "; "))); err != nil {
		return nil, c.fail(ctx, err)
	}
	var out []Answer
	for {
		a, more, err := c.answer(ctx)
		if err != nil {
			return out, err
		}
		if out = append(out, a); !more {
			return out, nil
		}
	}
}

// setMultiStatements tells the server whether a packet may hold several statements.
// On connections that write rows it may not.
func (c *Conn) setMultiStatements(ctx context.Context, on bool) error {
	if c.multiStatements == on {
		return nil
	}
	option := byte(multiStatementsOff)
	if on {
		option = multiStatementsOn
	}
	if _, err := c.conn.Write([]byte{3, 0, 0, 0, comSetOption, option, 0}); err != nil {
		return c.fail(ctx, err)
	}
	if err := c.read(); err != nil {
		return c.fail(ctx, err)
	}
	if c.packet[0] == 0xff {
		return c.serverError()
	}
	c.multiStatements = on
	return nil
}

// answer reads the result of one of several statements; more says that another
// result follows.
func (c *Conn) answer(ctx context.Context) (a Answer, more bool, err error) {
	if err := c.read(); err != nil {
		return a, false, c.fail(ctx, err)
	}
	switch c.packet[0] {
	case 0xff:
		return a, false, c.serverError()
	case 0x00:
		flags, err := c.okFlags()
		return a, flags&moreResults != 0, err
	}
	described := false
	for {
		if err := c.read(); err != nil {
			return a, false, c.fail(ctx, err)
		}
		switch {
		case c.atEnd() && !described:
			described = true
		case c.atEnd():
			if len(c.packet) < 5 {
				return a, false, c.fail(ctx, errShortRow)
			}
			return a, binary.LittleEndian.Uint16(c.packet[3:])&moreResults != 0, nil
		case described && c.packet[0] == 0xff:
			return a, false, c.serverError()
		case described:
			err = a.addRow(c.packet)
		default:
			err = a.addColumn(c.packet)
		}
		if err != nil {
			return a, false, c.fail(ctx, err)
		}
	}
}

// columnName is the place of the name in a column's description: behind catalog,
// schema, table and the table's own name.
const columnName = 4

// addColumn adds the name of a column's description.
func (a *Answer) addColumn(description []byte) error {
	var name []byte
	for range columnName + 1 {
		var err error
		if name, description, err = NextValue(description); err != nil {
			return err
		}
	}
	a.columns = append(a.columns, string(name))
	return nil
}

// addRow adds a row.
func (a *Answer) addRow(packet []byte) error {
	row, err := texts(packet)
	if err == nil && len(row) != len(a.columns) {
		err = errShortRow
	}
	a.rows = append(a.rows, row)
	return err
}
