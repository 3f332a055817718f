package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// Client is a client's session on a server. Replication threads and migrate's own sessions
// are excluded.
type Client struct {
	ID                         int64
	User, Host, Command, State string
	Seconds                    int    // in the present command
	Transaction                string // the id of its InnoDB transaction; only OpenWrites sets it
}

// otherCommands are the commands of sessions that are not clients.
var otherCommands = []string{"Binlog Dump", "Binlog Dump GTID", "Daemon", "Slave_IO", "Slave_SQL", "Slave_worker"}

// threadUsers are the users of threads, and of sessions that have not logged in yet.
var threadUsers = []string{"system user", "event_scheduler", "unauthenticated user"}

// Clients lists the sessions of clients. A session of the account that migrate logs in with
// is migrate's own if it holds the lock of such a session (replication.MarkSession). Every
// session of an account that migrate has created is its own.
func Clients(ctx context.Context, s *replication.Server) ([]Client, error) {
	db, err := s.DB(ctx)
	if err != nil {
		return nil, err
	}
	all, err := query.Processes(ctx, db)
	if err != nil {
		return nil, s.Wrap("list the sessions", err)
	}
	marked, err := markedSessions(ctx, db, all)
	if err != nil {
		return nil, s.Wrap("list the sessions", err)
	}
	own, err := replication.ReadOwnAccounts(ctx, db)
	if err != nil {
		return nil, s.Wrap("list the sessions", err)
	}
	var out []Client
	for _, p := range all {
		if slices.Contains(threadUsers, p.User) || slices.Contains(otherCommands, p.Command) || own.HasUser(p.User) || marked[p.ID] {
			continue
		}
		out = append(out, Client{ID: p.ID, User: p.User, Host: p.Host, Command: p.Command, State: p.State, Seconds: int(p.Seconds)})
	}
	slices.SortFunc(out, func(a, b Client) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// markedSessions are the ids of those sessions of the account that migrate logs in with that
// are migrate's own. A session that has ended since it was listed counts as one: it cannot be
// asked any more.
func markedSessions(ctx context.Context, q query.Queryer, all []query.Process) (map[int64]bool, error) {
	account, err := query.Text(ctx, q, "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)")
	if err != nil {
		return nil, err
	}
	var candidates []string
	for _, p := range all {
		if p.User == account {
			candidates = append(candidates, strconv.FormatInt(p.ID, 10))
		}
	}
	if len(candidates) == 0 {
		return nil, nil
	}
	holders, err := query.Strings(ctx, q, "SELECT id FROM (SELECT "+strings.Join(candidates, " AS id UNION ALL SELECT ")+" AS id) AS sessions "+
		"WHERE IS_USED_LOCK(CONCAT("+query.Literal(replication.SessionLock)+", id)) = id")
	if err != nil {
		return nil, err
	}
	still, err := query.Processes(ctx, q)
	if err != nil {
		return nil, err
	}
	marked := map[int64]bool{}
	for _, p := range all {
		there := slices.ContainsFunc(still, func(now query.Process) bool { return now.ID == p.ID })
		if p.User == account && (!there || slices.Contains(holders, strconv.FormatInt(p.ID, 10))) {
			marked[p.ID] = true
		}
	}
	return marked, nil
}

// OpenWrites lists the clients whose transactions are open and have written.
func OpenWrites(ctx context.Context, s *replication.Server) ([]Client, error) {
	records, err := openTransactions(ctx, s)
	if err != nil {
		return nil, s.Wrap("list the open transactions", err)
	}
	all, err := Clients(ctx, s)
	if err != nil {
		return nil, err
	}
	var out []Client
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

// The server reads INNODB_TRX from a cache, which it fills anew only for a reader that comes
// 0.1 s or more after the last one (CACHE_MIN_IDLE_TIME_NS in storage/innobase/trx/trx0i_s.cc).
const (
	transactionCache = 110 * time.Millisecond
	transactionReads = 20
)

// openTransactions lists the transactions that are open now and have written: columns trx
// and id, of their session. The session that reads has one of its own, and the list is of
// now once that is in it.
func openTransactions(ctx context.Context, s *replication.Server) ([]query.Record, error) {
	session, err := s.Session(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
	if err != nil {
		return nil, err
	}
	defer session.Close()
	for range transactionReads {
		records, err := query.All(ctx, session, `SELECT trx_id AS trx, trx_mysql_thread_id AS id, trx_mysql_thread_id = CONNECTION_ID() AS own
			FROM information_schema.INNODB_TRX WHERE trx_rows_modified > 0 OR trx_mysql_thread_id = CONNECTION_ID()`)
		if err != nil {
			return nil, err
		}
		others := slices.DeleteFunc(slices.Clone(records), func(r query.Record) bool { return r["own"] == "1" })
		if len(others) < len(records) {
			return others, nil
		}
		if err := wait.For(ctx, transactionCache); err != nil {
			return nil, err
		}
	}
	return nil, report.WithHint(errors.New("INNODB_TRX does not show the present"), "end what reads it more than ten times a second")
}

// Kill ends sessions, with a note for each that says why. A session that has ended is no
// error.
func Kill(ctx context.Context, s *replication.Server, list []Client, why string) error {
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
		if err != nil && query.ErrorNumber(err) != 1094 { // unknown thread
			return s.Wrap(fmt.Sprintf("kill session %d", c.ID), err)
		}
	}
	return nil
}

// String names a session for the operator, without its statement.
func (c Client) String() string {
	if c.ID == 0 {
		return c.State
	}
	return fmt.Sprintf("%d (%s from %s, %s for %d s)", c.ID, c.User, c.Host, strings.ToLower(c.Command), c.Seconds)
}

// DescribeClients names the first five sessions and counts the others.
func DescribeClients(list []Client) string {
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.String()
	}
	return phrase.FirstOf(5, names)
}
