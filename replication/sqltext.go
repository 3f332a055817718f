package replication

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Quote quotes an identifier. It is the only place that does.
func Quote(name string) string {
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

// QuoteTable quotes schema.table.
func QuoteTable(schema, table string) string { return Quote(schema) + "." + Quote(table) }

// quoteList quotes names, separated by commas.
func quoteList(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = Quote(name)
	}
	return strings.Join(quoted, ",")
}

// literal is text as an SQL string literal, for the statements that the servers
// do not prepare and that placeholders cannot serve (CHANGE MASTER TO, SET
// PERSIST, multi-row INSERTs). Right in every sql_mode but
// NO_BACKSLASH_ESCAPES, which no session of ours has.
func literal(text string) string {
	return string(appendLiteral(nil, []byte(text)))
}

func appendLiteral(out, text []byte) []byte {
	if len(text) > hugeText { // no more memory than it needs
		need := len(out) + len(text) + 64 + bytes.Count(text, []byte{'\''}) + bytes.Count(text, []byte{'\\'}) + bytes.Count(text, []byte{0})
		if need > cap(out) {
			out = append(make([]byte, 0, need), out...)
		}
	}
	out = append(out, '\'')
	for {
		at := 0
		for at < len(text) && text[at] != '\'' && text[at] != '\\' && text[at] != 0 {
			at++
		}
		out = append(out, text[:at]...)
		if at == len(text) {
			return append(out, '\'')
		}
		escaped := text[at]
		if escaped == 0 {
			escaped = '0'
		}
		out, text = append(out, '\\', escaped), text[at+1:]
	}
}

// hugeText is from where on a text's literal is measured before it is made.
const hugeText = 1 << 20

// errorNumber is the server's error code in err, or 0.
func errorNumber(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// queryer is a pool, a connection or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// execer is a pool, a connection or a transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// record is one row by column name; NULL is the empty string.
type record map[string]string

// queryRecords reads a whole result, for the SHOW statements whose columns
// differ between versions. Only for results that are small by nature.
func queryRecords(ctx context.Context, q queryer, query string, args ...any) ([]record, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var out []record
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		r := make(record, len(columns))
		for i, column := range columns {
			r[column] = values[i].String
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// queryRecord reads one row; ok is false when there is none.
func queryRecord(ctx context.Context, q queryer, query string, args ...any) (r record, ok bool, err error) {
	all, err := queryRecords(ctx, q, query, args...)
	if err != nil || len(all) == 0 {
		return nil, false, err
	}
	return all[0], true, nil
}

// queryText reads one value; NULL and no row are the empty string.
func queryText(ctx context.Context, q queryer, query string, args ...any) (string, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var value sql.NullString
	if rows.Next() {
		if err := rows.Scan(&value); err != nil {
			return "", err
		}
	}
	return value.String, rows.Err()
}

// queryStrings reads the first column of a small result.
func queryStrings(ctx context.Context, q queryer, query string, args ...any) ([]string, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			return nil, err
		}
		out = append(out, value)
	}
	return out, rows.Err()
}

// variables reads global variables by name; one that the server lacks is absent.
func variables(ctx context.Context, q queryer, names ...string) (map[string]string, error) {
	if len(names) == 0 {
		return map[string]string{}, nil
	}
	marks := strings.Repeat(",?", len(names))[1:]
	args := make([]any, len(names))
	for i, name := range names {
		args[i] = name
	}
	rows, err := q.QueryContext(ctx, "SHOW GLOBAL VARIABLES WHERE Variable_name IN ("+marks+")", args...)
	if err != nil {
		return nil, fmt.Errorf("read global variables: %w", err)
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		out[strings.ToLower(name)] = value
	}
	return out, rows.Err()
}

// setGlobal sets a global variable. Numbers and ON/OFF go bare, the rest quoted.
func setGlobal(ctx context.Context, e execer, name, value string) error {
	if _, err := e.ExecContext(ctx, "SET GLOBAL "+Quote(name)+" = "+variableValue(value)); err != nil {
		return fmt.Errorf("set global %s = %s: %w", name, value, err)
	}
	return nil
}

func variableValue(value string) string {
	if value != "" && strings.Trim(value, "0123456789") == "" {
		return value
	}
	return literal(value)
}
