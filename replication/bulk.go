package replication

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// How rows are put into a statement. As parameters of a prepared one nothing of
// them has to be parsed, which is most of what a multi-row INSERT costs a server.
// MariaDB takes any number of rows for one prepared row in one packet
// (COM_STMT_BULK_EXECUTE, https://mariadb.com/kb/en/com_stmt_bulk_execute/);
// MySQL takes as many rows as were prepared.

// rowFormat makes statements of rows. Values are as the column's selected returned
// them; nil is NULL.
type rowFormat interface {
	begin(out []byte) []byte // a new statement behind what is there
	open(out []byte) []byte  // a new row
	value(out []byte, i int, value []byte) ([]byte, error)
	close(out []byte) []byte
	full(out []byte) bool // after a row
	// request is what the statement is sent as: out from some place on, and
	// what must be prepared for it.
	request(out []byte) request
}

// request is a statement on its way.
type request struct {
	command byte
	prepare string // "" without
	from    int    // where its packet begins in the buffer: statementGap before its data
	buffer  []byte
}

func (r request) packet() []byte { return r.buffer[r.from:] }

// newRowFormat is how a target takes the rows of a table best.
func newRowFormat(to *wire, verb string, t *seedTable, many bool) rowFormat {
	switch {
	case !many:
		return newLiteralRows(verb, t)
	case to.extended:
		return newBulkRows(verb, t)
	}
	return newParameterRows(verb, t)
}

// literalRows are rows as a statement's text.
type literalRows struct {
	head  string
	forms []form
	rows  int
}

func newLiteralRows(verb string, t *seedTable) *literalRows {
	return &literalRows{head: insertHead(verb, t), forms: columnForms(t.Columns)}
}

func insertHead(verb string, t *seedTable) string {
	return verb + " INTO " + t.quoted() + " (" + quoteList(names(t.Columns)) + ") VALUES "
}

func (l *literalRows) close(out []byte) []byte    { return append(out, ')') }
func (l *literalRows) full(out []byte) bool       { return len(out) >= batchBytes }
func (l *literalRows) request(out []byte) request { return request{command: comQuery, buffer: out} }

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
	return l.forms[i].append(out, value), nil
}

// Of the protocol: commands, types of parameters, flags.
const (
	comPrepare      = 0x16
	comCloseStmt    = 0x19
	comExecute      = 0x17
	comBulkExecute  = 0xfa
	bulkSendTypes   = 0x80
	paramDouble     = 0x05
	paramLong       = 0x08
	paramDecimal    = 0xf6
	paramBytes      = 0xfc
	paramUnsigned   = 0x80
	indicatorValue  = 0
	indicatorNull   = 1
	extendedAt      = 32
	extendedHasBulk = 1 << 2
)

// parameters are how the values of a row travel as parameters.
type parameters struct {
	head, marks string // the statement up to its rows; the marks of one
	types       []byte // two bytes a column
}

func newParameters(verb string, t *seedTable) parameters {
	b, forms := parameters{head: insertHead(verb, t)}, columnForms(t.Columns)
	marks := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		marks[i] = "?"
		kind, flag := byte(paramBytes), byte(0)
		switch {
		case forms[i] == formText:
			marks[i] = "CONVERT(? USING utf8mb4)"
		case forms[i] == formDouble:
			kind = paramDouble
		case c.Type == "decimal":
			kind = paramDecimal
		case forms[i] == formNumber:
			kind = paramLong
			if c.unsigned() {
				flag = paramUnsigned
			}
		}
		b.types = append(b.types, kind, flag)
	}
	b.marks = "(" + strings.Join(marks, ",") + ")"
	return b
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
	return append(appendLength(out, len(value)), value...), nil
}

// bulkRows are rows for MariaDB.
type bulkRows struct{ parameters }

func newBulkRows(verb string, t *seedTable) *bulkRows { return &bulkRows{newParameters(verb, t)} }

// unsigned reports whether the number that the column is selected as has no sign.
func (c column) unsigned() bool {
	return slices.Contains([]string{"bit", "enum", "set", "year"}, c.Type) || strings.Contains(c.FullType, "unsigned")
}

func (b *bulkRows) begin(out []byte) []byte {
	return append(append(out, 0, 0, 0, 0, bulkSendTypes, 0), b.types...)
}
func (b *bulkRows) open(out []byte) []byte  { return out }
func (b *bulkRows) close(out []byte) []byte { return out }
func (b *bulkRows) full(out []byte) bool    { return len(out) >= batchBytes }
func (b *bulkRows) request(out []byte) request {
	return request{command: comBulkExecute, prepare: b.head + b.marks, buffer: out}
}

func (b *bulkRows) value(out []byte, i int, value []byte) ([]byte, error) {
	if value == nil {
		return append(out, indicatorNull), nil
	}
	return b.append(append(out, indicatorValue), i, value)
}

