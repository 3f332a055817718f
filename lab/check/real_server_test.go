package check

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/servertest"
)

// serverClient queries a real server and returns rows as the command-line client
// prints them.
type serverClient struct{ db *sql.DB }

func (c serverClient) Query(ctx context.Context, statement string) ([]byte, error) {
	rows, err := c.db.QueryContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // read to the end
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	for rows.Next() {
		cells, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		for i, cell := range cells {
			if i > 0 {
				out.WriteByte('\t')
			}
			out.WriteString(cell.String)
		}
		out.WriteByte('\n')
	}
	return []byte(out.String()), rows.Err()
}

// startBlog starts a server with the blog's own schema and the writes of clientLog(3).
func startBlog(t *testing.T) serverClient {
	t.Helper()
	server := servertest.Start(t, servertest.MariaDB)
	cfg := server.Config("root", "", "unix")
	cfg.MultiStatements = true
	connector, err := mysql.NewConnector(cfg)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	schema, err := os.ReadFile("../blog/schema.sql")
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), string(schema))
	require.NoError(t, err)
	for i := range 3 {
		const date = "'2026-01-01 10:00:00'"
		_, err := db.ExecContext(t.Context(), fmt.Sprintf(`INSERT INTO blog.posts (op, title, body, created_at) VALUES ('P%[1]d', 'A ☃', 'words', %[2]s);
			INSERT INTO blog.users (op, email, token, created_at) VALUES ('U%[1]d', 'u%[1]d@example.net', 'T%[1]d', %[2]s);
			UPDATE blog.users SET confirmed_op = 'C%[1]d', confirmed_at = %[2]s WHERE token = 'T%[1]d';
			UPDATE blog.tallies SET n = n + 1 WHERE name = 'likes';
			INSERT INTO blog.likes (op, created_at) VALUES ('L%[1]d', %[2]s)`, i, date))
		require.NoError(t, err)
	}
	return serverClient{db}
}

// TestHistoryOnServers runs the check on real servers with the blog's schema: it
// finds each mutation, and nothing without one.
func TestHistoryOnServers(t *testing.T) {
	source, target := startBlog(t), startBlog(t)
	check := func() Report {
		r, err := History(t.Context(), clientLog(3), source, target)
		require.NoError(t, err)
		return r
	}
	require.True(t, check().Clean(), "%+v", check())
	for _, c := range []struct{ name, mutate, back, found string }{
		{
			"lost write", "DELETE FROM blog.posts WHERE op = 'P1'",
			"INSERT INTO blog.posts (id, op, title, body, created_at) SELECT id, op, title, body, created_at FROM saved", "lost",
		},
		{
			"doubled write", "INSERT INTO blog.posts (op, title, body, created_at) VALUES ('P1', 'A ☃', 'words', '2026-01-01')",
			"DELETE FROM blog.posts ORDER BY id DESC LIMIT 1", "doubled",
		},
		{"lost update", "UPDATE blog.tallies SET n = n - 1", "UPDATE blog.tallies SET n = n + 1", "differences"},
		{"a bit of a float", "UPDATE blog.posts SET rating = rating + 0.0001 WHERE id = 7", "UPDATE blog.posts SET rating = 7 / 7 WHERE id = 7", "differences"},
		{"a comment lost", "UPDATE blog.comments SET body = CONCAT(body, ' ') WHERE id = 9", "UPDATE blog.comments SET body = TRIM(body) WHERE id = 9", "differences"},
	} {
		t.Run(c.name, func(t *testing.T) {
			exec := func(statement string) {
				_, err := target.db.ExecContext(t.Context(), statement)
				require.NoError(t, err)
			}
			exec("USE blog; CREATE OR REPLACE TABLE saved AS SELECT * FROM blog.posts WHERE op = 'P1'")
			exec(c.mutate)
			r := check()
			require.Equal(t, c.found == "lost", len(r.Lost) > 0, "%+v", r)
			require.Equal(t, c.found == "doubled", len(r.Doubled) > 0, "%+v", r)
			require.NotEmpty(t, r.Differences)
			exec("USE blog; " + c.back)
			require.True(t, check().Clean(), "%+v", check())
		})
	}
}

// TestDrainOnServers reads real positions: a server agrees with itself, but not with
// one that has executed nothing.
func TestDrainOnServers(t *testing.T) {
	server := servertest.Start(t, servertest.MariaDB)
	db := serverClient{server.Root()}
	server.Exec("CREATE DATABASE d")
	at, err := executedGTIDs(t.Context(), db)
	require.NoError(t, err)
	require.NotEmpty(t, at)
	require.NoError(t, Drain(t.Context(), db, db))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, Drain(ctx, db, &memoryDatabase{at: ""}))
}
