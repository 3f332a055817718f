// Package redact takes secrets out of text before it is kept, by what formats
// and key names say, whatever the secret looks like; a scanner made for the job
// is the backstop. In a secret's place stands a token: a keyed hash, so that
// "same or different" still shows, and nobody without the key can try guesses.
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

// KeySize is how long a project's key is, in bytes.
const KeySize = 32

// prefix begins every token. It is made of letters and hyphens only, so that a
// token may stand in a URL, a shell word, JSON, YAML and SQL.
const prefix = "migrate-secret-"

var token = regexp.MustCompile(prefix + `[0-9a-f]{16}`)

// Finding is a secret that was taken out.
type Finding struct {
	Line  int    // from 1
	Kind  string // "password", "private key", …
	Key   string // the setting that it is the value of, where there is one
	Token string // what stands in its place
}

// Redactor takes secrets out. It remembers those that it saw, in memory only,
// so that one that a format gives away in one place is found in all others. It
// is safe for use by many goroutines at once.
type Redactor struct {
	key []byte

	mu    sync.Mutex
	known map[string]bool // secrets that are unlikely to be anything else
}

// New returns a Redactor whose tokens are made with a project's key, of
// KeySize bytes.
func New(key []byte) *Redactor {
	return &Redactor{key: bytes.Clone(key), known: map[string]bool{}}
}

// Token returns what stands in place of a secret. Equal secrets have equal
// tokens.
func (r *Redactor) Token(secret string) string {
	return prefix + r.mac("secret", secret)[:16]
}

// Hash returns a keyed hash: of the contents of a file whose plain hash could
// tell a guess from the truth.
func (r *Redactor) Hash(text string) string { return "hmac-" + r.mac("file", text) }

func (r *Redactor) mac(use, text string) string {
	h := hmac.New(sha256.New, r.key)
	h.Write([]byte(use + "\x00" + text))
	return hex.EncodeToString(h.Sum(nil))
}

// IsToken reports whether text is nothing but a token.
func IsToken(text string) bool {
	at := token.FindStringIndex(text)
	return at != nil && at[0] == 0 && at[1] == len(text)
}

// File takes the secrets out of a file's text; its path helps to tell the
// format.
func (r *Redactor) File(path, text string) (string, []Finding) {
	d := newDocument(path, text)
	d.formats()
	d.lines()
	clean, found := r.replace(d)
	clean, more := r.scanned(clean)
	found = append(found, more...)
	slices.SortStableFunc(found, func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
	return clean, found
}

// Command takes the secrets out of a command line, or of any text of a few
// lines.
func (r *Redactor) Command(text string) (string, []Finding) {
	if !interesting(text) {
		return r.Known(text), nil
	}
	d := newDocument("", text)
	d.shell = true
	d.lines()
	clean, found := r.replace(d)
	return r.Known(clean), found
}

// Setting takes the secret out of a setting's value.
func (r *Redactor) Setting(name, value string) (string, []Finding) {
	if secretName(name) && !harmless(name, value, false) {
		t := r.remember(value)
		return t, []Finding{{Line: 1, Kind: kindOf(name), Key: name, Token: t}}
	}
	return r.Command(value)
}

// Known replaces the secrets that were seen before.
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

// Scan takes out what only the backstop finds, and secrets that were seen
// before, in text that was redacted and put together.
func (r *Redactor) Scan(text string) (string, []Finding) {
	clean, found := r.scanned(text)
	if known := r.Known(clean); known != clean {
		clean = known
		found = append(found, Finding{Line: 1, Kind: "known secret"})
	}
	return clean, found
}

// Leaks returns what Scan would still take out of text that was written.
func (r *Redactor) Leaks(text string) []Finding {
	_, found := r.Scan(text)
	return found
}

// remember returns the token of a secret, and looks for it elsewhere from now
// on if it can hardly be anything else than that secret.
func (r *Redactor) remember(secret string) string {
	if distinct(secret) {
		r.mu.Lock()
		r.known[secret] = true
		r.mu.Unlock()
	}
	return r.Token(secret)
}

// distinct reports whether text is unlikely to occur by chance: eight or more
// characters, of two kinds at least.
func distinct(text string) bool {
	if len(text) < 8 || len(text) > 4096 || IsToken(text) {
		return false
	}
	letters := strings.ContainsFunc(text, func(c rune) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' })
	others := strings.ContainsAny(text, "0123456789!#%&*+=?@^~|")
	return letters && others
}

// replace puts tokens in place of the document's spans.
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
