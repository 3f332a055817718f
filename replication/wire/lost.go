package wire

import (
	"database/sql/driver"
	"errors"
	"io"
	"slices"
	"syscall"

	"github.com/go-sql-driver/mysql"

	"github.com/dcmigrate/migrate/replication/query"
)

// lostNumbers are the errors by which a server says that a session has ended,
// or a statement was ended from outside, of both flavors.
var lostNumbers = []uint16{
	1053,                   // ER_SERVER_SHUTDOWN
	1152,                   // ER_ABORTING_CONNECTION
	1158, 1159, 1160, 1161, // ER_NET_READ_ERROR to ER_NET_WRITE_INTERRUPTED
	1184, // ER_NEW_ABORTING_CONNECTION
	1317, // ER_QUERY_INTERRUPTED
	1927, // MariaDB: ER_CONNECTION_KILLED
	3169, // MySQL: ER_SESSION_WAS_KILLED
	4031, // MySQL: ER_CLIENT_INTERACTION_TIMEOUT
}

// ConnectionLost reports whether err comes of a connection that ended: trying
// again, from the last note, is right.
func ConnectionLost(err error) bool {
	if number := query.ErrorNumber(PlainError(err)); number != 0 {
		return slices.Contains(lostNumbers, number)
	}
	for _, lost := range []error{
		mysql.ErrInvalidConn, driver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE,
	} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return false
}

// ErrBusy says that the lock would have to wait, and every write behind it.
var ErrBusy = errors.New("a statement runs that the lock would wait for")
