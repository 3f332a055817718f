package seed

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/wire"
)

// How rows are put into a statement. Parameters of a prepared statement do not have to be
// parsed, which is most of what a multi-row INSERT costs a server. MariaDB takes any
// number of rows in one packet for one prepared row (COM_STMT_BULK_EXECUTE,
// https://mariadb.com/kb/en/com_stmt_bulk_execute/). MySQL takes exactly as many rows as
// were prepared.

// rowFormat builds statements from rows. Values have the form that the column's Selected
// expression returns; nil is NULL.
type rowFormat interface {
	begin(out []byte) []byte // a new statement after what out holds
	open(out []byte) []byte  // a new row
	value(out []byte, i int, value []byte) ([]byte, error)
	close(out []byte) []byte
	full(out []byte) bool // after a row
	// request returns what to send for the statement: out from some offset on, and the
	// text to prepare for it.
	request(out []byte) wire.Request
}

// newRowFormat returns the cheapest format for the target and the table. A value of
// MySQL's JSON is an expression, which no parameter can be.
func newRowFormat(to *wire.Conn, verb string, t *sourceTable, manyRows bool) rowFormat {
	switch {
	case !manyRows || slices.Contains(table.ColumnForms(t.Columns), table.FormJSON):
		return newLiteralRows(verb, t)
	case to.TakesBulk():
		return newBulkRows(verb, t)
	}
	return newParameterRows(verb, t)
}

// literalRows are rows in a statement's text.
type literalRows struct {
	head  string
	forms []table.Form
	rows  int
}

func newLiteralRows(verb string, t *sourceTable) *literalRows {
	return &literalRows{head: insertHead(verb, t), forms: table.ColumnForms(t.Columns)}
}

func insertHead(verb string, t *sourceTable) string {
	return verb + " INTO " + t.Quoted() + " (" + query.QuoteList(table.ColumnNames(t.Columns)) + ") VALUES "
}

func (l *literalRows) close(out []byte) []byte { return append(out, ')') }

func (l *literalRows) full(out []byte) bool { return len(out) >= statementBytes }

func (l *literalRows) request(out []byte) wire.Request {
	return wire.TextRequest(out)
}

func (l *literalRows) begin(out []byte) []byte {
	l.rows = 0
	return append(out, l.head...)
}

func (l *literalRows) open(out []byte) []byte {
	if l.rows++; l.rows > 1 {
		out = append(out, ',')
	}
	return append(out, '(')
}

func (l *literalRows) value(out []byte, i int, value []byte) ([]byte, error) {
	if i > 0 {
		out = append(out, ',')
	}
	return l.forms[i].Append(out, value)
}

const bulkSendTypes = 0x80

const paramDouble = 0x05

const paramLong = 0x08

const paramDecimal = 0xf6

const paramBytes = 0xfc

const paramUnsigned = 0x80

const indicatorValue = 0

const indicatorNull = 1

// parameters describe how the values of a row travel as parameters.
type parameters struct {
	head, placeholders string // the statement up to its rows; the placeholders of one row
	types              []byte // two bytes a column
}

func newParameters(verb string, t *sourceTable) parameters {
	p, forms := parameters{head: insertHead(verb, t)}, table.ColumnForms(t.Columns)
	placeholders := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		placeholders[i] = "?"
		kind, flag := byte(paramBytes), byte(0)
		switch {
		case forms[i] == table.FormText:
			placeholders[i] = "CONVERT(? USING utf8mb4)"
		case forms[i] == table.FormDouble:
			kind = paramDouble
		case c.Type == "decimal":
			kind = paramDecimal
		case forms[i] == table.FormNumber:
			kind = paramLong
			if c.Unsigned() {
				flag = paramUnsigned
			}
		}
		p.types = append(p.types, kind, flag)
	}
	p.placeholders = "(" + strings.Join(placeholders, ",") + ")"
	return p
}

// append appends a value that is not NULL.
func (b *parameters) append(out []byte, i int, value []byte) ([]byte, error) {
	switch b.types[2*i] {
	case paramDouble:
		n, err := strconv.ParseFloat(string(value), 64)
		return binary.LittleEndian.AppendUint64(out, math.Float64bits(n)), err
	case paramLong:
		n, err := parseLong(value, b.types[2*i+1] == paramUnsigned)
		return binary.LittleEndian.AppendUint64(out, n), err
	}
	return append(wire.AppendLength(out, len(value)), value...), nil
}

