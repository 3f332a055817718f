package statement

import (
	"slices"
	"strings"
)

// parser recognises statements by their tokens.
type parser struct {
	tokens  []token
	at      int
	schema  string // the default schema
	named   bool   // it is a statement that changes only what it names
	program bool   // it makes a program, whose body is not read
}

// mentions are all names and words.
func (p *parser) mentions() []string {
	var out []string
	for _, t := range p.tokens {
		if t.kind == word || t.kind == name {
			out = append(out, t.text)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// peek reports whether the next tokens are these words.
func (p *parser) peek(words ...string) bool {
	if len(p.tokens)-p.at < len(words) {
		return false
	}
	for i, w := range words {
		if t := p.tokens[p.at+i]; t.kind != word || !strings.EqualFold(t.text, w) {
			return false
		}
	}
	return true
}

// take passes over these words if they come next.
func (p *parser) take(words ...string) bool {
	if !p.peek(words...) {
		return false
	}
	p.at += len(words)
	return true
}

// takeOne passes over one of these words if it comes next.
func (p *parser) takeOne(words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return p.take(w) })
}

func (p *parser) takeSymbol(s string) bool {
	if p.at < len(p.tokens) && p.tokens[p.at].kind == symbol && p.tokens[p.at].text == s {
		p.at++
		return true
	}
	return false
}

// identifier reads a name with or without quotes.
func (p *parser) identifier() (text string, ok bool) {
	if p.at < len(p.tokens) && (p.tokens[p.at].kind == word || p.tokens[p.at].kind == name) {
		p.at++
		return p.tokens[p.at-1].text, true
	}
	return "", false
}

// table reads the name of a table.
func (p *parser) table() (id Name, ok bool) {
	id.Schema = p.schema
	p.takeSymbol(".") // MariaDB takes .t for t
	if id.Name, ok = p.identifier(); !ok || !p.takeSymbol(".") {
		return id, ok
	}
	id.Schema = id.Name
	id.Name, ok = p.identifier()
	return id, ok
}

// tables reads a list of names.
func (p *parser) tables() (list []Name, ok bool) {
	for {
		id, ok := p.table()
		if !ok {
			return nil, false
		}
		if list = append(list, id); !p.takeSymbol(",") {
			return list, true
		}
	}
}

// wait passes over MariaDB's WAIT n and NOWAIT.
func (p *parser) wait() {
	if p.take("WAIT") {
		p.at++
		return
	}
	p.take("NOWAIT")
}

// done reports whether nothing follows.
func (p *parser) done() bool {
	for p.takeSymbol(";") {
	}
	return p.at >= len(p.tokens)
}

// rowVerbs begin statements that change rows, or may call something that does. A log of
// rows has none of them.
var rowVerbs = []string{"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "SELECT", "CALL", "DO", "WITH", "VALUES", "TABLE"}

// statement recognises a statement and adds what it does to out.
func (p *parser) statement(out *reading) bool {
	switch {
	case p.done(): // comments alone: a server's stand-in for an event that its reader does not know
		return true
	case p.take("SET", "STATEMENT"):
		return p.setStatement(out)
	case p.take("SET"):
		return p.peek("PASSWORD") || p.peek("ROLE") || p.peek("DEFAULT", "ROLE")
	case p.take("LOAD", "INDEX"), p.takeOne("GRANT", "REVOKE", "FLUSH", "INSTALL", "UNINSTALL", "LOCK", "UNLOCK", "USE", "SAVEPOINT", "RELEASE", "COMMIT", "ROLLBACK", "XA"):
		return true
	case p.take("BEGIN"):
		return p.done()
	case p.takeOne("ANALYZE", "OPTIMIZE", "CHECK"):
		return p.maintenance(out)
	case p.take("REPAIR"):
		return p.repair(out)
	case p.take("TRUNCATE"):
		return p.truncate(out)
	case p.take("RENAME"):
		return p.rename(out)
	case p.take("CREATE"):
		return p.create(out)
	case p.take("ALTER"):
		return p.alter(out)
	case p.take("DROP"):
		return p.drop(out)
	case p.takeSymbol("("), p.takeOne(rowVerbs...):
		out.Rows = true
		return true
	}
	return false
}

// setStatement recognises MariaDB's SET STATEMENT x = y FOR statement.
func (p *parser) setStatement(out *reading) bool {
	depth := 0
	for p.at < len(p.tokens) {
		switch {
		case p.takeSymbol("("):
			depth++
		case p.takeSymbol(")"):
			depth--
		case depth == 0 && p.take("FOR"):
			out.Verb = (&parser{tokens: p.tokens[p.at:]}).verb()
			return p.statement(out)
		default:
			out.modes = out.modes || p.peek("sql_mode") || p.tokens[p.at].kind == name
			p.at++
		}
	}
	return false
}

// maintenance recognises statements that read tables or lay them out anew. MariaDB's
// ANALYZE also runs a statement.
func (p *parser) maintenance(out *reading) bool {
	p.takeOne("NO_WRITE_TO_BINLOG", "LOCAL")
	if p.takeOne("TABLE", "TABLES") {
		_, ok := p.tables()
		return ok
	}
	if p.take("FORMAT") {
		p.takeSymbol("=")
		p.at++
	}
	return p.statement(out)
}

// repair recognises a statement that may lose rows.
func (p *parser) repair(out *reading) bool {
	p.takeOne("NO_WRITE_TO_BINLOG", "LOCAL")
	if !p.takeOne("TABLE", "TABLES", "VIEW") {
		return false
	}
	p.named = true
	list, ok := p.tables()
	for _, id := range list {
		out.table(Altered, id)
	}
	return ok
}

func (r *reading) table(c Change, id Name) { r.Tables = append(r.Tables, TableChange{c, id}) }

func (r *reading) schema(c Change, schema string) {
	r.Schemas = append(r.Schemas, SchemaChange{c, schema})
}
