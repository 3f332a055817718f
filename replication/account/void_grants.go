package account

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/secret"
)

// object is what a grant can be on: a table, one of its columns, or a routine. It may not
// exist any more: a server keeps the grants on what is dropped, and takes none anew unless
// they let the table be created.
type object struct{ kind, schema, name, column string }

func (o object) String() string {
	text := strings.ToLower(o.kind) + " " + o.schema + "." + o.name
	if o.column != "" {
		text += "." + o.column
	}
	return text
}

// grantees are the tables of a server that hold such grants.
var grantees = []struct{ statement, exists string }{
	{
		"SELECT DISTINCT 'TABLE' AS kind, Db AS db, Table_name AS name, '' AS col FROM mysql.tables_priv",
		"SELECT COUNT(*) AS n FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
	},
	{
		"SELECT DISTINCT 'COLUMN' AS kind, Db AS db, Table_name AS name, Column_name AS col FROM mysql.columns_priv",
		"SELECT COUNT(*) AS n FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND COLUMN_NAME = %s",
	},
	{
		"SELECT DISTINCT Routine_type AS kind, Db AS db, Routine_name AS name, '' AS col FROM mysql.procs_priv",
		"SELECT COUNT(*) AS n FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s AND ROUTINE_NAME = %s AND ROUTINE_TYPE = %s",
	},
}

// leaveOutVoidGrants takes the grants on what does not exist out of the accounts' grants,
// and lists them in Void.
func leaveOutVoidGrants(ctx context.Context, s *replication.Server, accounts []User) error {
	void, err := voidObjects(ctx, s)
	if err != nil || len(void) == 0 {
		return err
	}
	for i := range accounts {
		a := &accounts[i]
		var kept []secret.Value
		for _, grant := range a.Grants {
			text, left := withoutVoid(grant.Open(), void)
			for _, o := range left {
				a.Void = append(a.Void, "a grant on "+o.String()+", which does not exist")
			}
			if text != "" {
				kept = append(kept, secret.New(text))
			}
		}
		slices.SortFunc(kept, func(x, y secret.Value) int { return strings.Compare(x.Open(), y.Open()) })
		a.Grants = kept // sorted, as those of a server where nothing is left out
	}
	return nil
}

// voidObjects lists what grants are on and does not exist.
func voidObjects(ctx context.Context, s *replication.Server) ([]object, error) {
	db, err := s.DB(ctx)
	if err != nil {
		return nil, err
	}
	var all []object
	var questions []string
	for _, g := range grantees {
		records, err := query.All(ctx, db, g.statement)
		if err != nil {
			return nil, s.Wrap("read the grants on tables and routines", err)
		}
		for _, r := range records {
			all = append(all, object{r["kind"], r["db"], r["name"], r["col"]})
			values := []any{query.Literal(r["db"]), query.Literal(r["name"]), query.Literal(cmp.Or(r["col"], r["kind"]))}
			questions = append(questions, fmt.Sprintf(g.exists, values[:strings.Count(g.exists, "%s")]...))
		}
	}
	var void []object
	err = wire.Ask(ctx, s, questions, func(i int, rows []query.Record, err error) error {
		if err != nil || len(rows) == 0 {
			return s.Wrap("look for "+all[i].String(), err)
		}
		if rows[0]["n"] == "0" {
			void = append(void, all[i])
		}
		return nil
	})
	return void, err
}

// withoutVoid takes what does not exist out of a GRANT statement. It is "" if nothing is left
// of it; left is what was taken out.
func withoutVoid(grant string, void []object) (text string, left []object) {
	privileges, rest, ok := cutOn(grant)
	if !ok {
		return grant, nil
	}
	for _, o := range void {
		if !isOn(rest, o) {
			continue
		}
		if o.kind == "TABLE" && mayCreate(privileges) {
			continue
		}
		if o.kind != "COLUMN" {
			return "", []object{o}
		}
		if without := withoutColumn(privileges, o.column); without != privileges {
			privileges, left = without, append(left, o)
		}
	}
	if len(left) == 0 {
		return grant, nil
	}
	if privileges == "" {
		return "", left
	}
	return "GRANT " + privileges + " ON " + rest, left
}

// mayCreate reports whether a list of privileges on a table lets it be created. A server
// takes such a grant also if there is no such table, but not with columns.
func mayCreate(privileges string) bool {
	return slices.ContainsFunc(splitOutside(privileges), func(p string) bool { return p == "CREATE" || p == "ALL PRIVILEGES" })
}

// cutOn cuts a GRANT statement at its ON.
func cutOn(grant string) (privileges, rest string, ok bool) {
	text, ok := strings.CutPrefix(grant, "GRANT ")
	if !ok {
		return "", "", false
	}
	quoted := false
	for i := range len(text) {
		if text[i] == '`' {
			quoted = !quoted
		}
		if !quoted && strings.HasPrefix(text[i:], " ON ") {
			return text[:i], text[i+len(" ON "):], true
		}
	}
	return "", "", false
}

// isOn reports whether what follows the ON of a GRANT statement is an object, or the table
// of a column.
func isOn(rest string, o object) bool {
	name := query.QuoteTable(o.schema, o.name) + " TO "
	if o.kind == "TABLE" || o.kind == "COLUMN" {
		return strings.HasPrefix(strings.TrimPrefix(rest, "TABLE "), name)
	}
	return strings.HasPrefix(rest, o.kind+" "+name)
}

// withoutColumn takes a column out of a list of privileges: SELECT (`a`, `b`), INSERT (`b`).
func withoutColumn(privileges, column string) string {
	var kept []string
	for _, p := range splitOutside(privileges) {
		name, list, ok := strings.Cut(p, " (")
		if !ok {
			kept = append(kept, p)
			continue
		}
		columns := splitOutside(strings.TrimSuffix(list, ")"))
		columns = slices.DeleteFunc(columns, func(c string) bool { return c == query.Quote(column) || c == column })
		if len(columns) > 0 {
			kept = append(kept, name+" ("+strings.Join(columns, ", ")+")")
		}
	}
	return strings.Join(kept, ", ")
}

// splitOutside splits a list at the commas that are outside of quotes and parentheses.
func splitOutside(list string) []string {
	var out []string
	depth, quoted, begin := 0, false, 0
	for i := range len(list) {
		switch c := list[i]; {
		case c == '`':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			out, begin = append(out, strings.TrimSpace(list[begin:i])), i+1
		}
	}
	return append(out, strings.TrimSpace(list[begin:]))
}
