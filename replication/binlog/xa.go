package binlog

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/replication"
)

// XAStep is what a binlog says of a distributed transaction (XA). Both flavors log it in
// two parts: what it has written when it is prepared, and its end alone.
type XAStep int

// The steps.
const (
	XAStarted    XAStep = iota // the rows that follow belong to it; its name is not known yet
	XAPrepared                 // those were its rows; they are not visible
	XAOnePhase                 // those were its rows, and they are visible: it was never prepared
	XACommitted                // its rows are visible
	XARolledBack               // its rows never will be
)

// xaEnd is an end of a distributed transaction as both flavors log it.
var xaEnd = regexp.MustCompile(`(?i)^XA\s+(COMMIT|ROLLBACK)\s+X'([0-9A-F]*)'\s*,\s*X'([0-9A-F]*)'\s*,\s*(\d+)$`)

// errXA says that an event of a distributed transaction has another form than both flavors
// give it. What it does cannot be guessed.
var errXA = errors.New("read the binlog: an XA event of an unknown form")

// xaStatement tells the visitor of an XA statement and reports whether the transaction goes
// on after it.
func (p *pass) xaStatement(text string) (goesOn bool, err error) {
	text = strings.TrimSpace(text)
	switch {
	case isXAStart(text):
		p.grouped = true
		p.visitor.XA(XAStarted, replication.XID{})
		return true, nil
	case xaWord(text) == "END":
		return true, nil
	}
	m := xaEnd.FindStringSubmatch(text)
	if m == nil {
		return false, errXA
	}
	x, err := parseXID(m[2], m[3], m[4])
	if err != nil {
		return false, err
	}
	step := XACommitted
	if strings.EqualFold(m[1], "ROLLBACK") {
		step = XARolledBack
	}
	p.visitor.XA(step, x)
	return p.grouped, nil
}

func isXAStart(text string) bool { return xaWord(text) == "START" }

// xaWord returns the second word of an XA statement in capitals, else "".
func xaWord(text string) string {
	words := strings.Fields(strings.ToUpper(text))
	if len(words) < 2 || words[0] != "XA" {
		return ""
	}
	return words[1]
}

func parseXID(global, branch, format string) (replication.XID, error) {
	n, err := strconv.ParseInt(format, 10, 64)
	if err != nil {
		return replication.XID{}, errXA
	}
	g, err := hex.DecodeString(global)
	if err != nil {
		return replication.XID{}, errXA
	}
	b, err := hex.DecodeString(branch)
	if err != nil {
		return replication.XID{}, errXA
	}
	return replication.XID{Format: n, Global: string(g), Branch: string(b)}, nil
}

// eventHeader is the length of an event's header.
const eventHeader = 19

// xaPrepare tells the visitor of an XA_prepare_log_event: a byte that is 1 if the
// transaction commits in one phase, the format, and the lengths of both parts of the name
// and the parts.
func (p *pass) xaPrepare(raw []byte) error {
	if len(raw) < eventHeader+13 {
		return errXA
	}
	data := raw[eventHeader:]
	format := int32(binary.LittleEndian.Uint32(data[1:])) //nolint:gosec // the same bits
	global, branch := binary.LittleEndian.Uint32(data[5:]), binary.LittleEndian.Uint32(data[9:])
	if global > 64 || branch > 64 || len(data) < 13+int(global)+int(branch) { // XA limits both to 64
		return fmt.Errorf("%w: its name", errXA)
	}
	name := string(data[13 : 13+global+branch])
	step := XAPrepared
	if data[0] == 1 {
		step = XAOnePhase
	}
	p.visitor.XA(step, replication.XID{Format: int64(format), Global: name[:global], Branch: name[global:]})
	return nil
}