// parameterRows are rows for MySQL: so many at once as were prepared.
type parameterRows struct {
	parameters
	columns int
	most    int // rows
	start   int // of the statement in its buffer
	rows    int

	text     string // the last statement, and of how many rows it is
	textRows int
}

// mostParameters is the server's limit for one statement.
const mostParameters = 65535

func newParameterRows(verb string, t *seedTable) *parameterRows {
	p := &parameterRows{parameters: newParameters(verb, t), columns: len(t.Columns)}
	average := int64(len(t.Columns))
	if t.rows > 0 {
		average = max(average, t.Bytes/t.rows)
	}
	p.most = int(min(max(batchBytes*7/8/average, 1), int64(max(mostParameters/p.columns, 1)))) // the heads need room, too
	return p
}

// executeHead is the length of what stands before the values of n rows: the
// statement's number, flags, iterations; which values are NULL; the types.
func (p *parameterRows) executeHead(n int) int { return 10 + p.nulls(n) + 2*n*p.columns }
func (p *parameterRows) nulls(n int) int       { return (n*p.columns + 7) / 8 }

func (p *parameterRows) begin(out []byte) []byte {
	p.start, p.rows = len(out), 0
	return append(out, make([]byte, p.executeHead(p.most))...)
}

func (p *parameterRows) open(out []byte) []byte {
	p.rows++
	return out
}
func (p *parameterRows) close(out []byte) []byte { return out }
func (p *parameterRows) full(out []byte) bool    { return p.rows == p.most || len(out) >= batchBytes }

func (p *parameterRows) value(out []byte, i int, value []byte) ([]byte, error) {
	if value == nil {
		at := (p.rows-1)*p.columns + i
		out[p.start+9+at/8] |= 1 << (at % 8)
		return out, nil
	}
	return p.append(out, i, value)
}

// request makes the head fit the rows that are there: a shorter one, right before the values.
func (p *parameterRows) request(out []byte) request {
	from := p.executeHead(p.most) - p.executeHead(p.rows)
	head := out[p.start+from:]
	copy(head[9:], out[p.start+9:p.start+9+p.nulls(p.rows)])
	copy(head[4:9], []byte{0, 1, 0, 0, 0}) // no cursor, one iteration
	at := 9 + p.nulls(p.rows)
	head[at] = 1 // types follow
	for range p.rows {
		at += copy(head[at+1:], p.types)
	}
	if p.rows < p.most && len(out) >= batchBytes {
		p.most = p.rows // rows are longer than was thought
	}
	if p.textRows != p.rows {
		p.text, p.textRows = p.head+p.marks+strings.Repeat(","+p.marks, p.rows-1), p.rows
	}
	return request{command: comExecute, prepare: p.text, from: p.start + from - statementGap, buffer: out}
}

func parseLong(value []byte, unsigned bool) (uint64, error) {
	if unsigned {
		return strconv.ParseUint(string(value), 10, 64)
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	return uint64(n), err //nolint:gosec // the same bits
}

// appendLength appends a length-encoded number.
func appendLength(out []byte, n int) []byte {
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

// request sends a statement of rows.
func (w *wire) request(ctx context.Context, r request) (warnings int, err error) {
	packet := r.packet()
	if r.prepare != "" {
		id, err := w.prepare(ctx, r.prepare)
		if err != nil {
			return 0, err
		}
		binary.LittleEndian.PutUint32(packet[statementGap:], id)
	}
	return w.command(ctx, r.command, packet)
}

// prepare prepares a statement; the connection keeps the last one.
func (w *wire) prepare(ctx context.Context, statement string) (id uint32, err error) {
	if w.prepared.statement == statement {
		return w.prepared.id, nil
	}
	defer w.guard(ctx)()
	if w.prepared.statement != "" { // has no answer
		if err := w.send(comCloseStmt, binary.LittleEndian.AppendUint32(make([]byte, statementGap), w.prepared.id)); err != nil {
			return 0, w.fail(ctx, err)
		}
		w.prepared.statement = ""
	}
	if err := w.send(comPrepare, append(make([]byte, statementGap), statement...)); err != nil {
		return 0, w.fail(ctx, err)
	}
	if err := w.read(); err != nil {
		return 0, w.fail(ctx, err)
	}
	if w.packet[0] == 0xff {
		return 0, w.serverError()
	}
	if w.packet[0] != 0 || len(w.packet) < 9 {
		return 0, w.fail(ctx, errors.New("no answer to a prepared statement"))
	}
	id = binary.LittleEndian.Uint32(w.packet[1:])
	if binary.LittleEndian.Uint16(w.packet[5:]) > 0 {
		return 0, w.fail(ctx, fmt.Errorf("a statement with a result: %s", statement))
	}
	for parameters := binary.LittleEndian.Uint16(w.packet[7:]) > 0; parameters; { // their descriptions
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
