package preflight

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/setting"
)

// sessionSettings are variables that a session may have set for itself, with the value
// that the move needs in every session and what a session with another value does.
var sessionSettings = []struct{ hazard, name, value, does string }{
	{"H4", "binlog_format", "ROW", "logs statements, which do something else when they are run again"},
	{"H4", "binlog_row_image", "FULL", "logs rows in part"},
	{"H4", "binlog_row_value_options", "", "logs JSON values in part"},
	{"H24", "sql_log_bin", "ON", "writes past the binlog"},
}

// checkSessions looks for sessions whose own settings change what they log (H4, H24). If the
// server does not show the variables of its sessions, it names the accounts that may set
// them.
func (i *inspection) checkSessions(ctx context.Context) error {
	if !i.source.dialect.TellsSessionVariables() {
		return i.checkBinlogAdmins(ctx)
	}
	records, err := query.All(ctx, i.source.db, `SELECT t.PROCESSLIST_ID AS id, v.VARIABLE_NAME AS name, v.VARIABLE_VALUE AS value
		FROM performance_schema.variables_by_thread v JOIN performance_schema.threads t USING (THREAD_ID)
		WHERE t.PROCESSLIST_ID IS NOT NULL
			AND v.VARIABLE_NAME IN ('binlog_format', 'binlog_row_image', 'binlog_row_value_options', 'sql_log_bin')`)
	if err != nil {
		return err
	}
	all, err := account.Clients(ctx, i.source.Server)
	if err != nil {
		return err
	}
	for _, want := range sessionSettings {
		var wrong []account.Client
		for _, r := range records {
			if r["name"] != want.name || setting.SameValue(r["value"], want.value) {
				continue
			}
			wrong = append(wrong, clientsWithIDs(all, r["id"])...)
		}
		if len(wrong) == 0 {
			continue
		}
		i.add(want.hazard, Refuse, i.source, fmt.Sprintf("%s; and let its client not set %s", killStatement(wrong), want.name),
			"a session has set %s for itself and %s: %s", want.name, want.does, account.DescribeClients(wrong))
	}
	return nil
}

// checkBinlogAdmins names the accounts that may keep their sessions out of MariaDB's binlog,
// or make them log statements.
func (i *inspection) checkBinlogAdmins(ctx context.Context) error {
	privileges := i.source.dialect.BinlogBypass()
	all, err := fence.Holders(ctx, i.source.db, privileges)
	if err != nil {
		return err
	}
	own, err := query.Text(ctx, i.source.db, "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)")
	if err != nil {
		return err
	}
	accounts, err := replication.ReadOwnAccounts(ctx, i.source.db)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(grantee string) bool {
		name := fence.UserOf(grantee)
		return name == "root" || name == own || accounts.Has(name, fence.HostOf(grantee)) || slices.Contains(replication.SystemUsers, name)
	})
	if len(all) > 0 {
		i.add("H24", Warn, i.source, fmt.Sprintf("REVOKE %s ON *.* FROM %s; or make sure that they set neither: a statement stops the seed, and verify finds rows that were not logged",
			strings.Join(privileges, ", "), strings.Join(all, ", ")),
			"MariaDB does not tell which sessions have set sql_log_bin or binlog_format for themselves; these accounts may: %s", phrase.FirstOf(5, all))
	}
	return nil
}

// clientsWithIDs are the sessions that have one of the ids.
func clientsWithIDs(all []account.Client, ids ...string) []account.Client {
	var out []account.Client
	for _, c := range all {
		if slices.Contains(ids, strconv.FormatInt(c.ID, 10)) {
			out = append(out, c)
		}
	}
	return out
}

// killStatement is the statement that ends sessions.
func killStatement(list []account.Client) string {
	var parts []string
	for _, c := range list {
		parts = append(parts, "KILL "+strconv.FormatInt(c.ID, 10))
	}
	return strings.Join(parts, "; ")
}

// checkTransactions looks for what a fence would wait for in vain (H15): transactions and
// statements that have run for longer than it may wait.
func (i *inspection) checkTransactions(ctx context.Context) error {
	wait := fence.Options{Wait: i.opts.FenceWait}.EffectiveWait()
	all, err := account.Clients(ctx, i.source.Server)
	if err != nil {
		return err
	}
	ages, err := i.transactionAges(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		age, open := ages[strconv.FormatInt(c.ID, 10)]
		statement := c.Command == "Query" || c.Command == "Execute"
		what, seconds := "", 0
		switch {
		case open && float64(age) > wait.Seconds():
			what, seconds = "transaction", age
		case statement && float64(c.Seconds) > wait.Seconds():
			what, seconds = "statement", c.Seconds
		default:
			continue
		}
		i.add("H15", Warn, i.source, fmt.Sprintf("let it end before the cutover, or KILL %d; cutover.kill_blockers lets the fence do so", c.ID),
			"a %s has run for %d s, and a fence waits %s: session %s", what, seconds, wait, c)
	}
	return nil
}

