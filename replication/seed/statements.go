package seed

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/statement"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/report"
)

// ddl is what the statements of a log have done, besides the tables that are dirty.
type ddl struct {
	restless  map[table.Name]bool // tables that are made and copied in the last snapshot whatever DDL does to them
	allInPair bool                // a new schema belongs to the pair

	names          statement.Names
	appeared       map[table.Name]bool // tables that are not known and exist at the end of what was read
	vanished       map[table.Name]bool // restless tables that do not exist at the end of what was read
	newSchemas     map[string]bool     // schemas of the pair that are not known and exist at the end
	schemasAltered bool                // options of schemas that are known
	schemaDDL      string              // DDL of a schema, after which only a new seed helps
	relist         bool                // tables may have appeared whose names could not be read
	unknown        []string            // verbs of statements that were not recognised
}

func newDDL() ddl {
	return ddl{appeared: map[table.Name]bool{}, vanished: map[table.Name]bool{}, newSchemas: map[string]bool{}}
}

// mustList reports whether tables have come or gone that are not dirty.
func (d *ddl) mustList() bool {
	return d.relist || len(d.appeared)+len(d.vanished)+len(d.newSchemas) > 0
}

// folded returns a name in the form in which the server compares it.
func (d *ddl) folded(name string) string {
	if d.names.Folded {
		return strings.ToLower(name)
	}
	return name
}

func (d *ddl) appear(id table.Name)    { d.appeared[d.key(id)] = true }
func (d *ddl) disappear(id table.Name) { delete(d.appeared, d.key(id)) }
func (d *ddl) key(id table.Name) table.Name {
	return table.Name{Schema: d.folded(id.Schema), Name: d.folded(id.Name)}
}

// errStatement means that the log holds a statement where rows should be. No one can tell
// which rows it changed, by triggers and functions too, and the link would run it again.
var errStatement = errors.New("the binlog holds a statement in place of rows (H4)")

// statementError returns the error for a statement in place of rows. It leaves the text
// out, which may hold data.
func statementError(word, schema string, id replication.GTID) error {
	if schema == "" {
		schema = "none"
	}
	return report.WithHint(fmt.Errorf("%w: transaction %s has %s, default schema %s", errStatement, id, word, schema),
		"a session of the source has set binlog_format for itself: end it, and let its client not do so; then run the same command again, which begins the seed anew")
}

// addStatement adds what a logged statement has done. The seed never guesses what a
// statement does to a table: it copies the table again.
func (c *changes) addStatement(s statement.Logged) {
	c.names = s.Names
	for _, e := range statement.Read(s) {
		c.addEffect(e)
	}
}

func (c *changes) addEffect(e statement.Effect) {
	for _, change := range e.Tables {
		for _, schema := range c.schemasNamed(change.Table.Schema) {
			c.addTableChange(change.Change, table.Name{Schema: schema, Name: change.Table.Name})
		}
	}
	for _, change := range e.Schemas {
		c.addSchemaChange(change, e.Verb)
	}
	switch {
	case e.Rows:
		if c.statementErr == nil && (e.Verb == "LOAD" || c.concernsPair(e)) { // LOAD DATA does not name its table
			c.statementErr = statementError(e.Verb, e.Schema, c.current)
		}
	case e.Unknown && (e.Anything || e.Schema == "" || c.concernsPair(e)):
		c.unknown = append(c.unknown, e.Verb)
		c.addUnknown(e)
	}
}

// schemasNamed lists the schemas that a name may stand for; no name stands for all.
func (c *changes) schemasNamed(name string) []string {
	if name == "" {
		return c.schemas
	}
	var out []string
	for _, s := range c.schemas {
		if c.names.Same(name, s) {
			out = append(out, s)
		}
	}
	return out
}

// concernsPair reports whether a statement runs in a schema that is copied, or names one.
func (c *changes) concernsPair(e statement.Effect) bool {
	if e.Schema != "" && len(c.schemasNamed(e.Schema)) > 0 {
		return true
	}
	return slices.ContainsFunc(e.Mentions, func(m string) bool { return len(c.schemasNamed(m)) > 0 })
}

// tablesNamed lists the known tables that a name may stand for.
func (c *changes) tablesNamed(id table.Name) []table.Name {
	if c.names.Plain(id.Name) {
		if c.known.has(id) {
			return []table.Name{id}
		}
		return nil
	}
	var out []table.Name
	for known := range c.known.inSchema(id.Schema) {
		if c.names.Same(id.Name, known.Name) {
			out = append(out, known)
		}
	}
	return out
}

// addTableChange adds a change of a table of a schema that is copied.
//
// CREATE TABLE IF NOT EXISTS of a known table counts for nothing: either the table existed,
// or what dropped it is in the log too and has made it dirty, or it was made before the
// catalog was read from which it is known.
func (c *changes) addTableChange(change statement.Change, id table.Name) {
	known := c.tablesNamed(id)
	exists := change != statement.Dropped
	for _, k := range known {
		if change != statement.Ensured {
			c.doubtChildren(c.logSegment, k)
		}
		switch {
		case !c.restless[k]:
			if change != statement.Ensured {
				c.dirty[k] = true
			}
		case exists:
			delete(c.vanished, k)
		default:
			c.vanished[k] = true
		}
	}
	switch {
	case change == statement.Altered:
	case !statement.Readable(id.Name):
		c.relist = true
	case len(known) > 0:
	case exists:
		c.appear(id)
	default:
		c.disappear(id)
	}
}

func (c *changes) addSchemaChange(change statement.SchemaChange, verb string) {
	if change.Schema == "" {
		return
	}
	known := c.schemasNamed(change.Schema)
	switch {
	case !statement.Readable(change.Schema) && change.Change != statement.Altered:
		c.relist = true
	case len(known) > 0:
	case !c.allInPair && change.Schema != replication.OwnSchema:
	case change.Change == statement.Dropped:
		delete(c.newSchemas, c.folded(change.Schema))
	case change.Change != statement.Altered:
		c.newSchemas[c.folded(change.Schema)] = true
	}
	if len(known) == 0 {
		return
	}
	switch change.Change {
	case statement.Ensured: // as CREATE TABLE IF NOT EXISTS
	case statement.Altered:
		c.schemasAltered = true
	default:
		c.schemaDDL = verb
	}
}

// addUnknown adds a statement that was not recognised: what it names is dirty, and if it
// names nothing that is known, everything.
func (c *changes) addUnknown(e statement.Effect) {
	c.relist = true
	found := false
	mark := func(id table.Name) {
		found = true
		c.doubtChildren(c.logSegment, id)
		if !c.restless[id] {
			c.dirty[id] = true
		}
	}
	if !e.Anything {
		for _, s := range c.schemas {
			for _, m := range e.Mentions {
				for _, id := range c.tablesNamed(table.Name{Schema: s, Name: m}) {
					mark(id)
				}
			}
		}
	}
	if found {
		return
	}
	for _, s := range c.schemas {
		for id := range c.known.inSchema(s) {
			mark(id)
		}
	}
}
