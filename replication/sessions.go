package replication

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/dcmigrate/migrate/report"
)

// Every session of migrate's own login holds a lock that is named after it, so
// that every process of migrate can tell them from an application's that logs in
// with the same account. The lock ends with its session.
const (
	sessionLock = "migrate.session."
	sessionMark = "@migrate_session" // the variable that takes what GET_LOCK says
	// sessionMarkValue takes the lock.
	sessionMarkValue = "GET_LOCK(CONCAT('" + sessionLock + "', CONNECTION_ID()), 0)"
)

// client is a session of a client on a server: no replication thread, and none
// of migrate's own.
type client struct {
	ID                         int64
	User, Host, Command, State string
	Seconds                    int    // in the present command
	Transaction                string // its InnoDB transaction, where that was asked for
}

// notClients are commands of sessions that are no clients.
var notClients = []string{"Binlog Dump", "Binlog Dump GTID", "Daemon", "Slave_IO", "Slave_SQL", "Slave_worker"}

// clients lists the sessions of clients. Those under the login that migrate
// uses are its own where they hold the lock of such a session; those of the
// accounts that migrate makes are.
func clients(ctx context.Context, s *Server) ([]client, error) {
	db, err := s.DB(ctx)
	if err != nil {
		return nil, err
	}
	records, err := queryRecords(ctx, db, `SELECT ID AS id, USER AS user, HOST AS host, COMMAND AS command,
		COALESCE(STATE, '') AS state, CAST(TIME AS SIGNED) AS seconds FROM information_schema.PROCESSLIST
		WHERE USER NOT IN ('system user', 'event_scheduler', 'unauthenticated user')
		AND NOT (USER = SUBSTRING_INDEX(CURRENT_USER(), '@', 1) AND COALESCE(IS_USED_LOCK(CONCAT(?, ID)) = ID, FALSE))
		ORDER BY ID`, sessionLock)
	if err != nil {
		return nil, s.wrap("list the sessions", err)
	}
	var out []client
	for _, r := range records {
		c, err := newClient(r)
		if err != nil {
			return nil, s.wrap("list the sessions", err)
		}
		if !slices.Contains(notClients, c.Command) && !strings.HasPrefix(c.User, ownUserPrefix) {
			out = append(out, c)
		}
	}
	return out, nil
}

func newClient(r record) (client, error) {
	id, err := strconv.ParseInt(r["id"], 10, 64)
	if err != nil {
		return client{}, err
	}
	seconds, err := strconv.Atoi(r["seconds"])
	return client{ID: id, User: r["user"], Host: r["host"], Command: r["command"], State: r["state"], Seconds: seconds}, err
}

// openWrites lists the clients whose transactions have written and are open.
func openWrites(ctx context.Context, s *Server) ([]client, error) {
	all, err := clients(ctx, s)
	if err != nil {
		return nil, err
	}
	db, err := s.DB(ctx)
	if err != nil {
		return nil, err
	}
	records, err := queryRecords(ctx, db, `SELECT trx_id AS trx, trx_mysql_thread_id AS id
		FROM information_schema.INNODB_TRX WHERE trx_rows_modified > 0`)
	if err != nil {
		return nil, s.wrap("list the open transactions", err)
	}
	var out []client
	for _, c := range all {
		for _, r := range records {
			if r["id"] == strconv.FormatInt(c.ID, 10) {
				c.Transaction = r["trx"]
				out = append(out, c)
			}
		}
	}
	return out, nil
}

// killSessions ends sessions, each visibly. One that has ended is no error.
func killSessions(ctx context.Context, s *Server, list []client, why string) error {
	db, err := s.DB(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.ID == 0 {
			continue
		}
		report.Note(ctx, "session %s on %s is killed: %s", c, s.Name(), why)
		_, err := db.ExecContext(ctx, "KILL "+strconv.FormatInt(c.ID, 10))
		if err != nil && errorNumber(err) != 1094 { // unknown thread
			return s.wrap(fmt.Sprintf("kill session %d", c.ID), err)
		}
	}
	return nil
}

// String names a session for the operator, without its statement.
func (c client) String() string {
	if c.ID == 0 {
		return c.State
	}
	return fmt.Sprintf("%d (%s from %s, %s for %d s)", c.ID, c.User, c.Host, strings.ToLower(c.Command), c.Seconds)
}

// describeSessions names at most five.
func describeSessions(list []client) string {
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.String()
	}
	return some(names)
}

// openPool opens a small pool of a configuration of its own.
func openPool(cfg *mysql.Config) (*sql.DB, error) {
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("configure a login: %w", err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(2)
	return db, nil
}
