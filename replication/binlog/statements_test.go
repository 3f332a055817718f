package binlog

import (
	"context"
	"fmt"
	"strings"
	"testing"

	logevent "github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/statement"
	"github.com/dcmigrate/migrate/report"
)

// effectRecorder is a Visitor that records what statements do.
type effectRecorder struct{ found []string }

func (r *effectRecorder) Begin(Transaction) bool { return true }

func (r *effectRecorder) Rows(_ context.Context, e *logevent.RowsEvent, _ bool) error {
	r.found = append(r.found, fmt.Sprintf("%d images of %s.%s", len(e.Rows), e.Table.Schema, e.Table.Table))
	return nil
}

// XA implements Visitor; prepared_test.go tests it.
func (r *effectRecorder) XA(XAStep, replication.XID) {}

func (r *effectRecorder) Statement(s statement.Logged) {
	words := map[statement.Change]string{
		statement.Altered: "altered", statement.Created: "created", statement.Ensured: "ensured", statement.Renewed: "renewed",
		statement.Dropped: "dropped", statement.Arrived: "arrived",
	}
	for _, e := range statement.Read(s) {
		for _, t := range e.Tables {
			r.found = append(r.found, words[t.Change]+" "+t.Table.Schema+"."+t.Table.Name)
		}
		for _, c := range e.Schemas {
			r.found = append(r.found, words[c.Change]+" schema "+c.Schema)
		}
		if e.Rows {
			r.found = append(r.found, "rows by "+e.Verb)
		}
		if e.Unknown {
			r.found = append(r.found, "unknown "+s.Text)
		}
	}
}

// readEffects returns what statements have done, as the server's log tells it.
func readEffects(t *testing.T, s *servertest.Instance, statements ...string) string {
	t.Helper()
	server := replicationtest.Server(t, s, replication.Source, nil)
	start, err := Logged(t.Context(), server)
	require.NoError(t, err)
	s.Exec(statements...)
	goal, err := Logged(t.Context(), server)
	require.NoError(t, err)
	reader, err := Open(t.Context(), server)
	require.NoError(t, err)
	found := &effectRecorder{}
	require.NoError(t, reader.Read(t.Context(), start, goal, found))
	require.NoError(t, reader.Close(t.Context()))
	return strings.Join(found.found, ", ")
}

// TestWhatServersLogOfStatements runs statements and reads them from the log, where
// servers write many of them in other words.
func TestWhatServersLogOfStatements(t *testing.T) {
	type logged struct {
		run  []string
		want string
	}
	both := []logged{
		{[]string{"CREATE TABLE app.a (id INT PRIMARY KEY)"}, "created app.a"},
		{[]string{"DROP TABLE IF EXISTS app.never"}, "dropped app.never"},
		{[]string{"CREATE DATABASE IF NOT EXISTS app"}, "ensured schema app"},
		{[]string{"CREATE TABLE app.b LIKE app.a"}, "created app.b"},
		{[]string{"USE app", "DROP TABLE b /* and not a */"}, "dropped app.b"},
		{[]string{"CREATE TEMPORARY TABLE app.a (n INT)", "INSERT INTO app.a VALUES (1)", "DROP TABLE app.a"}, ""},
		{[]string{"GRANT SELECT ON app.a TO root@localhost", "ANALYZE TABLE app.a", "OPTIMIZE TABLE app.a", "FLUSH TABLES app.a"}, ""},
		{[]string{"CREATE USER a@localhost", "RENAME USER a@localhost TO b@localhost", "DROP USER b@localhost", "CREATE ROLE app_role", "DROP ROLE app_role"}, ""},
		{[]string{"CREATE VIEW app.v AS SELECT * FROM app.a", "ALTER VIEW app.v AS SELECT 1", "DROP VIEW app.v"}, ""},
		{[]string{"CREATE DEFINER = root@localhost PROCEDURE app.p() TRUNCATE app.a", "CALL app.p()", "DROP PROCEDURE app.p"}, "altered app.a"},
		{[]string{"CREATE TRIGGER app.tr BEFORE INSERT ON app.a FOR EACH ROW SET @a = 1", "DROP TRIGGER app.tr"}, ""},
		{[]string{"CREATE EVENT app.e ON SCHEDULE AT '2037-01-01 00:00:00' DO TRUNCATE app.a", "ALTER EVENT app.e DISABLE", "DROP EVENT app.e"}, ""},
		{[]string{"CREATE INDEX i ON app.a (id)", "DROP INDEX i ON app.a"}, "altered app.a, altered app.a"},
		{[]string{"PREPARE s FROM 'TRUNCATE app.a'", "EXECUTE s"}, "altered app.a"},
		{[]string{"LOCK TABLES app.a WRITE", "TRUNCATE app.a", "UNLOCK TABLES"}, "altered app.a"},
		{[]string{"CREATE DATABASE other", "CREATE TABLE other.a (id INT)", "DROP DATABASE other"}, "created schema other, created other.a, dropped schema other"},
		{[]string{"SET binlog_format = STATEMENT", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "INSERT INTO app.a VALUES (8)"}, "rows by INSERT"},
		{[]string{"SET NAMES gbk", "CREATE TABLE app.`\xd5\x5c` (id INT)", "SET NAMES latin1", "ALTER DATABASE app COLLATE utf8mb4_bin"}, "created app.\uFFFF, altered schema app"},
	}
	special := map[servertest.Flavor][]logged{
		servertest.MariaDB: {
			{[]string{"USE app", "CREATE TABLE IF NOT EXISTS a (id INT PRIMARY KEY)"}, ""},
			{[]string{"SET STATEMENT max_statement_time=9 FOR TRUNCATE app.a"}, "altered app.a"},
			{[]string{"/*M!100100 TRUNCATE app.a */"}, "altered app.a"},
			{[]string{"/*!50701 TRUNCATE app.a */"}, ""},
			{[]string{"CREATE SEQUENCE app.q", "ALTER SEQUENCE app.q RESTART 5", "CREATE OR REPLACE SEQUENCE app.q", "DROP SEQUENCE app.q"}, "created app.q, altered app.q, renewed app.q, dropped app.q"},
			{[]string{"SET sql_mode = ORACLE", `CREATE OR REPLACE PACKAGE "app"."pk" AS PROCEDURE p; END`, `DROP PACKAGE "app"."pk"`}, ""},
			{[]string{"BEGIN NOT ATOMIC TRUNCATE app.a; INSERT INTO app.a VALUES (3); END"}, "altered app.a, 1 images of app.a"},
			{[]string{"SET SESSION binlog_alter_two_phase = 1", "ALTER TABLE app.a COMMENT 'twice'"}, "altered app.a, altered app.a"},
			{[]string{"SET GLOBAL log_bin_compress = 1", "SET GLOBAL log_bin_compress_min_len = 10", "ALTER TABLE app.a COMMENT '" + strings.Repeat("long ", 100) + "'", "INSERT INTO app.a VALUES (5)", "SET GLOBAL log_bin_compress = 0"}, "altered app.a, 1 images of app.a"},
			{[]string{"CREATE OR REPLACE TABLE app.c SELECT 1 AS id"}, "renewed app.c, 1 images of app.c"},
		},
		servertest.MySQL: {
			{[]string{"CREATE USER a@localhost", "SET DEFAULT ROLE NONE TO a@localhost", "ALTER USER a@localhost ACCOUNT LOCK", "DROP USER a@localhost"}, ""},
			{[]string{"USE app", "CREATE TABLE IF NOT EXISTS a (id INT PRIMARY KEY)"}, "ensured app.a"},
			{[]string{"/*M!100100 TRUNCATE app.a */ SELECT 1"}, ""},
			{[]string{"/*!80000 TRUNCATE app.a */"}, "altered app.a"},
			{[]string{"CREATE TABLE app.c SELECT 1 AS id"}, "created app.c, 1 images of app.c"},
			{[]string{"CREATE TABLESPACE ts ADD DATAFILE 'ts.ibd'", "DROP TABLESPACE ts"}, ""},
			{[]string{"SET binlog_transaction_compression = ON", "INSERT INTO app.a VALUES (5)", "SET binlog_format = STATEMENT", "UPDATE app.a SET id = 6"}, "1 images of app.a, rows by UPDATE"},
			{[]string{"CREATE FUNCTION app.f() RETURNS INT DETERMINISTIC RETURN 1", "DROP FUNCTION app.f"}, ""},
		},
	}
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		s := servertest.Start(t, flavor)
		s.Exec("CREATE DATABASE app")
		for _, l := range append(both, special[flavor]...) {
			require.Equal(t, l.want, readEffects(t, s, l.run...), "%s", l.run)
		}
	})
}

