package replicationtest

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// Checksums asks a server for CHECKSUM TABLE of every base table of a schema, by
// table name. It is the server's own hash, not migrate's.
func Checksums(t *testing.T, s *servertest.Instance, schema string) map[string]string {
	t.Helper()
	rows, err := s.Root().Query("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA=? AND TABLE_TYPE='BASE TABLE'", schema)
	require.NoError(t, err)
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		r, ok, err := query.One(t.Context(), s.Root(), "CHECKSUM TABLE "+query.QuoteTable(schema, name))
		require.NoError(t, err)
		require.True(t, ok)
		out[name] = r["Checksum"]
	}
	require.NoError(t, rows.Err())
	return out
}

// Rows reads the rows of a query by the binary protocol, which sends floats by
// their bits: one text a row, with the names, types and values of its columns.
func Rows(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	statement, err := db.Prepare(query)
	require.NoError(t, err)
	defer statement.Close()
	rows, err := statement.Query()
	require.NoError(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var out []string
	for rows.Next() {
		values, pointers := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			pointers[i] = &values[i]
		}
		require.NoError(t, rows.Scan(pointers...))
		var line []string
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				v = fmt.Sprintf("%x", b)
			}
			line = append(line, fmt.Sprintf("%s=%T:%v", columns[i], v, v))
		}
		out = append(out, strings.Join(line, " "))
	}
	require.NoError(t, rows.Err())
	return out
}

// RequireSameRows compares the rows of every table of a schema on two servers by
// the binary protocol, invisible and generated columns included.
func RequireSameRows(t *testing.T, schema string, source, target *servertest.Instance) {
	t.Helper()
	names, err := query.Strings(t.Context(), source.Root(), "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA=? ORDER BY 1", schema)
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		columns, err := query.Strings(t.Context(), source.Root(),
			"SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=? AND TABLE_NAME=? ORDER BY ORDINAL_POSITION", schema, name)
		require.NoError(t, err)
		expressions := make([]string, len(columns))
		for i, c := range columns {
			expressions[i] = query.Quote(c)
		}
		query := "SELECT " + strings.Join(expressions, ",") + " FROM " + query.QuoteTable(schema, name) + " ORDER BY 1, 2"
		if len(columns) == 1 {
			query = strings.TrimSuffix(query, ", 2")
		}
		require.Equal(t, Rows(t, source.Root(), query), Rows(t, target.Root(), query), name)
	}
}
