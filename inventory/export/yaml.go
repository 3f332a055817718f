package export

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// pair is a key and value of a YAML mapping that keeps its order.
type pair struct {
	key   string
	value any
}

// mapping is YAML's, in the order given. A pair whose value is nil is left out.
type mapping []pair

// flow is a mapping on one line.
type flow mapping

// list is a YAML sequence.
type list []any

// unsafe is a text in which Ansible must not look for variables.
type unsafe string

// block is a text of lines, written as such where YAML can.
type block string

// node makes the YAML node of strings, numbers, booleans, mappings and lists.
func node(value any) *yaml.Node {
	switch v := value.(type) {
	case mapping:
		return mapNode(v, 0)
	case flow:
		return mapNode(mapping(v), yaml.FlowStyle)
	case list:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, e := range v {
			n.Content = append(n.Content, node(e))
		}
		return n
	case []string:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, e := range v {
			n.Content = append(n.Content, node(e))
		}
		return n
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v)}
	case int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(v)}
	case unsafe:
		n := scalar(string(v))
		if hasJinja(string(v)) {
			n.Tag, n.Style = "!unsafe", yaml.DoubleQuotedStyle|yaml.TaggedStyle
		}
		return n
	case block:
		n := scalar(string(v))
		if literal(string(v)) {
			n.Style = yaml.LiteralStyle
		}
		return n
	case string:
		return scalar(v)
	}
	panic(fmt.Sprintf("no YAML for %T", value))
}

func mapNode(pairs mapping, style yaml.Style) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Style: style}
	for _, p := range pairs {
		if p.value != nil {
			n.Content = append(n.Content, scalar(p.key), node(p.value))
		}
	}
	return n
}

// scalar is a string: plain where every reader of YAML 1.1 or 1.2 takes it for
// one, else in double quotes.
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
	// notString is what some reader of YAML 1.1 takes for a number, date or truth value.
	notString = regexp.MustCompile(`(?i)^([-+.0-9][-+.0-9_:exabcdf]*|y|n|yes|no|on|off|true|false|null|none|\.inf|\.nan)$`)
	plainPath = regexp.MustCompile(`^/[A-Za-z0-9/._@+-]*$`)
)

// literal reports whether a text survives as lines of their own: printable, with
// newlines only between and at the end of lines.
func literal(text string) bool {
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

// share writes a long text once: where it stands again there is an alias.
func share(n *yaml.Node) {
	seen, count := map[string]*yaml.Node{}, 0
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, c := range n.Content {
			first := seen[c.Value]
			switch {
			case c.Kind != yaml.ScalarNode:
				walk(c)
			case len(c.Value) < worthSharing:
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

// worthSharing is the length from which a text is shared, in bytes.
const worthSharing = 60

// document is a YAML file that begins with a line of its own: a comment or "---".
func document(first string, value any) (string, error) {
	return encoded(first, node(value))
}

func encoded(first string, n *yaml.Node) (string, error) {
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

// hasJinja reports whether Jinja would see something to do in a text.
func hasJinja(text string) bool {
	return strings.Contains(text, "{{") || strings.Contains(text, "{%") || strings.Contains(text, "{#")
}

// template makes a Jinja template that yields a text, with variables in place of
// the tokens. What Jinja would read, or normalize as it does with carriage
// returns, stands as a string of its own.
func template(text string, variable func(token string) string) string {
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

// special is what Jinja reads, a carriage return, and a brace before what the
// template adds: of three braces Jinja takes the first two.
var special = regexp.MustCompile(`\{\{|\{%|\{#|\{?\r|\{$`)

func escapeJinja(text string) string {
	return special.ReplaceAllStringFunc(text, func(s string) string {
		return "{{ '" + strings.ReplaceAll(s, "\r", `\r`) + "' }}"
	})
}
