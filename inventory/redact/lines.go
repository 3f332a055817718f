package redact

import (
	"regexp"
	"strings"
)

// assignment matches a name and the separator before its value. A comma separates
// only after a quote: define('DB_PASSWORD', '…').
var assignment = regexp.MustCompile(`(?:^|[^\w.$-])(--?)?([A-Za-z_$][\w.$-]*(?:\[[\w'"-]+\])*)(["']?\]?["']?\s*(?:=>|:=|\+=|==?=?|:)\s*|["']\s*,\s*)`)

// assignments finds KEY = VALUE in its many notations.
func (d *document) assignments(at int, line string) {
	for from := 0; ; {
		m := assignment.FindStringSubmatchIndex(line[from:])
		if m == nil {
			return
		}
		key, sep := line[from+m[4]:from+m[5]], strings.TrimSpace(line[from+m[6]:from+m[7]])
		start := from + m[7]
		if strings.HasPrefix(line[start:], "//") { // scheme://
			from = start
			continue
		}
		if strings.HasSuffix(sep, ",") && !isFirstArgument(line[:from+m[4]]) || token.MatchString(key) ||
			m[2] >= 0 && strings.HasSuffix(line[:start], " ") { // a flag's value follows without a blank
			from += m[5]
			continue
		}
		value, end, quoted := d.value(line, start, m[2] >= 0)
		switch {
		case !secretName(strings.Trim(key, "$-'\"[]")), harmless(key, value, quoted):
			from = max(from+m[5], from+1)
			continue
		case !quoted && (d.code || strings.HasPrefix(sep, "==")),
			!quoted && isComment(line) && strings.Contains(strings.TrimSpace(value), " "): // prose
			from = start
			continue
		}
		s := start
		if quoted {
			s++
		}
		d.add(at+s, at+s+len(value), kindOf(key), strings.Trim(key, "$-'\"[]"))
		from = max(end, from+1)
	}
}

// isFirstArgument reports whether the text before a name makes the name the first
// argument of a call: define('DB_PASSWORD', '…').
func isFirstArgument(before string) bool {
	return strings.HasSuffix(strings.TrimRight(before, `"' `), "(")
}

// value returns the value that begins at start, without its quotes, and the
// offset of its end.
func (d *document) value(line string, start int, flag bool) (value string, end int, quoted bool) {
	rest := line[start:]
	if rest == "" {
		return "", start, false
	}
	if q := rest[0]; q == '"' || q == '\'' {
		for i := 1; i < len(rest); i++ {
			switch rest[i] {
			case '\\':
				i++
			case q:
				return rest[1:i], start + i + 1, true
			}
		}
		return strings.TrimRight(rest[1:], "\r\n"), len(line), true // it continues on the next line
	}
	rest = strings.TrimRight(rest, "\r\n")
	stop := len(rest)
	if flag || d.shell {
		if i := strings.IndexAny(rest, " \t;|\"'"); i >= 0 {
			stop = i
		}
	} else if i := commentStart(rest); i >= 0 {
		stop = i
	}
	v := strings.TrimRight(rest[:stop], " \t,;")
	if i := strings.Index(v, "</"); i >= 0 {
		v = v[:i]
	}
	// The rest of a flow mapping or URL is not part of the value.
	if i := strings.IndexAny(v, "&}"); i > 0 && !strings.Contains(v[:i], " ") && strings.ContainsAny(line[:start], "?{&") {
		v = v[:i]
	}
	return v, start + len(v), false
}

// commentStart returns the offset of the "#" that begins a comment after a blank,
// or -1.
func commentStart(text string) int {
	for i := 1; i < len(text); i++ {
		if text[i] == '#' && (text[i-1] == ' ' || text[i-1] == '\t') {
			return i
		}
	}
	return -1
}

// directiveLine matches a directive whose value follows after blanks.
var directiveLine = regexp.MustCompile(`^\s*([A-Za-z][\w.-]*)[ \t]+(\S.*)$`)

// wordBeforeSecret matches lines in which a keyword announces a secret as the
// next word.
var wordBeforeSecret = regexp.MustCompile(`(?i)^\s*(?:machine|default|user|username|login|password|secret|set|neighbor|server|createUser|key|account|auth|admin|stats|ppp|authentication)\b.*?\b(?:password|passwd|insecure-password|secret|passphrase|pass|key-string|community)\s+(?P<secret>"[^"\n]*"|'[^'\n]*'|[^\s;]+)`)

