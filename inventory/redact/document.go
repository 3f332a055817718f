package redact

import (
	"path"
	"regexp"
	"strings"
)

// span is a secret in a document.
type span struct {
	start, end int
	kind, key  string
}

// document is a text whose secrets are collected.
type document struct {
	path, base string
	text       string
	shell      bool // values end with the word: a command line, a script, a unit
	code       bool // what is not quoted is an expression
	prose      bool // PAM: "password" is a word of the format's own
	spans      []span
}

// shellFiles hold command lines.
var shellFiles = regexp.MustCompile(`/(cron[^/]*|spool/cron)/|\.(sh|bash|service|socket|timer|mount)$|/(crontab|anacrontab|rc\.local|\.?bash\w*|\.?profile|sudoers)$|/init\.d/|\.service\.d/`)

// codeFiles are programs.
var codeFiles = regexp.MustCompile(`\.(php|py|rb|js|ts|pl|pm|go|java|lua|inc|phtml|erb|tcl|c|h)$`)

func newDocument(file, text string) *document {
	return &document{
		path: file, base: path.Base(file), text: text,
		shell: shellFiles.MatchString(file), code: codeFiles.MatchString(file), prose: strings.Contains(file, "/pam.d/"),
	}
}

// add notes a secret, unless it is none.
func (d *document) add(start, end int, kind, key string) {
	for start < end && (d.text[start] == ' ' || d.text[start] == '\t') {
		start++
	}
	for end > start && strings.IndexByte(" \t\r\n", d.text[end-1]) >= 0 {
		end--
	}
	if start < end && !IsToken(d.text[start:end]) {
		d.spans = append(d.spans, span{start, end, kind, key})
	}
}

// addGroups notes what the named groups of an expression match: any group named
// "secret".
func (d *document) addGroups(re *regexp.Regexp, from int, text, kind string) {
	group := re.SubexpIndex("secret")
	keyGroup := re.SubexpIndex("key")
	for _, m := range re.FindAllStringSubmatchIndex(text, -1) {
		start, end := m[2*group], m[2*group+1]
		if start < 0 {
			continue
		}
		start, end = unquoted(text, start, end)
		value, key := text[start:end], ""
		if keyGroup >= 0 && m[2*keyGroup] >= 0 {
			key = text[m[2*keyGroup]:m[2*keyGroup+1]]
			if strings.Contains(key, prefix) || !secretName(key) {
				continue
			}
		}
		if reference.MatchString(value) || somewhere.MatchString(value) || IsToken(value) {
			continue
		}
		d.add(from+start, from+end, kind, key)
	}
}

// unquoted narrows a range by the quotes around it.
func unquoted(text string, start, end int) (int, int) {
	if end-start >= 2 && (text[start] == '"' || text[start] == '\'') && text[end-1] == text[start] {
		return start + 1, end - 1
	}
	return start, end
}

// lines goes through the text line by line.
func (d *document) lines() {
	d.keys()
	if d.prose {
		return
	}
	at := 0
	var name string // of a pair "name: X", "value: Y" on two lines
	for line := range strings.Lines(d.text) {
		if interesting(line) || name != "" {
			d.assignments(at, line)
			d.directive(at, line)
			d.argv(at, line)
			d.pair(at, line, &name)
		}
		at += len(line)
	}
	d.blocks()
}

// keys are private keys, whatever holds them.
func (d *document) keys() {
	for _, m := range privateKey.FindAllStringIndex(d.text, -1) {
		d.add(m[0], m[1], "private key", "")
	}
}

var privateKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*(?:PRIVATE KEY(?: BLOCK)?|OpenVPN Static key V1|Static key V1)-----.*?(?:-----END [A-Za-z0-9 ]*-----|\z)`)

// isComment reports whether a line says nothing to the program that reads it.
func isComment(line string) bool {
	t := strings.TrimSpace(line)
	return strings.HasPrefix(t, "#") || strings.HasPrefix(t, ";") || strings.HasPrefix(t, "//") || strings.HasPrefix(t, "* ") || strings.HasPrefix(t, "--")
}
