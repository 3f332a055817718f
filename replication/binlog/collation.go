package binlog

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strings"

	"github.com/dcmigrate/migrate/replication"
)

// plainName matches the name of a character set or collation that needs no quoting.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

const (
	weightsPerQuery  = 200
	maxCachedWeights = 20000
)

// Collator has a server compute the weights of texts by their collations. Two texts are
// then the same key here exactly if they are the same key there.
type Collator struct {
	Server  *replication.Server
	weights map[string][]byte // by expression
}

// expression is the SQL for the value's weight. It removes trailing spaces if the collation
// pads, because WEIGHT_STRING keeps them.
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

// Weigh sets the weights of the parts.
func (c *Collator) Weigh(ctx context.Context, parts []*KeyPart) error {
	if len(c.weights) > maxCachedWeights {
		c.weights = nil
	}
	if c.weights == nil {
		c.weights = map[string][]byte{}
	}
	texts := make([]string, len(parts))
	var unknown []string
	for i, p := range parts {
		texts[i] = p.expression()
		if _, ok := c.weights[texts[i]]; !ok {
			c.weights[texts[i]] = nil
			unknown = append(unknown, texts[i])
		}
	}
	for len(unknown) > 0 {
		n := min(len(unknown), weightsPerQuery)
		if err := c.query(ctx, unknown[:n]); err != nil {
			return err
		}
		unknown = unknown[n:]
	}
	for i, p := range parts {
		p.Weight = c.weights[texts[i]]
	}
	return nil
}

// query reads the weights of the expressions into c.weights.
func (c *Collator) query(ctx context.Context, expressions []string) error {
	db, err := c.Server.DB(ctx)
	if err != nil {
		return err
	}
	values := make([]sql.RawBytes, len(expressions))
	targets := make([]any, len(values))
	for i := range values {
		targets[i] = &values[i]
	}
	rows, err := db.QueryContext(ctx, "SELECT "+strings.Join(expressions, ", "))
	if err != nil {
		return c.Server.Wrap("weigh texts by their collations", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
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
