package redact

import (
	"path"
	"regexp"
	"strings"
)

// span is where a secret stands in a document, as byte offsets.
type span struct {
	start, end int
	kind, key  string
}

// document is a text and the secrets found in it so far.
type document struct {
	path, base        string
	text              string
	shell             bool // a value ends at the first blank: a command line, a script, a unit
	code              bool // an unquoted value is an expression, not a secret
	passwordIsKeyword bool // PAM: the format has a keyword "password"
	spans             []span
}

// shellFiles matches the paths of files that hold command lines.
var shellFiles = regexp.MustCompile(`/(cron[^/]*|spool/cron)/|\.(sh|bash|service|socket|timer|mount)$|/(crontab|anacrontab|rc\.local|\.?bash\w*|\.?profile|sudoers)$|/init\.d/|\.service\.d/`)

// codeFiles matches the paths of source code.
var codeFiles = regexp.MustCompile(`\.(php|py|rb|js|ts|pl|pm|go|java|lua|inc|phtml|erb|tcl|c|h)$`)

func newDocument(file, text string) *document {
	return &document{
		path: file, base: path.Base(file), text: text,
		shell: shellFiles.MatchString(file), code: codeFiles.MatchString(file), passwordIsKeyword: strings.Contains(file, "/pam.d/"),
	}
}

// add records a secret without the blanks around it. An empty span and a token
// are not recorded.
func (d *document) add(start, end int, kind, key string) {
	for start < end && (d.text[start] == ' ' || d.text[start] == '\t') {
		start++
	}
	for end > start && strings.IndexByte(" \t\r\n", d.text[end-1]) >= 0 {
		end--
	}
	if start < end && !isToken(d.text[start:end]) {
		d.spans = append(d.spans, span{start, end, kind, key})
	}
}

// addGroups records what the group "secret" of an expression matches. Where the
// expression has a group "key", it must match the name of a secret setting.
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
		if reference.MatchString(value) || filePath.MatchString(value) || isToken(value) {
			continue
		}
		d.add(from+start, from+end, kind, key)
	}
}

// unquoted returns a range without the quotes around it.
func unquoted(text string, start, end int) (int, int) {
	if end-start >= 2 && (text[start] == '"' || text[start] == '\'') && text[end-1] == text[start] {
		return start + 1, end - 1
	}
	return start, end
}

// lines looks for secrets in each line, and in private keys and YAML blocks,
// which have several.
func (d *document) lines() {
	d.privateKeys()
	if d.passwordIsKeyword {
		return
	}
	at := 0
	var name string // X of a pair "name: X", "value: Y" on two lines
	for line := range strings.Lines(d.text) {
		if isSuspicious(line) || name != "" {
			d.assignments(at, line)
			d.directive(at, line)
			d.argv(at, line)
			d.pair(at, line, &name)
		}
		at += len(line)
	}
	d.yamlBlocks()
}

// privateKeys finds private keys in any format.
func (d *document) privateKeys() {
	for _, m := range privateKey.FindAllStringIndex(d.text, -1) {
		d.add(m[0], m[1], "private key", "")
	}
}

var privateKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*(?:PRIVATE KEY(?: BLOCK)?|OpenVPN Static key V1|Static key V1)-----.*?(?:-----END [A-Za-z0-9 ]*-----|\z)`)

// isComment reports whether a line is a comment in a common format.
func isComment(line string) bool {
	t := strings.TrimSpace(line)
	return strings.HasPrefix(t, "#") || strings.HasPrefix(t, ";") || strings.HasPrefix(t, "//") || strings.HasPrefix(t, "* ") || strings.HasPrefix(t, "--")
}