// bulkRows are rows for MariaDB.
type bulkRows struct{ parameters }

func newBulkRows(verb string, t *sourceTable) *bulkRows { return &bulkRows{newParameters(verb, t)} }

func (b *bulkRows) begin(out []byte) []byte {
	return append(append(out, 0, 0, 0, 0, bulkSendTypes, 0), b.types...)
}

func (b *bulkRows) open(out []byte) []byte { return out }

func (b *bulkRows) close(out []byte) []byte { return out }

func (b *bulkRows) full(out []byte) bool { return len(out) >= statementBytes }

func (b *bulkRows) request(out []byte) wire.Request {
	return wire.BulkRequest(b.head+b.placeholders, out)
}

func (b *bulkRows) value(out []byte, i int, value []byte) ([]byte, error) {
	if value == nil {
		return append(out, indicatorNull), nil
	}
	return b.append(append(out, indicatorValue), i, value)
}

// parameterRows are rows for MySQL: at most as many at once as were prepared.
type parameterRows struct {
	parameters
	columns int
	maxRows int // of one statement
	start   int // offset of the statement in its buffer
	rows    int

	text     string // the last statement's text, and its number of rows
	textRows int
}

// maxParameters is the server's limit for one statement.
const maxParameters = 65535

func newParameterRows(verb string, t *sourceTable) *parameterRows {
	p := &parameterRows{parameters: newParameters(verb, t), columns: len(t.Columns)}
	average := int64(len(t.Columns))
	if t.rows > 0 {
		average = max(average, t.Bytes/t.rows)
	}
	p.maxRows = int(min(max(statementBytes*7/8/average, 1), int64(max(maxParameters/p.columns, 1)))) // leave room for the head
	return p
}

// executeHead is the length of what precedes the values of n rows: the statement's id,
// flags, iterations, the NULL bitmap and the types.
func (p *parameterRows) executeHead(n int) int { return 10 + p.nulls(n) + 2*n*p.columns }

func (p *parameterRows) nulls(n int) int { return (n*p.columns + 7) / 8 }

func (p *parameterRows) begin(out []byte) []byte {
	p.start, p.rows = len(out), 0
	return append(out, make([]byte, p.executeHead(p.maxRows))...)
}

func (p *parameterRows) open(out []byte) []byte {
	p.rows++
	return out
}

func (p *parameterRows) close(out []byte) []byte { return out }

func (p *parameterRows) full(out []byte) bool {
	return p.rows == p.maxRows || len(out) >= statementBytes
}

func (p *parameterRows) value(out []byte, i int, value []byte) ([]byte, error) {
	if value == nil {
		at := (p.rows-1)*p.columns + i
		out[p.start+9+at/8] |= 1 << (at % 8)
		return out, nil
	}
	return p.append(out, i, value)
}

// request replaces the head, which was sized for maxRows, by one for the actual rows,
// right before the values.
func (p *parameterRows) request(out []byte) wire.Request {
	from := p.executeHead(p.maxRows) - p.executeHead(p.rows)
	head := out[p.start+from:]
	copy(head[9:], out[p.start+9:p.start+9+p.nulls(p.rows)])
	copy(head[4:9], []byte{0, 1, 0, 0, 0}) // no cursor, one iteration
	at := 9 + p.nulls(p.rows)
	head[at] = 1 // types follow
	for range p.rows {
		at += copy(head[at+1:], p.types)
	}
	if p.rows < p.maxRows && len(out) >= statementBytes {
		p.maxRows = p.rows // rows are longer than expected
	}
	if p.textRows != p.rows {
		p.text, p.textRows = p.head+p.placeholders+strings.Repeat(","+p.placeholders, p.rows-1), p.rows
	}
	return wire.ExecuteRequest(p.text, out, p.start+from)
}

func parseLong(value []byte, unsigned bool) (uint64, error) {
	if unsigned {
		return strconv.ParseUint(string(value), 10, 64)
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	return uint64(n), err //nolint:gosec // the same bits
}
