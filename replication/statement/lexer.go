package statement

import "strings"

// sql_mode bits that matter to how a text is read. MySQL does not use the bit of MSSQL.
const (
	modeANSIQuotes         = 1 << 2
	modeMSSQL              = 1 << 10
	modeNoBackslashEscapes = 1 << 20
)

type kind int

const (
	word    kind = iota // a keyword, or a name without quotes
	name                // a name in quotes
	literal             // a string
	symbol              // anything else, a character
)

type token struct {
	kind kind
	text string // of a literal: empty
}

// lexer splits the text of a statement as the server does.
type lexer struct {
	text    string
	at      int
	charset charset
	mode    uint64
	runs    func(own bool, version int) bool // see Logged
	inside  bool                             // a comment that runs
	tokens  []token
	failed  bool // the text cannot be read with certainty: its tokens serve as names alone
}

func (l *lexer) run() {
	for l.at < len(l.text) {
		l.next()
	}
	l.failed = l.failed || l.inside
}

func (l *lexer) rest() string { return l.text[l.at:] }

func (l *lexer) add(k kind, text string) { l.tokens = append(l.tokens, token{k, text}) }

func isSpace(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' }

// next reads a token, a comment or a space.
func (l *lexer) next() {
	rest := l.rest()
	b := rest[0]
	switch {
	case isSpace(b):
		l.at++
	case b == '#', strings.HasPrefix(rest, "--") && (len(rest) == 2 || rest[2] <= ' ' || rest[2] == 0x7f):
		end := strings.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest) - 1
		}
		l.at += end + 1
	case strings.HasPrefix(rest, "/*"):
		l.comment()
	case l.inside && strings.HasPrefix(rest, "*/"):
		l.inside, l.at = false, l.at+2
	case strings.HasPrefix(rest, "*/"), b == 0:
		l.failed = true
		l.at++
	case b == '\'', b == '"' && l.mode&modeANSIQuotes == 0:
		l.literal(b)
	case b == '"', b == '`':
		l.quotedName(b)
	case b == '[' && l.mode&modeMSSQL != 0:
		l.quotedName(']')
	default:
		l.word()
	}
}

// comment passes over a comment, or enters one that runs.
func (l *lexer) comment() {
	rest := l.text[l.at+2:]
	own := strings.HasPrefix(rest, "M!")
	marker := 0
	if own {
		marker = 2
	} else if strings.HasPrefix(rest, "!") {
		marker = 1
	}
	if marker > 0 {
		version, digits := 0, 0
		for digits < 6 && marker+digits < len(rest) && rest[marker+digits] >= '0' && rest[marker+digits] <= '9' {
			version = version*10 + int(rest[marker+digits]-'0')
			digits++
		}
		if digits < 5 {
			version, digits = 0, 0
		}
		if l.runs(own, version) {
			if l.inside { // servers do not nest them
				l.failed = true
			}
			l.inside, l.at = true, l.at+2+marker+digits
			return
		}
	}
	end := skipComment(rest, marker > 0)
	if end < 0 {
		l.failed, l.at = true, len(l.text)
		return
	}
	l.at += 2 + end
}

// skipComment returns where a comment ends, or -1. A comment that would run on another
// server may hold other comments.
func skipComment(text string, nested bool) int {
	for i := 0; i+1 < len(text); i++ {
		switch {
		case text[i] == '*' && text[i+1] == '/':
			return i + 2
		case nested && text[i] == '/' && text[i+1] == '*':
			n := skipComment(text[i+2:], false)
			if n < 0 {
				return -1
			}
			i += 1 + n
		}
	}
	return -1
}

// literal passes over a string.
func (l *lexer) literal(quote byte) {
	for l.at++; l.at < len(l.text); {
		rest := l.rest()
		if n := l.charset.multi(rest); n > 1 {
			l.at += n
			continue
		}
		switch {
		case rest[0] == '\\' && l.mode&modeNoBackslashEscapes == 0:
			l.at += 2
		case rest[0] != quote:
			l.at++
		case len(rest) > 1 && rest[1] == quote:
			l.at += 2
		default:
			l.at++
			l.add(literal, "")
			return
		}
	}
	l.failed, l.at = true, len(l.text)
}

// quotedName reads a name in quotes.
func (l *lexer) quotedName(quote byte) {
	var text strings.Builder
	for l.at++; l.at < len(l.text); {
		rest := l.rest()
		if l.character(&text) {
			continue
		}
		if rest[0] == 0 {
			break
		}
		if rest[0] == quote {
			if l.at++; len(rest) == 1 || rest[1] != quote {
				l.add(name, text.String())
				return
			}
		}
		text.WriteByte(rest[0])
		l.at++
	}
	l.failed, l.at = true, len(l.text)
}

// character reads a character that is not ASCII, if there is one.
func (l *lexer) character(text *strings.Builder) bool {
	rest := l.rest()
	n := l.charset.multi(rest)
	switch {
	case n > 1 && l.charset.decodes:
		text.WriteString(rest[:n])
	case n > 1:
		text.WriteRune(unreadable)
	case rest[0] >= 0x80:
		n = 1
		r, _ := l.charset.single(rest[0])
		text.WriteRune(r)
	default:
		return false
	}
	l.at += n
	return true
}

// word reads a keyword or a name without quotes, or else a symbol. A byte of which it is
// not known whether it is a letter may also end the word: all readings become tokens.
func (l *lexer) word() {
	var text, part strings.Builder
	for l.at < len(l.text) {
		rest := l.rest()
		if b := rest[0]; b < 0x80 && l.charset.multi(rest) < 2 {
			if b != '_' && b != '$' && (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'z') {
				break
			}
			text.WriteByte(b)
			part.WriteByte(b)
			l.at++
			continue
		}
		doubtful := false
		if l.charset.multi(rest) < 2 {
			_, letter := l.charset.single(rest[0])
			doubtful = !letter
		}
		from := text.Len()
		l.character(&text)
		if !doubtful {
			part.WriteString(text.String()[from:])
			continue
		}
		l.failed = true
		if part.Len() > 0 {
			l.add(word, part.String())
		}
		part.Reset()
	}
	if part.Len() > 0 && part.Len() < text.Len() {
		l.add(word, part.String())
	}
	if text.Len() > 0 {
		l.add(word, text.String())
		return
	}
	l.add(symbol, l.text[l.at:l.at+1])
	l.at++
}
