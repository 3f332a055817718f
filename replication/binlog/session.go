package binlog

import (
	"context"
	"encoding/binary"
	"strconv"

	logevent "github.com/go-mysql-org/go-mysql/replication"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/statement"
)

// texts says how the statements of a server's log are to be read.
type texts struct {
	charsets map[uint16]string // by the numbers of collations
	names    statement.Names
	runs     func(own bool, version int) bool
}

// readTexts asks the server. It needs no privileges.
func readTexts(ctx context.Context, s *replication.Server, d *dialect.Dialect) (texts, error) {
	out := texts{charsets: map[uint16]string{}, runs: d.RunsComment}
	db, err := s.DB(ctx)
	if err != nil {
		return out, err
	}
	records, err := query.All(ctx, db, d.ListCollations())
	if err != nil {
		return out, s.Wrap("read the collations", err)
	}
	for _, r := range records {
		if n, err := strconv.ParseUint(r["id"], 10, 16); err == nil {
			out.charsets[uint16(n)] = r["charset"]
		}
	}
	folded, err := query.Text(ctx, db, "SELECT @@lower_case_table_names")
	out.names.Folded = folded != "0"
	return out, s.Wrap("read how it compares names", err)
}

// setVersion takes the version of the server that wrote a binlog from its first event.
func (t *texts) setVersion(e *logevent.FormatDescriptionEvent) {
	if d, err := dialect.ParseVersion(e.ServerVersion, ""); err == nil {
		t.runs = d.RunsComment
	}
}

// logged returns the statement of an event.
func (t *texts) logged(e *logevent.QueryEvent) statement.Logged {
	s := sessionOf(e.StatusVars)
	out := statement.Logged{Text: string(e.Query), Schema: string(e.Schema), Mode: s.mode, Runs: t.runs, Names: t.names}
	if s.hasMode && s.hasCharset { // else it cannot be read
		out.Charset = t.charsets[s.charset]
	}
	return out
}

// session is what an event tells about its session.
type session struct {
	mode                uint64
	charset             uint16 // a collation's number
	hasMode, hasCharset bool
}

// The status variables of a Query_log_event that stand before the two that matter here:
// https://dev.mysql.com/doc/dev/mysql-server/latest/classmysql_1_1binlog_1_1event_1_1Query__event.html
const (
	varFlags         = 0
	varMode          = 1
	varCatalogOld    = 2
	varAutoIncrement = 3
	varCharset       = 4
	varTimeZone      = 5
	varCatalog       = 6
)

// sessionOf reads status variables up to one that it does not know: servers write those
// that matter first.
func sessionOf(vars []byte) (s session) {
	for len(vars) > 0 {
		code, value := vars[0], vars[1:]
		size := 0
		switch code {
		case varFlags, varAutoIncrement:
			size = 4
		case varMode:
			size = 8
		case varCharset:
			size = 6
		case varCatalogOld, varTimeZone, varCatalog:
			if len(value) == 0 {
				return s
			}
			size = 1 + int(value[0])
			if code == varCatalogOld {
				size++ // a zero
			}
		default:
			return s
		}
		if len(value) < size {
			return s
		}
		switch code {
		case varMode:
			s.mode, s.hasMode = binary.LittleEndian.Uint64(value), true
		case varCharset:
			s.charset, s.hasCharset = binary.LittleEndian.Uint16(value), true
		}
		vars = value[size:]
	}
	return s
}