// directive finds KEY VALUE, without a separator.
func (d *document) directive(at int, line string) {
	if d.passwordIsKeyword || d.code || isComment(line) {
		return
	}
	text := strings.TrimRight(line, "\r\n")
	if m := directiveLine.FindStringSubmatchIndex(text); m != nil && !d.shell {
		key, value := text[m[2]:m[3]], text[m[4]:m[5]]
		if i := commentStart(value); i >= 0 {
			value = value[:i]
		}
		value = strings.TrimRight(value, " \t;")
		if strings.IndexAny(value, "=:,{(") != 0 && secretName(key) && len(strings.Fields(value)) <= 2 && !harmless(key, value, false) {
			start, end := unquoted(text, m[4], m[4]+len(value))
			if !harmless(key, text[start:end], true) {
				d.add(at+start, at+end, kindOf(key), key)
			}
		}
	}
	d.addGroups(wordBeforeSecret, at, text, "password")
}

var (
	pairName     = regexp.MustCompile(`(?i)["']?\b(?:name|key)["']?\s*[:=]\s*["']?([\w.-]+)["']?\s*,?\s*$`)
	pairValue    = regexp.MustCompile(`(?i)["']?\bvalue["']?\s*[:=]\s*(?P<secret>"[^"\n]*"|'[^'\n]*'|\S.*)$`)
	inlinePair   = regexp.MustCompile(`(?i)["']?\b(?:name|key)["']?\s*[:=]\s*["']?(?P<key>[\w.-]+)["']?\s*,?\s*["']?value["']?\s*[:=]\s*(?P<secret>"[^"\n]*"|'[^'\n]*'|[^\s,}]+)`)
	xmlElement   = regexp.MustCompile(`<(?P<key>[A-Za-z][\w:.-]*)(?:\s[^>]*)?>(?P<secret>[^<>\n]+)</`)
	xmlAttribute = regexp.MustCompile(`(?i)(?:name|key)="(?P<key>[\w.:-]+)"[^>]*>(?P<secret>[^<>\n]+)<`)
)

// pair finds a name and its value where each is a setting itself, as in
// Kubernetes, compose and XML. name is the secret name that the line before ended
// with; pair sets it for the next line.
func (d *document) pair(at int, line string, name *string) {
	d.addGroups(inlinePair, at, line, "secret")
	d.addGroups(xmlElement, at, line, "secret")
	d.addGroups(xmlAttribute, at, line, "secret")
	text := strings.TrimRight(line, "\r\n")
	if *name != "" {
		if m := pairValue.FindStringSubmatchIndex(text); m != nil {
			start, end := unquoted(text, m[2], m[3])
			if !harmless(*name, text[start:end], true) {
				d.add(at+start, at+end, kindOf(*name), *name)
			}
		}
	}
	*name = ""
	if m := pairName.FindStringSubmatch(text); m != nil && secretName(m[1]) {
		*name = m[1]
	}
}

// yamlBlock matches the line that begins a multi-line value in YAML.
var yamlBlock = regexp.MustCompile(`^(\s*)(?:- )?["']?([\w.-]+)["']?:\s*[|>][+-]?\d*\s*$`)

// yamlBlocks finds multi-line values of YAML, and the data of a Kubernetes Secret.
func (d *document) yamlBlocks() {
	at, indent, start := 0, -1, 0
	var key string
	secretData, dataIndent := false, -1
	isSecret := regexp.MustCompile(`(?m)^kind:\s*Secret\s*$`).MatchString(d.text)
	closeBlock := func(to int) {
		if indent >= 0 && to > start {
			d.add(start, to, kindOf(key), key)
		}
		indent = -1
	}
	for line := range strings.Lines(d.text) {
		text := strings.TrimRight(line, "\r\n")
		depth := len(text) - len(strings.TrimLeft(text, " "))
		if indent >= 0 && strings.TrimSpace(text) != "" && depth <= indent {
			closeBlock(at)
		}
		if m := yamlBlock.FindStringSubmatch(text); m != nil && indent < 0 && (secretName(m[2]) || secretData) {
			indent, key, start = len(m[1]), m[2], at+len(line)
		}
		if secretData && depth <= dataIndent && strings.TrimSpace(text) != "" {
			secretData = false
		}
		if i := strings.Index(text, ": "); secretData && i >= 0 && indent < 0 {
			s, e := unquoted(text, i+2, len(text))
			d.add(at+s, at+e, "secret", strings.TrimSpace(text[:i]))
		}
		if t := strings.TrimSpace(text); isSecret && (t == "data:" || t == "stringData:") {
			secretData, dataIndent = true, depth
		}
		at += len(line)
	}
	closeBlock(len(d.text))
}
