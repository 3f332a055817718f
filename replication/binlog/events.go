package binlog

import (
	"errors"
	"fmt"
	"slices"

	logevent "github.com/go-mysql-org/go-mysql/replication"

	"github.com/dcmigrate/migrate/report"
)

// ErrEvent is wrapped when a binlog holds an event that does not tell what it changed.
var ErrEvent = errors.New("the binlog has an event that does not tell what has changed")

// knownEvents are the events that pass handles, and those that change nothing.
var knownEvents = []logevent.EventType{
	logevent.QUERY_EVENT, logevent.MARIADB_QUERY_COMPRESSED_EVENT, logevent.XID_EVENT, logevent.XA_PREPARE_LOG_EVENT,
	logevent.GTID_EVENT, logevent.GTID_TAGGED_LOG_EVENT, logevent.MARIADB_GTID_EVENT, logevent.TRANSACTION_PAYLOAD_EVENT,
	logevent.TABLE_MAP_EVENT, logevent.WRITE_ROWS_EVENTv1, logevent.UPDATE_ROWS_EVENTv1, logevent.DELETE_ROWS_EVENTv1,
	logevent.WRITE_ROWS_EVENTv2, logevent.UPDATE_ROWS_EVENTv2, logevent.DELETE_ROWS_EVENTv2, logevent.PARTIAL_UPDATE_ROWS_EVENT,
	logevent.MARIADB_WRITE_ROWS_COMPRESSED_EVENT_V1, logevent.MARIADB_UPDATE_ROWS_COMPRESSED_EVENT_V1, logevent.MARIADB_DELETE_ROWS_COMPRESSED_EVENT_V1,

	// A statement in place of rows, and what it needs.
	logevent.EXECUTE_LOAD_QUERY_EVENT, logevent.BEGIN_LOAD_QUERY_EVENT, logevent.APPEND_BLOCK_EVENT, logevent.DELETE_FILE_EVENT,
	logevent.INTVAR_EVENT, logevent.RAND_EVENT, logevent.USER_VAR_EVENT,

	// The log's own affairs.
	logevent.FORMAT_DESCRIPTION_EVENT, logevent.ROTATE_EVENT, logevent.STOP_EVENT, logevent.PREVIOUS_GTIDS_EVENT, logevent.MARIADB_GTID_LIST_EVENT,
	logevent.MARIADB_BINLOG_CHECKPOINT_EVENT, logevent.MARIADB_START_ENCRYPTION_EVENT, logevent.HEARTBEAT_EVENT, logevent.HEARTBEAT_LOG_EVENT_V2,
	logevent.ROWS_QUERY_EVENT, logevent.MARIADB_ANNOTATE_ROWS_EVENT, logevent.IGNORABLE_EVENT,
	logevent.TRANSACTION_CONTEXT_EVENT, logevent.VIEW_CHANGE_EVENT, // of group replication
}

// requireKnown returns ErrEvent for an event that may have changed something unseen. A
// server marks those that a reader may pass over.
func (p *pass) requireKnown(h *logevent.EventHeader) error {
	switch {
	case h.EventType == logevent.INCIDENT_EVENT:
		return p.fail(report.WithHint(fmt.Errorf("%w: an incident: the server lost part of its log", ErrEvent),
			"its error log says why; nothing that follows the log has what was lost: begin the seed again (migrate rollback, migrate apply), and compare with migrate verify"))
	case slices.Contains(knownEvents, h.EventType), h.Flags&logevent.LOG_EVENT_IGNORABLE_F != 0:
		return nil
	}
	return p.fail(report.WithHint(fmt.Errorf("%w: its type is %s (%d)", ErrEvent, h.EventType, byte(h.EventType)),
		"this version of migrate does not know the event: switch off on the server what logs it, or use a version that knows it"))
}
