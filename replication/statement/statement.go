package statement

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Logged is a statement as a server's binlog holds it.
type Logged struct {
	Text    string // in the client's character set
	Schema  string // the default schema; "" is none
	Charset string // the client's character set; "" is one that is not known
	Mode    uint64 // the session's sql_mode

	// Runs reports whether the server runs a comment /*!version as SQL, or, if own is true,
	// /*M!version. Version 0 is none. nil: it runs none.
	Runs func(own bool, version int) bool
	Names
}

// Effect is what a statement does to tables and schemas. The zero value is nothing.
type Effect struct {
	Verb    string // the first word, for messages
	Tables  []TableChange
	Schemas []SchemaChange
	// Rows is true of a statement that changes rows, or calls what may change rows.
	Rows bool
	// Fills is true if a new table may have got rows from a SELECT.
	Fills bool
	// Unknown is true if the statement was not recognised. It may have changed whatever
	// Mentions names.
	Unknown bool
	// Anything is true if an unknown statement may also have changed what it does not name.
	Anything bool
	// Mentions are all names of a statement with Rows or Unknown, and more words.
	Mentions []string
	// Schema is the default schema.
	Schema string
}

// Change is what happens to a table or schema.
type Change int

// The changes.
const (
	Altered Change = iota // its rows or its definition changed
	Created               // it is new, and so did not exist before
	Ensured               // it is new, or nothing happened because it existed (IF NOT EXISTS)
	Renewed               // it was dropped if it existed, and is new (OR REPLACE)
	Dropped               // it does not exist any more, if it did
	Arrived               // a table was renamed to it
)

// TableChange is a change of a table.
type TableChange struct {
	Change
	Table Name
}

// SchemaChange is a change of a schema.
type SchemaChange struct {
	Change
	Schema string
}

// Read returns what a statement does. There are several effects if the text can be read in
// several ways: all of them count.
func Read(s Logged) []Effect {
	text := s.Text
	client, known := charsets[s.Charset]
	if !known {
		// Nothing is certain, not even where a literal ends.
		return []Effect{s.worst()}
	}
	readings := []reading{s.read(client, s.Mode)}
	if readings[0].modes {
		// The event tells the mode in which the statement ran, not that in which it was read.
		for _, flip := range []uint64{modeANSIQuotes, modeNoBackslashEscapes, modeANSIQuotes | modeNoBackslashEscapes} {
			readings = append(readings, s.read(client, s.Mode^flip))
		}
	}
	if !client.decodes && !isASCII(text) && utf8.ValidString(text) {
		// Texts that a server has made itself may be in UTF-8, whatever the client speaks.
		readings = append(readings, s.read(charsets["utf8mb4"], s.Mode))
	}
	// The server understood the statement: of several readings, those that are statements count.
	recognised := slices.ContainsFunc(readings, func(r reading) bool { return !r.Unknown })
	var effects []Effect
	for _, r := range readings {
		if !recognised || !r.Unknown || r.Anything {
			effects = append(effects, r.Effect)
		}
	}
	return effects
}

func isASCII(text string) bool {
	return !slices.ContainsFunc([]byte(text), func(b byte) bool { return b >= 0x80 })
}

// worst is the effect of a statement of which nothing can be told.
func (s Logged) worst() Effect {
	return Effect{Verb: "?", Unknown: true, Anything: true, Schema: s.Schema}
}

// reading is one way to read a statement.
type reading struct {
	Effect
	modes bool // it sets the sql_mode for itself
}

func (s Logged) read(c charset, mode uint64) reading {
	runs := s.Runs
	if runs == nil {
		runs = func(bool, int) bool { return false }
	}
	l := &lexer{text: s.Text, charset: c, mode: mode, runs: runs}
	l.run()
	p := &parser{tokens: l.tokens, schema: s.Schema}
	out := reading{Effect: Effect{Verb: p.verb(), Schema: s.Schema}}
	recognised := p.statement(&out)
	if recognised && (!l.failed || out.Effect.isNothing() && p.program) {
		if out.Rows {
			out.Mentions = p.mentions()
		}
		return out
	}
	return reading{Effect{
		Verb: out.Verb, Unknown: true, Anything: !p.named, Mentions: p.mentions(), Schema: s.Schema,
		Schemas: out.Schemas,
	}, out.modes}
}

func (e Effect) isNothing() bool { return len(e.Tables)+len(e.Schemas) == 0 && !e.Rows && !e.Unknown }

// verb is the first word in capitals.
func (p *parser) verb() string {
	const most = 20
	if len(p.tokens) == 0 || p.tokens[0].kind != word || len(p.tokens[0].text) > most {
		return "?"
	}
	return strings.ToUpper(p.tokens[0].text)
}
