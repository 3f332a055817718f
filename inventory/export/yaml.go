package export

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// pair is a key and value of a mapping.
type pair struct {
	key   string
	value any
}

// mapping is a YAML mapping in the given order. A pair whose value is nil is left out.
type mapping []pair

// flow is a mapping on one line.
type flow mapping

// list is a YAML sequence.
type list []any

// unsafeText is a text in which Ansible must not look for variables.
type unsafeText string

// block is a text of lines, written as a literal block if YAML can represent it so.
type block string

// nodeOf returns the YAML node of strings, numbers, booleans, mappings and lists.
func nodeOf(value any) *yaml.Node {
	switch v := value.(type) {
	case mapping:
		return mappingNode(v, 0)
	case flow:
		return mappingNode(mapping(v), yaml.FlowStyle)
	case list:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, e := range v {
			n.Content = append(n.Content, nodeOf(e))
		}
		return n
	case []string:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, e := range v {
			n.Content = append(n.Content, nodeOf(e))
		}
		return n
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v)}
	case int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(v)}
	case unsafeText:
		n := scalar(string(v))
		if hasJinja(string(v)) {
			n.Tag, n.Style = "!unsafe", yaml.DoubleQuotedStyle|yaml.TaggedStyle
		}
		return n
	case block:
		n := scalar(string(v))
		if fitsLiteral(string(v)) {
			n.Style = yaml.LiteralStyle
		}
		return n
	case string:
		return scalar(v)
	}
	panic(fmt.Sprintf("no YAML for %T", value))
}

func mappingNode(pairs mapping, style yaml.Style) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Style: style}
	for _, p := range pairs {
		if p.value != nil {
			n.Content = append(n.Content, scalar(p.key), nodeOf(p.value))
		}
	}
	return n
}

// scalar returns a string: plain if every reader of YAML 1.1 or 1.2 reads it as a
// string, else in double quotes.
func scalar(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' {
			n.Style = yaml.DoubleQuotedStyle
			return n
		}
	}
	switch {
	case text == "", notString.MatchString(text), strings.ContainsAny(text, "{}[]!&*|>%@`\"'\\=~#,?:"), text[0] == ' ', text[0] == '-', text[len(text)-1] == ' ':
		n.Style = yaml.DoubleQuotedStyle
	}
	if plainPath.MatchString(text) {
		n.Style = 0 // the path of a unit's instance needs no quotes
	}
	return n
}

var (
	// notString matches what some reader of YAML 1.1 reads as a number, date or boolean.
	notString = regexp.MustCompile(`(?i)^([-+.0-9][-+.0-9_:exabcdf]*|y|n|yes|no|on|off|true|false|null|none|\.inf|\.nan)$`)
	plainPath = regexp.MustCompile(`^/[A-Za-z0-9/._@+-]*$`)
)

// fitsLiteral reports whether a text is unchanged as a literal block: it is printable and
// ends in exactly one newline.
func fitsLiteral(text string) bool {
	if !strings.HasSuffix(text, "\n") || strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\n") || strings.HasPrefix(text, "\t") || strings.HasSuffix(text, "\n\n") {
		return false
	}
	for _, r := range text {
		if r != '\n' && r != '\t' && (r < ' ' || r > '~') {
			return false
		}
	}
	return true
}

// shareTexts replaces repetitions of long texts by aliases.
func shareTexts(n *yaml.Node) {
	seen, count := map[string]*yaml.Node{}, 0
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, c := range n.Content {
			first := seen[c.Value]
			switch {
			case c.Kind != yaml.ScalarNode:
				walk(c)
			case len(c.Value) < minSharedLength:
			case first == nil:
				seen[c.Value] = c
			default:
				if first.Anchor == "" {
					count++
					first.Anchor = fmt.Sprintf("text%d", count)
				}
				n.Content[i] = &yaml.Node{Kind: yaml.AliasNode, Value: first.Anchor, Alias: first}
			}
		}
	}
	walk(n)
}

// minSharedLength is the length from which a text is shared, in bytes.
const minSharedLength = 60

// document returns a YAML file after a given first line: a comment or "---".
func document(first string, value any) (string, error) {
	return encode(first, nodeOf(value))
}

func encode(first string, n *yaml.Node) (string, error) {
	var b bytes.Buffer
	b.WriteString(first + "\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(n); err != nil {
		return "", fmt.Errorf("write YAML: %w", err)
	}
	if err := e.Close(); err != nil {
		return "", fmt.Errorf("write YAML: %w", err)
	}
	return b.String(), nil
}

// hasJinja reports whether a text has syntax of Jinja.
func hasJinja(text string) bool {
	return strings.Contains(text, "{{") || strings.Contains(text, "{%") || strings.Contains(text, "{#")
}

// jinjaTemplate returns a Jinja template that yields a text, with variables in place of
// the tokens. What Jinja would interpret, or normalize like carriage returns, is quoted
// as a string.
func jinjaTemplate(text string, variable func(token string) string) string {
	var b strings.Builder
	if rest, ok := strings.CutPrefix(text, "#jinja2:"); ok { // a header to Ansible
		b.WriteString("{{ '#' }}jinja2:")
		text = rest
	}
	for text != "" {
		at := token.FindStringIndex(text)
		part := text
		if at != nil {
			part = text[:at[0]]
		}
		b.WriteString(escapeJinja(part))
		if at == nil {
			break
		}
		b.WriteString("{{ " + variable(text[at[0]:at[1]]) + " }}")
		text = text[at[1]:]
	}
	return b.String()
}

// jinjaSyntax matches what Jinja interprets, a carriage return, and a brace before what
// the template adds: of three braces Jinja reads the first two.
var jinjaSyntax = regexp.MustCompile(`\{\{|\{%|\{#|\{?\r|\{$`)

func escapeJinja(text string) string {
	return jinjaSyntax.ReplaceAllStringFunc(text, func(s string) string {
		return "{{ '" + strings.ReplaceAll(s, "\r", `\r`) + "' }}"
	})
}