// checkPrepared looks for prepared transactions (XA) on a side (H15). They belong to no
// session, and block its fence and the handover.
func (i *inspection) checkPrepared(ctx context.Context, s *side) error {
	prepared, err := replication.ListPrepared(ctx, s.db, s.dialect)
	if err == nil && len(prepared) > 0 {
		i.add("H15", Warn, s, prepared[0].EndHint(),
			"%d transactions are prepared and neither committed nor rolled back (XA): they lock their rows and block the cutover: %s",
			len(prepared), replication.DescribeXIDs(prepared))
	}
	return err
}

// transactionAges are the ages in seconds of open transactions that have written, by
// session. The server shows their start in its own time zone.
func (i *inspection) transactionAges(ctx context.Context) (map[string]int, error) {
	session, err := i.source.Session(ctx, "SET SESSION time_zone = 'SYSTEM'")
	if err != nil {
		return nil, err
	}
	defer session.Close()
	records, err := query.All(ctx, session, `SELECT trx_mysql_thread_id AS id,
		GREATEST(TIMESTAMPDIFF(SECOND, trx_started, NOW()), 0) AS age FROM information_schema.INNODB_TRX
		WHERE trx_rows_modified > 0`)
	if err != nil {
		return nil, err
	}
	ages := map[string]int{}
	for _, r := range records {
		age, err := strconv.Atoi(r["age"])
		if err != nil {
			return nil, fmt.Errorf("read the age of a transaction: %w", err)
		}
		ages[r["id"]] = age
	}
	return ages, nil
}

// checkMetadataLocks looks for sessions that wait for a metadata lock (H16): what they wait
// for would also block migrate's statements, and they block the statements behind them.
func (i *inspection) checkMetadataLocks(ctx context.Context) error {
	all, err := account.Clients(ctx, i.source.Server)
	if err != nil {
		return err
	}
	waiting := slices.DeleteFunc(slices.Clone(all), func(c account.Client) bool { return !waitsForMetadata(c.State) })
	if len(waiting) == 0 {
		return nil
	}
	holding, known, err := i.metadataHolders(ctx)
	if err != nil {
		return err
	}
	for _, c := range waiting {
		holders := slices.DeleteFunc(clientsWithIDs(all, holding[strconv.FormatInt(c.ID, 10)]...), func(h account.Client) bool { return h.ID == c.ID })
		fix, who := "end the oldest transaction that uses the same table", "who holds it is unknown"
		switch {
		case len(holders) > 0:
			who = "held by " + account.DescribeClients(holders)
			fix = "let that transaction end, or " + killStatement(holders)
		case !known:
			fix = "INSTALL SONAME 'metadata_lock_info' makes the server show who holds it; " + fix
		}
		i.add("H16", Warn, i.source, fix, "session %s is %s: %s", c, strings.ToLower(c.State), who)
	}
	return nil
}

// waitsForMetadata reports whether a session in this state waits for a metadata lock.
func waitsForMetadata(state string) bool {
	return strings.HasPrefix(state, "Waiting for") &&
		(strings.HasSuffix(state, "metadata lock") || strings.HasSuffix(state, "read lock") ||
			strings.HasSuffix(state, "backup lock") || strings.HasSuffix(state, "table flush"))
}

// metadataHolders are, for each session with metadata locks, the sessions that hold a lock
// on the same objects. known is false if the server does not show them.
func (i *inspection) metadataHolders(ctx context.Context) (holding map[string][]string, known bool, err error) {
	records, err := query.All(ctx, i.source.db, i.source.dialect.ListMetadataLocks())
	if query.ErrorNumber(err) == 1109 { // no such table in information_schema: the plugin is not installed
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	holding = map[string][]string{}
	for _, r := range records {
		for _, o := range records {
			if o["object"] == r["object"] && o["held"] == "1" && o["id"] != r["id"] && !slices.Contains(holding[r["id"]], o["id"]) {
				holding[r["id"]] = append(holding[r["id"]], o["id"])
			}
		}
	}
	return holding, true, nil
}
