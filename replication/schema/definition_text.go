package schema

import (
	"fmt"
	"strings"
)

// NameEnd returns the length of the quoted name at the beginning of text.
func NameEnd(text string) int {
	for i := 1; i < len(text); i++ {
		if text[i] != '`' {
			continue
		}
		if i+1 < len(text) && text[i+1] == '`' {
			i++
			continue
		}
		return i + 1
	}
	return len(text)
}

// Unquoted returns text without its quoted parts.
func Unquoted(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if end := quotedEnd(text, i); end > i {
			i = end - 1
			continue
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// quotedEnd returns the end of the quoted part that begins at i, or i if none does.
func quotedEnd(text string, i int) int {
	quote := text[i]
	if quote != '\'' && quote != '"' && quote != '`' {
		return i
	}
	for j := i + 1; j < len(text); j++ {
		switch {
		case text[j] == '\\' && quote != '`':
			j++
		case text[j] != quote:
		case j+1 < len(text) && text[j+1] == quote:
			j++
		default:
			return j + 1
		}
	}
	return len(text)
}

// SplitDefinitions splits a CREATE TABLE at the commas of its list of columns, keys and
// constraints.
func SplitDefinitions(create string) (head string, definitions []string, tail string, err error) {
	depth, start := 0, 0
	for i := 0; i < len(create); i++ {
		if end := quotedEnd(create, i); end > i {
			i = end - 1
			continue
		}
		switch create[i] {
		case '(':
			depth++
			if depth == 1 {
				head, start = create[:i+1]+"\n  ", i+1
			}
		case ')':
			depth--
			if depth == 0 {
				definitions = append(definitions, strings.TrimSpace(create[start:i]))
				return head, definitions, "\n" + create[i:], nil
			}
		case ',':
			if depth == 1 {
				definitions = append(definitions, strings.TrimSpace(create[start:i]))
				start = i + 1
			}
		}
	}
	return "", nil, "", fmt.Errorf("its parentheses do not match")
}
