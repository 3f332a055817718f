package link

import (
	"context"
	"strconv"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/setting"
)

// Errors of a table that does not exist.
const (
	noSuchTable     = 1146
	unknownDatabase = 1049
)

// markTable holds a server's marks: which of its sessions are older than a setting. It
// is out of the binlog, because each server has sessions of its own.
const markTable = "session_mark"

const markColumns = "`name` VARCHAR(32) NOT NULL PRIMARY KEY, `connection` BIGINT NOT NULL, `started` BIGINT NOT NULL"

// readMark returns the connection id that the mark was made with: every session with
// a lower one is older than the setting. 0 says that there is no mark. restarted says
// that the server has started since then, so that ids have begun at 1 again.
func readMark(ctx context.Context, s *replication.Server, name string) (connection int64, restarted bool, err error) {
	db, err := s.DB(ctx)
	if err != nil {
		return 0, false, err
	}
	r, ok, err := query.One(ctx, db, "SELECT connection, started FROM "+query.QuoteTable(replication.OwnSchema, markTable)+" WHERE name = ?", name)
	if number := query.ErrorNumber(err); number == noSuchTable || number == unknownDatabase {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, s.Wrap("read the mark of old sessions", err)
	}
	if !ok {
		return 0, false, nil
	}
	if connection, err = strconv.ParseInt(r["connection"], 10, 64); err != nil {
		return 0, false, s.Wrap("read the mark of old sessions", err)
	}
	marked, err := strconv.ParseInt(r["started"], 10, 64)
	if err != nil {
		return 0, false, s.Wrap("read the mark of old sessions", err)
	}
	started, err := setting.StartedAt(ctx, db)
	if err != nil {
		return 0, false, s.Wrap("read the start of the server", err)
	}
	// Uptime and clock are in whole seconds, and a clock may be adjusted a little.
	return connection, started-marked > 3, nil
}

// writeMark marks every session that is open now as old, by the id of a session that
// it opens: ids grow, so every session that was opened before has a lower one.
func writeMark(ctx context.Context, s *replication.Server, name string) error {
	err := account.AsAdmin(ctx, s, []string{dialect.Unlogged}, func(ctx context.Context, session *replication.Session) error {
		started, err := setting.StartedAt(ctx, session)
		if err != nil {
			return err
		}
		if err := replication.MakeOwnTable(ctx, session, markTable, markColumns); err != nil {
			return err
		}
		fresh, err := s.Session(ctx)
		if err != nil {
			return err
		}
		defer fresh.Close()
		id, err := query.Text(ctx, fresh, "SELECT CONNECTION_ID()")
		if err != nil {
			return err
		}
		_, err = session.ExecContext(ctx, "REPLACE INTO "+query.QuoteTable(replication.OwnSchema, markTable)+" (name, connection, started) VALUES (?, ?, ?)",
			name, id, started)
		return err
	})
	if err != nil {
		return s.Wrap("mark the old sessions", err)
	}
	return nil
}

// dropMark drops the table of marks.
func dropMark(ctx context.Context, s *replication.Server) error {
	err := account.AsAdmin(ctx, s, []string{dialect.Unlogged}, func(ctx context.Context, session *replication.Session) error {
		return replication.DropOwnTables(ctx, session, markTable)
	})
	if err != nil {
		return s.Wrap("drop the mark of old sessions", err)
	}
	return nil
}
