package statement

import (
	"slices"
	"strings"
)

// Statements that define: CREATE, ALTER, DROP, RENAME, TRUNCATE.

// otherObjects are what a schema or server has besides tables. What happens to them
// changes neither rows nor tables.
var otherObjects = [][]string{
	{"VIEW"},
	{"PROCEDURE"},
	{"FUNCTION"},
	{"TRIGGER"},
	{"EVENT"},
	{"PACKAGE"},
	{"LIBRARY"},
	{"USER"},
	{"ROLE"},
	{"SERVER"},
	{"TABLESPACE"},
	{"UNDO", "TABLESPACE"},
	{"LOGFILE", "GROUP"},
	{"RESOURCE", "GROUP"},
	{"INSTANCE"},
	{"SPATIAL", "REFERENCE", "SYSTEM"},
	{"JSON", "DUALITY", "VIEW"},
	{"JSON", "RELATIONAL", "DUALITY", "VIEW"},
}

func (p *parser) takeOther() bool {
	for _, words := range otherObjects {
		if p.take(words...) {
			p.program = true
			return true
		}
	}
	return false
}

// programOptions passes over what may stand between CREATE or ALTER and a program's kind.
func (p *parser) programOptions() {
	for {
		switch {
		case p.take("ALGORITHM"):
			p.takeSymbol("=")
			p.at++
		case p.take("DEFINER"):
			p.takeSymbol("=")
			p.account()
		case p.take("SQL", "SECURITY"):
			p.at++
		case p.take("AGGREGATE"):
		default:
			return
		}
	}
}

// account passes over an account or role.
func (p *parser) account() {
	p.at++
	switch {
	case p.takeSymbol("("):
		p.takeSymbol(")")
	case p.takeSymbol("@"):
		p.at++
		for p.takeSymbol(".") { // an address without quotes
			p.at++
		}
	}
}

func (p *parser) create(out *reading) bool {
	renewed := p.take("OR", "REPLACE")
	if p.take("TEMPORARY") {
		return p.takeOne("TABLE", "SEQUENCE") // what a session makes for itself is no table of the schema
	}
	p.programOptions()
	if p.takeOther() {
		return true
	}
	p.named = true
	made := func() Change {
		switch ensured := p.take("IF", "NOT", "EXISTS"); {
		case renewed:
			return Renewed
		case ensured:
			return Ensured
		}
		return Created
	}
	switch {
	case p.takeOne("TABLE", "SEQUENCE"):
		change := made()
		id, ok := p.table()
		out.table(change, id)
		out.Fills = slices.ContainsFunc(p.tokens[p.at:], func(t token) bool {
			return t.kind == word && slices.Contains([]string{"SELECT", "VALUES", "TABLE"}, strings.ToUpper(t.text))
		})
		return ok
	case p.takeOne("DATABASE", "SCHEMA"):
		change := made()
		schema, ok := p.identifier()
		out.schema(change, schema)
		return ok
	}
	p.takeOne("UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR")
	return p.take("INDEX") && p.indexOf(out)
}

// indexOf finds the table of CREATE INDEX and DROP INDEX.
func (p *parser) indexOf(out *reading) bool {
	for ; p.at < len(p.tokens); p.at++ {
		if p.take("ON") {
			id, ok := p.table()
			out.table(Altered, id)
			return ok
		}
	}
	return false
}

func (p *parser) drop(out *reading) bool {
	if p.take("TEMPORARY") {
		return p.takeOne("TABLE", "TABLES", "SEQUENCE")
	}
	if p.takeOther() || p.take("PREPARE") {
		return true
	}
	p.named = true
	switch {
	case p.takeOne("TABLE", "TABLES", "SEQUENCE"):
		p.take("IF", "EXISTS")
		list, ok := p.tables()
		for _, id := range list {
			out.table(Dropped, id)
		}
		p.wait()
		p.takeOne("RESTRICT", "CASCADE")
		return ok && p.done()
	case p.takeOne("DATABASE", "SCHEMA"):
		p.take("IF", "EXISTS")
		schema, ok := p.identifier()
		out.schema(Dropped, schema)
		return ok && p.done()
	case p.take("INDEX"):
		return p.indexOf(out)
	}
	return false
}

func (p *parser) truncate(out *reading) bool {
	p.named = true
	p.take("TABLE")
	id, ok := p.table()
	out.table(Altered, id)
	p.wait()
	if p.takeOne("DROP", "REUSE") { // MariaDB's mode for Oracle's SQL
		ok = p.take("STORAGE") && ok
	}
	return ok && p.done()
}

func (p *parser) rename(out *reading) bool {
	if p.takeOne("USER") {
		return true
	}
	p.named = true
	if !p.takeOne("TABLE", "TABLES") {
		return false
	}
	p.take("IF", "EXISTS")
	for {
		from, ok := p.table()
		p.wait()
		if !ok || !p.take("TO") {
			return false
		}
		to, ok := p.table()
		if !ok {
			return false
		}
		out.table(Dropped, from)
		out.table(Arrived, to)
		if !p.takeSymbol(",") {
			return p.done()
		}
	}
}

func (p *parser) alter(out *reading) bool {
	p.programOptions()
	if p.takeOther() {
		return true
	}
	p.named = true
	if p.takeOne("DATABASE", "SCHEMA") {
		return p.alterSchema(out)
	}
	if p.take("SEQUENCE") {
		p.take("IF", "EXISTS")
		id, ok := p.table()
		out.table(Altered, id)
		return ok
	}
	p.takeOne("ONLINE", "OFFLINE")
	p.take("IGNORE")
	if !p.take("TABLE") {
		return false
	}
	p.take("IF", "EXISTS")
	id, ok := p.table()
	out.table(Altered, id)
	return ok && p.alterations(out, id)
}

// alterSchema recognises ALTER DATABASE, which may leave the schema's name out.
func (p *parser) alterSchema(out *reading) bool {
	change := Altered
	names := []string{p.schema}
	for _, t := range p.tokens[p.at:] {
		if t.kind == word && strings.EqualFold(t.text, "UPGRADE") {
			change = Dropped // it takes another name
		}
	}
	if schema, ok := p.identifier(); ok {
		names = append(names, schema, strings.TrimPrefix(schema, "#mysql50#"))
	}
	slices.Sort(names)
	for _, schema := range slices.Compact(names) {
		out.schema(change, schema)
	}
	return true
}

// alterations finds the other tables that ALTER TABLE changes.
func (p *parser) alterations(out *reading, id Name) bool {
	for ; p.at < len(p.tokens); p.at++ {
		change := Altered
		switch {
		case p.peek("RENAME", "COLUMN"), p.peek("RENAME", "INDEX"), p.peek("RENAME", "KEY"), p.peek("RENAME", "CONSTRAINT"):
			continue
		case p.take("RENAME"):
			if !p.takeOne("TO", "AS") {
				p.takeSymbol("=")
			}
			out.table(Dropped, id)
			change = Arrived
		case p.take("WITH", "TABLE"): // EXCHANGE PARTITION
		case p.take("TO", "TABLE"): // CONVERT PARTITION
			change = Arrived
		case p.take("CONVERT", "TABLE"):
			change = Dropped
		default:
			continue
		}
		other, ok := p.table()
		if !ok {
			return false
		}
		out.table(change, other)
		p.at--
	}
	return true
}
