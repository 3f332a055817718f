package schema

import (
	"context"
	"strings"

	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
)

// FilesOnly returns the tables that only a copy of the server's files keeps as they are,
// each with the reason: those of the dialect's list, and those whose definition the server
// prints with other characters than it has. Servers print labels, and MariaDB defaults, by way of
// three-byte UTF-8, so that a longer character becomes a question mark, on the source and on
// the target alike.
func FilesOnly(ctx context.Context, q query.Queryer, d *dialect.Dialect) (reasons []string, err error) {
	tables, err := query.All(ctx, q, d.FilesOnly())
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		reasons = append(reasons, t["title"]+" "+t["why"])
	}
	lossy, err := query.All(ctx, q, d.PrintedOtherwise())
	if err != nil {
		return nil, err
	}
	for _, c := range lossy {
		if c["kind"] == "default" {
			equal, err := printsDefault(ctx, q, c)
			if err != nil {
				return nil, err
			}
			if equal {
				continue
			}
		}
		reasons = append(reasons, c["s"]+"."+c["t"]+" has "+c["what"]+" with characters beyond three bytes of UTF-8, or with question marks, which it prints alike")
	}
	return reasons, nil
}

// printsDefault reports whether a column's default is what the server prints of it. A
// default that cannot be asked for, because the column is NOT NULL and the table empty,
// counts as one that is not.
func printsDefault(ctx context.Context, q query.Queryer, c query.Record) (bool, error) {
	printed := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(c["printed"], "'"), "'"), "''", "'")
	value := "CONVERT(DEFAULT(t." + query.Quote(c["c"]) + ") USING utf8mb4)"
	for _, from := range []string{"(SELECT 1 AS one) AS o LEFT JOIN " + query.QuoteTable(c["s"], c["t"]) + " AS t ON FALSE", query.QuoteTable(c["s"], c["t"]) + " AS t LIMIT 1"} {
		rows, err := query.All(ctx, q, "SELECT "+value+" IS NULL AS missing, "+value+" = CONVERT("+query.Literal(printed)+" USING utf8mb4) COLLATE utf8mb4_bin AS equal FROM "+from)
		if err != nil {
			return false, err
		}
		if len(rows) > 0 && rows[0]["missing"] == "0" {
			return rows[0]["equal"] == "1", nil
		}
	}
	return false, nil
}
