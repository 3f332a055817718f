package query

import (
	"context"
	"fmt"
	"strings"
)

// Variables reads global variables by name, in lower case. A variable that the server
// lacks is not in the map.
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

// SetGlobal sets a global variable to a VariableValue.
func SetGlobal(ctx context.Context, e Execer, name, value string) error {
	if _, err := e.ExecContext(ctx, "SET GLOBAL "+Quote(name)+" = "+VariableValue(value)); err != nil {
		return fmt.Errorf("set global %s = %s: %w", name, value, err)
	}
	return nil
}

// VariableValue is a value as SET GLOBAL takes it: a number bare, other text quoted.
func VariableValue(value string) string {
	if value != "" && strings.Trim(value, "0123456789") == "" {
		return value
	}
	return Literal(value)
}
