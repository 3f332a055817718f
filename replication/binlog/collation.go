package binlog

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strings"

	"github.com/dcmigrate/migrate/replication"
)

// plainName is a character set or collation that needs no quoting.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

const (
	weightsPerQuery  = 200
	maxCachedWeights = 20000
)

// Collator asks a server what its collations make of texts, so that two texts
// are the same key here exactly when they are the same key there.
type Collator struct {
	Server  *replication.Server
	weights map[string][]byte // by expression
}

// expression is the SQL that weighs the value. Trailing spaces go where the
// collation pads: WEIGHT_STRING itself leaves them.
func (p KeyPart) expression() string {
	text := fmt.Sprintf("CONVERT(x'%x' USING %s) COLLATE %s", p.Raw, p.Column.charset, p.Column.collation)
	if p.prefix > 0 {
		text = fmt.Sprintf("LEFT(%s, %d)", text, p.prefix)
	}
	if !strings.Contains(p.Column.collation, "_nopad_") && !strings.Contains(p.Column.collation, "_0900_") {
		text = "TRIM(TRAILING ' ' FROM " + text + ")"
	}
	return "HEX(WEIGHT_STRING(" + text + "))"
}

// Weigh fills in the weights of the parts.
func (c *Collator) Weigh(ctx context.Context, parts []*KeyPart) error {
	if len(c.weights) > maxCachedWeights {
		c.weights = nil
	}
	if c.weights == nil {
		c.weights = map[string][]byte{}
	}
	texts := make([]string, len(parts))
	var ask []string
	for i, p := range parts {
		texts[i] = p.expression()
		if _, ok := c.weights[texts[i]]; !ok {
			c.weights[texts[i]] = nil
			ask = append(ask, texts[i])
		}
	}
	for len(ask) > 0 {
		n := min(len(ask), weightsPerQuery)
		if err := c.ask(ctx, ask[:n]); err != nil {
			return err
		}
		ask = ask[n:]
	}
	for i, p := range parts {
		p.Weight = c.weights[texts[i]]
	}
	return nil
}

func (c *Collator) ask(ctx context.Context, expressions []string) error {
	db, err := c.Server.DB(ctx)
	if err != nil {
		return err
	}
	values := make([]sql.RawBytes, len(expressions))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	rows, err := db.QueryContext(ctx, "SELECT "+strings.Join(expressions, ", "))
	if err != nil {
		return c.Server.Wrap("weigh texts by their collations", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return c.Server.Wrap("weigh texts by their collations", err)
		}
		for i, expression := range expressions {
			c.weights[expression] = append([]byte("w"), values[i]...)
		}
	}
	if err := rows.Err(); err != nil {
		return c.Server.Wrap("weigh texts by their collations", err)
	}
	return nil
}
