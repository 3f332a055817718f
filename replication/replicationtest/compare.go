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

// Checksums asks a server for CHECKSUM TABLE of every base table of a schema: the server's own hash, not ours.
func Checksums(t *testing.T, s *servertest.Instance, schema string) map[string]string {
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

// RowsOf reads a table by the binary protocol: floats by their bits.
func RowsOf(t *testing.T, db *sql.DB, query string) []string {
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
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, rows.Scan(into...))
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

// RequireSameRows compares every stored and generated column of every table by the binary protocol.
func RequireSameRows(t *testing.T, schema string, source, target *servertest.Instance) {
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
		require.Equal(t, RowsOf(t, source.Root(), query), RowsOf(t, target.Root(), query), name)
	}
}
