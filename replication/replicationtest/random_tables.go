package replicationtest

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// RandomTable is a table of the schema "random".
type RandomTable struct {
	Create string   // the statement that makes it
	Before []string // the statements that fill it, before a seed
	During []string // the statements that change its rows, while a seed runs
}

// DrawTable generates a table of columns of the types, with a key or without, its
// rows and changes to them.
func DrawTable(name string, types []ColumnType) *rapid.Generator[RandomTable] {
	return rapid.Custom(func(t *rapid.T) RandomTable {
		keyTypes := slices.DeleteFunc(slices.Clone(types), func(c ColumnType) bool { return !c.Key })
		keys := rapid.SliceOfN(rapid.SampledFrom(keyTypes), 0, 3).Draw(t, "key")
		rest := rapid.SliceOfN(rapid.SampledFrom(types), 1, 4).Draw(t, "rest")
		columns := append(slices.Clone(keys), rest...)
		var names, keyNames, definitions []string
		for i, c := range columns {
			names = append(names, fmt.Sprintf("`c %d`", i))
			definition := names[i] + " " + c.sql
			if i < len(keys) {
				keyNames = append(keyNames, names[i])
				if !strings.Contains(c.sql, "NOT NULL") {
					definition += " NOT NULL"
				}
			}
			definitions = append(definitions, definition)
		}
		if len(keys) > 0 {
			definitions = append(definitions, rapid.SampledFrom([]string{"PRIMARY KEY (", "UNIQUE KEY u ("}).Draw(t, "kind")+strings.Join(keyNames, ",")+")")
		}
		table := "random." + name
		out := RandomTable{Create: "CREATE TABLE " + table + " (" + strings.Join(definitions, ", ") + ") CHARACTER SET utf8mb4"}
		row := func(label string) []string {
			values := make([]string, len(columns))
			for i, c := range columns {
				values[i] = c.value.Draw(t, label)
			}
			return values
		}
		for range rapid.IntRange(5, 30).Draw(t, "rows") {
			out.Before = append(out.Before, "INSERT IGNORE INTO "+table+" VALUES ("+strings.Join(row("before"), ",")+")")
		}
		for range rapid.IntRange(5, 30).Draw(t, "changes") {
			values, at := row("during"), rapid.IntRange(0, len(columns)-1).Draw(t, "column")
			out.During = append(out.During, rapid.SampledFrom([]string{
				"REPLACE INTO " + table + " VALUES (" + strings.Join(values, ",") + ")",
				"UPDATE IGNORE " + table + " SET " + names[at] + " = " + values[at] + " ORDER BY " + names[0] + " LIMIT 1",
				"UPDATE IGNORE " + table + " SET " + names[at] + " = " + values[at] + " ORDER BY " + names[0] + " DESC LIMIT 2",
				"DELETE FROM " + table + " ORDER BY " + names[0] + " LIMIT 1",
			}).Draw(t, "change"))
		}
		return out
	})
}