// TestEventsThatDoNotTellWhatChanged ends a reading at an incident and at events that are
// not known, unless the server says that they may be ignored.
func TestEventsThatDoNotTellWhatChanged(t *testing.T) {
	for _, c := range []struct {
		kind  logevent.EventType
		flags uint16
		want  string
	}{
		{logevent.INCIDENT_EVENT, 0, "incident"},
		{logevent.INCIDENT_EVENT, logevent.LOG_EVENT_IGNORABLE_F, "incident"},
		{99, 0, "(99)"},
		{99, logevent.LOG_EVENT_IGNORABLE_F, ""},
		{172, 0, "(172)"}, // a part of a row, of later versions of MariaDB
		{logevent.LOAD_EVENT, 0, "LoadEvent"},
		{logevent.ANONYMOUS_GTID_EVENT, 0, "AnonymousGTIDEvent"},
		{logevent.WRITE_ROWS_EVENTv0, 0, "WriteRowsEventV0"},
		{logevent.ROWS_QUERY_EVENT, 0, ""},
		{logevent.PREVIOUS_GTIDS_EVENT, 0, ""},
	} {
		header := &logevent.EventHeader{EventType: c.kind, Flags: c.flags}
		payload := &logevent.TransactionPayloadEvent{Events: []*logevent.BinlogEvent{{Header: header, Event: &logevent.GenericEvent{}}}}
		for _, e := range []*logevent.BinlogEvent{
			{Header: header, Event: &logevent.GenericEvent{}},
			{Header: &logevent.EventHeader{EventType: logevent.TRANSACTION_PAYLOAD_EVENT}, Event: payload},
		} {
			p := &pass{ctx: t.Context(), visitor: &effectRecorder{}, remaining: &remaining{count: 1, set: replication.GTIDSet{}}}
			p.remaining.set = someSet(t)
			err := p.HandleEvent(e)
			if c.want == "" {
				require.NoError(t, err, "%s", c.kind)
				continue
			}
			require.ErrorIs(t, err, ErrEvent)
			require.ErrorContains(t, err, c.want)
			require.NotEmpty(t, report.Hint(err))
			require.Equal(t, err, p.HandleEvent(e), "nothing is read after it")
		}
	}
}

func someSet(t *testing.T) replication.GTIDSet {
	set, err := replication.ParseGTIDSet("MySQL", "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5")
	require.NoError(t, err)
	return set
}
