package binlog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	logevent "github.com/go-mysql-org/go-mysql/replication"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/statement"
)

// flagPreparedXA marks a transaction that is only prepared (FL_PREPARED_XA of
// MariaDB's Gtid_log_event).
const flagPreparedXA = 64

// errDone ends the stream after the last transaction.
var errDone = errors.New("all of it was read")

// pass handles the events of one binlog in the goroutine that reads them: nothing is
// queued. The visitor gets rows while their event is decoded, so that the rows of a whole
// transaction, even of a compressed one, are never in memory.
type pass struct {
	ctx       context.Context //nolint:containedctx // the library calls back without one
	visitor   Visitor
	texts     texts
	remaining *remaining
	lastHeard time.Time // of the last transaction
	wanted    bool      // the visitor wants the rows of the present transaction
	grouped   bool      // the present transaction ends with a commit
	done      bool
	err       error
}

// HandleEvent implements the library's EventHandler.
func (p *pass) HandleEvent(e *logevent.BinlogEvent) error {
	if p.err == nil {
		p.err = context.Cause(p.ctx)
	}
	if p.err != nil {
		return p.err
	}
	switch event := e.Event.(type) {
	case *logevent.MariadbGTIDEvent:
		g := event.GTID
		err := p.begin(e, replication.GTID{
			Origin: fmt.Sprintf("%d-%d-", g.DomainID, g.ServerID), Sequence: g.SequenceNumber, Domain: g.DomainID, Server: g.ServerID,
		}, !event.IsStandalone())
		if err == nil && event.Flags&flagPreparedXA != 0 {
			p.visitor.XA(XAStarted, replication.XID{})
		}
		return err
	case *logevent.GTIDEvent:
		return p.beginMySQL(e, event)
	case *logevent.GtidTaggedLogEvent:
		return p.beginMySQL(e, &event.GTIDEvent)
	case *logevent.QueryEvent:
		ends, err := p.statement(event)
		if err != nil {
			return p.fail(err)
		}
		if ends {
			return p.end()
		}
	case *logevent.XIDEvent:
		return p.end()
	case *logevent.TransactionPayloadEvent:
		return p.payload(event)
	case *logevent.FormatDescriptionEvent:
		p.texts.setVersion(event)
	case *logevent.HeartbeatEvent: // the server has nothing to send
		return p.heartbeat()
	}
	switch e.Header.EventType {
	case logevent.XA_PREPARE_LOG_EVENT:
		if err := p.xaPrepare(e.RawData); err != nil {
			return p.fail(err)
		}
		return p.end()
	case logevent.EXECUTE_LOAD_QUERY_EVENT: // of a session that logs statements
		if p.wanted {
			p.visitor.Statement(statement.Logged{Text: "LOAD DATA", Charset: "utf8mb4"})
		}
	}
	return p.requireKnown(e.Header)
}

// payload handles the events of a compressed transaction. Their rows were passed on while
// they were decoded.
func (p *pass) payload(e *logevent.TransactionPayloadEvent) error {
	started := false // the rows so far were decoded before it was known that they are of a distributed transaction
	for _, inner := range e.Events {
		if err := p.requireKnown(inner.Header); err != nil {
			return err
		}
		var err error
		switch event := inner.Event.(type) {
		case *logevent.QueryEvent:
			_, err = p.statement(event)
			started = started || isXAStart(string(event.Query))
		case *logevent.RowsEvent:
			if started {
				err = p.decode(event, inner.RawData[eventHeader:])
			}
		}
		if inner.Header.EventType == logevent.XA_PREPARE_LOG_EVENT {
			err = p.xaPrepare(inner.RawData)
		}
		if err != nil {
			return p.fail(err)
		}
	}
	return p.end()
}

func (p *pass) beginMySQL(e *logevent.BinlogEvent, event *logevent.GTIDEvent) error {
	if len(event.SID) != 16 {
		return p.fail(errors.New("read the binlog: a transaction without a GTID"))
	}
	s := event.SID
	uuid := fmt.Sprintf("%x-%x-%x-%x-%x", s[0:4], s[4:6], s[6:8], s[8:10], s[10:16])
	origin := uuid + ":"
	if tag := event.Tag.String(); tag != "" {
		origin += tag + ":"
	}
	return p.begin(e, replication.GTID{Origin: origin, Sequence: uint64(event.GNO), Server: e.Header.ServerID, UUID: uuid}, false)
}

func (p *pass) begin(e *logevent.BinlogEvent, id replication.GTID, grouped bool) error {
	if err := p.end(); err != nil { // the end of the last transaction was not recognised
		return err
	}
	p.lastHeard = time.Now()
	p.remaining.remove(id)
	p.grouped = grouped
	p.wanted = p.visitor.Begin(Transaction{id, time.Unix(int64(e.Header.Timestamp), 0).UTC()})
	return nil
}

// end ends the transaction, and the stream after the last one.
func (p *pass) end() error {
	if p.remaining.isEmpty() {
		p.done = true
		return errDone
	}
	return nil
}

func (p *pass) fail(err error) error {
	p.err = err
	return err
}

// heartbeat ends a log that is at its end. Heartbeats also come while a server passes
// over what was not asked for, so that only long silence is an error.
func (p *pass) heartbeat() error {
	if p.remaining.isEmpty() {
		return p.end()
	}
	if time.Since(p.lastHeard) > maxSilence {
		return p.fail(fmt.Errorf("read the binlog: it ends before %s", p.remaining.set))
	}
	return nil
}

// decode implements the library's RowsEventDecodeFunc.
func (p *pass) decode(e *logevent.RowsEvent, data []byte) error {
	at, err := e.DecodeHeader(data)
	if err != nil {
		return err
	}
	if !p.wanted || p.err != nil {
		return nil //nolint:nilerr // HandleEvent returns the first error, p.err
	}
	// The library's error about an event that it cannot decode quotes the event.
	broken := e.DecodeData(at, data) != nil
	if broken {
		e.Rows = nil
	}
	if err := p.visitor.Rows(p.ctx, e, broken); err != nil {
		return p.fail(err)
	}
	e.Rows, e.SkippedColumns = nil, nil
	return nil
}

// statement passes a statement on and reports whether it ends the transaction.
func (p *pass) statement(e *logevent.QueryEvent) (ends bool, err error) {
	text := string(e.Query)
	switch FirstWord(text) {
	case "BEGIN":
		if strings.TrimSpace(text) == "BEGIN" { // a block of MariaDB's is another statement
			p.grouped = true
			return false, nil
		}
	case "XA":
		goesOn, err := p.xaStatement(text)
		return !goesOn, err
	case "SAVEPOINT", "ROLLBACK": // to a savepoint, or the end of a group that another event follows
		return false, nil
	case "COMMIT":
		return true, nil
	}
	if p.wanted {
		p.visitor.Statement(p.texts.logged(e))
	}
	return !p.grouped, nil
}

// FirstWord returns a statement's first word after its comments, in capitals.
func FirstWord(text string) string {
	for {
		text = strings.TrimSpace(text)
		if !strings.HasPrefix(text, "/*") || strings.HasPrefix(text, "/*!") {
			break
		}
		_, rest, ok := strings.Cut(text, "*/")
		if !ok {
			return ""
		}
		text = rest
	}
	end := strings.IndexFunc(text, func(r rune) bool {
		return r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == '(' || r == '/' || r == ';'
	})
	if end >= 0 {
		text = text[:end]
	}
	return strings.ToUpper(text)
}

var _ logevent.EventHandler = (*pass)(nil)
