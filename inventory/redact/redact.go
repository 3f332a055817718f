// Package redact takes secrets out of text before it is kept. It recognizes them
// by file formats and the names of settings, whatever they look like; the rules of
// a secret scanner are the backstop. A token replaces each secret: a hash made
// with the project's key, so that equal secrets have equal tokens and guesses
// cannot be checked without the key. It needs only the key and the text.
package redact

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// KeySize is the length of a project's key, in bytes.
const KeySize = 32

// prefix begins every token. It has only letters and hyphens, so that a token is
// valid in a URL, a shell word, JSON, YAML and SQL.
const prefix = "migrate-secret-"

var token = regexp.MustCompile(prefix + `[0-9a-f]{16}`)

// Finding is a secret that was replaced.
type Finding struct {
	Line  int    // from 1
	Kind  string // "password", "private key", …
	Key   string // the setting that holds it, if known
	Token string // replaces it
}

// Redactor replaces secrets. It remembers, in memory only, those that it saw, so
// that a secret recognized in one place is found in all others. It is safe for
// concurrent use.
type Redactor struct {
	key []byte

	mu    sync.Mutex
	known map[string]bool // secrets whose text is unlikely to mean anything else
}

// New returns a Redactor that makes tokens with a project's key of KeySize bytes.
func New(key []byte) *Redactor {
	return &Redactor{key: bytes.Clone(key), known: map[string]bool{}}
}

// Token returns the token that replaces a secret. Equal secrets have equal tokens.
func (r *Redactor) Token(secret string) string {
	return prefix + r.mac("secret", secret)[:16]
}

// Hash returns a keyed hash of a file's contents, for files whose plain hash would
// let somebody check guesses of a secret in them.
func (r *Redactor) Hash(text string) string { return "hmac-" + r.mac("file", text) }

func (r *Redactor) mac(use, text string) string {
	h := hmac.New(sha256.New, r.key)
	h.Write([]byte(use + "\x00" + text))
	return hex.EncodeToString(h.Sum(nil))
}

// isToken reports whether text is exactly one token.
func isToken(text string) bool {
	at := token.FindStringIndex(text)
	return at != nil && at[0] == 0 && at[1] == len(text)
}

// File replaces the secrets in a file's text; the path helps to recognize the
// format. Findings are in the order of their lines.
func (r *Redactor) File(path, text string) (string, []Finding) {
	d := newDocument(path, text)
	d.formats()
	d.lines()
	clean, found := r.replace(d)
	clean, more := r.replaceScanned(clean)
	found = append(found, more...)
	slices.SortStableFunc(found, func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
	return clean, found
}

// Command replaces the secrets in a command line, or in any text of a few lines.
func (r *Redactor) Command(text string) (string, []Finding) {
	if !isSuspicious(text) {
		return r.Known(text), nil
	}
	d := newDocument("", text)
	d.shell = true
	d.lines()
	clean, found := r.replace(d)
	return r.Known(clean), found
}

// Setting replaces the secret in a setting's value.
func (r *Redactor) Setting(name, value string) (string, []Finding) {
	if secretName(name) && !harmless(name, value, false) {
		t := r.remember(value)
		return t, []Finding{{Line: 1, Kind: kindOf(name), Key: name, Token: t}}
	}
	return r.Command(value)
}

// Known replaces the secrets that the Redactor saw before.
func (r *Redactor) Known(text string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for secret := range r.known {
		if strings.Contains(text, secret) {
			text = strings.ReplaceAll(text, secret, r.Token(secret))
		}
	}
	return text
}

// Scan replaces what only the backstop finds, and secrets seen before, in text
// that was put together from redacted parts.
func (r *Redactor) Scan(text string) (string, []Finding) {
	clean, found := r.replaceScanned(text)
	if known := r.Known(clean); known != clean {
		clean = known
		found = append(found, Finding{Line: 1, Kind: "known secret"})
	}
	return clean, found
}

// Leaks returns the secrets that Scan would still replace in a text.
func (r *Redactor) Leaks(text string) []Finding {
	_, found := r.Scan(text)
	return found
}

// remember returns the token of a secret. A secret whose text is unlikely to mean
// anything else is from now on replaced everywhere.
func (r *Redactor) remember(secret string) string {
	if isDistinct(secret) {
		r.mu.Lock()
		r.known[secret] = true
		r.mu.Unlock()
	}
	return r.Token(secret)
}

// isDistinct reports whether text is unlikely to occur by chance: it has eight or
// more characters, letters and others.
func isDistinct(text string) bool {
	if len(text) < 8 || len(text) > 4096 || isToken(text) {
		return false
	}
	letters := strings.ContainsFunc(text, func(c rune) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' })
	others := strings.ContainsAny(text, "0123456789!#%&*+=?@^~|")
	return letters && others
}

// replace replaces the document's spans by tokens. Overlapping spans are one.
func (r *Redactor) replace(d *document) (string, []Finding) {
	if len(d.spans) == 0 {
		return d.text, nil
	}
	slices.SortStableFunc(d.spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end))
	})
	var out strings.Builder
	var found []Finding
	at := 0
	for i := 0; i < len(d.spans); {
		s := d.spans[i]
		for i++; i < len(d.spans) && d.spans[i].start < s.end; i++ {
			s.end = max(s.end, d.spans[i].end)
		}
		t := r.remember(d.text[s.start:s.end])
		out.WriteString(d.text[at:s.start])
		out.WriteString(t)
		at = s.end
		found = append(found, Finding{Line: 1 + strings.Count(d.text[:s.start], "\n"), Kind: s.kind, Key: s.key, Token: t})
	}
	out.WriteString(d.text[at:])
	return out.String(), found
}
