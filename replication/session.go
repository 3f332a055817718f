package replication

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"time"
)

// Limits of migrate's sessions.
const (
	// DialTimeout bounds one attempt to connect.
	DialTimeout = 15 * time.Second
	// LockWaitSeconds is the lock_wait_timeout of a session.
	LockWaitSeconds = "10"

	maxConnections = 16
	idleTimeout    = time.Minute
)

// SessionMode is the sql_mode of migrate's sessions: backticks quote identifiers, the
// server refuses no value that a row may hold, and a zero in an AUTO_INCREMENT column
// stays a zero. A difference of unsigned numbers in a generated column, a functional key or
// a CHECK may be negative, as it is where such a table was made. MySQL keeps an opened
// table, with the meaning that its expressions had when it was opened, for the next
// session: without the mode, an application that relies on it would be refused.
const SessionMode = "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_UNSIGNED_SUBTRACTION"

// DefinitionSettings ends a SET statement: definitions and grants are printed whole, and
// their names in backticks, whatever the server's settings are. MySQL can hide a primary
// key that it has generated from definitions and from information_schema. To a copy of such
// a table it would be lost.
const DefinitionSettings = ", SESSION sql_quote_show_create = ON /*!80030 , SESSION show_gipk_in_create_table_and_information_schema = ON */"

// Every session of migrate's own login holds a lock that is named after the session.
// By the lock, every process of migrate tells these sessions from an application's that
// logs in with the same account. The lock ends with its session.
const (
	// SessionLock begins the lock's name; the session's connection id ends it.
	SessionLock = "migrate.session."
	// MarkSession is the statement that takes the lock.
	MarkSession = "SET " + sessionMark + " = " + sessionLockCall

	sessionMark     = "@migrate_session" // the variable that receives the result of GET_LOCK
	sessionLockCall = "GET_LOCK(CONCAT('" + SessionLock + "', CONNECTION_ID()), 0)"
)

// Session is one connection whose settings were changed. Close ends the connection
// instead of returning it to the pool.
type Session struct{ *sql.Conn }

// Session opens a connection and runs the settings in it, each a whole statement.
func (s *Server) Session(ctx context.Context, settings ...string) (*Session, error) {
	db, err := s.DB(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, s.Wrap("connect", err)
	}
	session := &Session{conn}
	for _, setting := range settings {
		if _, err := conn.ExecContext(ctx, setting); err != nil {
			session.Close()
			return nil, s.Wrap(setting, err)
		}
	}
	return session, nil
}

// Close ends the connection for good.
func (s *Session) Close() {
	// ErrBadConn from Raw makes the pool discard the connection; Raw returns that
	// same ErrBadConn.
	_ = s.Raw(func(any) error { return driver.ErrBadConn })
	_ = s.Conn.Close()
}
