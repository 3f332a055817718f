package conflict

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/statement"
)

// TestStatementsThatAReportNames says which statements of a log the report is unsure about:
// those that may have changed rows of what is moved.
func TestStatementsThatAReportNames(t *testing.T) {
	for _, c := range []struct {
		schemas      []string
		schema, text string
		want         bool
	}{
		{nil, "app", "SET STATEMENT max_statement_time=1 FOR TRUNCATE t", true},
		{nil, "", "/*M!100100 TRUNCATE app.t */", true},
		{nil, "", "SET STATEMENT max_statement_time=1 FOR DELETE FROM app.t", true},
		{nil, "app", "RENAME TABLE a TO b", true},
		{nil, "app", "ALTER TABLE t COMMENT 'x'", true},
		{nil, "app", "CREATE TABLE t (id INT)", true},
		{nil, "app", "CREATE OR REPLACE TABLE t (id INT)", true},
		{nil, "app", "CREATE TABLE IF NOT EXISTS t SELECT 1 AS id", true},
		{nil, "", "DROP DATABASE app", true},
		{nil, "app", "EXECUTE IMMEDIATE 'x'", true},
		{nil, "app", "CREATE TABLE IF NOT EXISTS t (id INT)", false},
		{nil, "app", "CREATE DATABASE IF NOT EXISTS app", false},
		{nil, "app", "ANALYZE TABLE t", false},
		{nil, "app", "CREATE VIEW v AS SELECT * FROM t", false},
		{nil, "app", "GRANT INSERT ON app.t TO u", false},
		{nil, "mysql", "INSERT INTO user VALUES (1)", false},
		{nil, "", "ALTER TABLE migrate.heartbeat FORCE", false},
		{[]string{"app"}, "other", "TRUNCATE t", false},
		{[]string{"app"}, "other", "TRUNCATE app.t", true},
		{[]string{"app"}, "app", "TRUNCATE other.t", false},
		{[]string{"app"}, "other", "DROP DATABASE other", false},
		{[]string{"app"}, "other", "INSERT INTO t SELECT * FROM app.t", true},
		{[]string{"app"}, "other", "UPDATE t SET a = 1", false},
	} {
		s := &scan{schemas: c.schemas, unsure: map[string]bool{}}
		v := &logVisitor{scan: s, reader: &binlog.Reader{Server: replication.NewServer(replication.ServerConfig{Name: "main (source)"})}}
		v.Statement(statement.Logged{Text: c.text, Schema: c.schema, Charset: "utf8mb4", Runs: func(bool, int) bool { return true }})
		require.Equal(t, c.want, len(s.unsure) == 1, "%s: %v", c.text, slices.Collect(maps.Keys(s.unsure)))
	}
}
