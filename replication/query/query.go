package query

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

// QuoteList quotes names, separated by commas.
func QuoteList(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = Quote(name)
	}
	return strings.Join(quoted, ",")
}

// Literal is text as an SQL string literal, for the statements that the servers
// do not prepare and that placeholders cannot serve (CHANGE MASTER TO, SET
// PERSIST, multi-row INSERTs). Right in every sql_mode but
// NO_BACKSLASH_ESCAPES, which no session of ours has.
func Literal(text string) string {
	return string(AppendLiteral(nil, []byte(text)))
}

// AppendLiteral appends a text as a quoted literal.
func AppendLiteral(out, text []byte) []byte {
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

// ErrorNumber is the server's error code in err, or 0.
func ErrorNumber(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// Queryer is a pool, a connection or a transaction.
type Queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Execer is a pool, a connection or a transaction.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Record is one row by column name; NULL is the empty string.
type Record map[string]string

// All reads a whole result, for the SHOW statements whose columns
// differ between versions. Only for results that are small by nature.
func All(ctx context.Context, q Queryer, query string, args ...any) ([]Record, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var out []Record
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		r := make(Record, len(columns))
		for i, column := range columns {
			r[column] = values[i].String
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// One reads one row; ok is false when there is none.
func One(ctx context.Context, q Queryer, query string, args ...any) (r Record, ok bool, err error) {
	all, err := All(ctx, q, query, args...)
	if err != nil || len(all) == 0 {
		return nil, false, err
	}
	return all[0], true, nil
}

// Text reads one value; NULL and no row are the empty string.
func Text(ctx context.Context, q Queryer, query string, args ...any) (string, error) {
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

// Strings reads the first column of a small result.
func Strings(ctx context.Context, q Queryer, query string, args ...any) ([]string, error) {
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

// Variables reads global variables by name; one that the server lacks is absent.
func Variables(ctx context.Context, q Queryer, names ...string) (map[string]string, error) {
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

// SetGlobal sets a global variable. Numbers and ON/OFF go bare, the rest quoted.
func SetGlobal(ctx context.Context, e Execer, name, value string) error {
	if _, err := e.ExecContext(ctx, "SET GLOBAL "+Quote(name)+" = "+VariableValue(value)); err != nil {
		return fmt.Errorf("set global %s = %s: %w", name, value, err)
	}
	return nil
}

// VariableValue is a value as SET GLOBAL takes it: a number bare, a text quoted.
func VariableValue(value string) string {
	if value != "" && strings.Trim(value, "0123456789") == "" {
		return value
	}
	return Literal(value)
}
