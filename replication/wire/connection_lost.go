package wire

import (
	"database/sql/driver"
	"errors"
	"io"
	"slices"
	"syscall"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-sql-driver/mysql"

	"github.com/dcmigrate/migrate/replication/query"
)

// lostNumbers are the errors of both flavors that say that a session has ended, or
// that a statement was ended from outside.
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

// ConnectionLost reports whether err means that a connection ended. The work may
// be tried again from its last note.
func ConnectionLost(err error) bool {
	if number := query.ErrorNumber(DriverError(err)); number != 0 {
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

// DriverError turns an error of the go-mysql library into the driver's error that
// query.ErrorNumber reads. Other errors stay as they are.
func DriverError(err error) error {
	var e *gomysql.MyError
	if errors.As(err, &e) {
		return &mysql.MySQLError{Number: e.Code, Message: e.Message}
	}
	return err
}
