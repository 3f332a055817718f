package redact

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zricethezav/gitleaks/v8/config"

	"github.com/dcmigrate/migrate/inventory/internal/planted"
)

// The search near keywords finds what the expressions find in the whole text: in planted
// secrets, in this machine's own configuration, and in random texts.
func TestFindingNearKeywordsFindsAll(t *testing.T) {
	rules, err := backstop()
	require.NoError(t, err)
	var texts []string
	for _, s := range planted.All() {
		texts = append(texts, s.Text)
	}
	files, err := filepath.Glob("/etc/*")
	require.NoError(t, err)
	for _, name := range files {
		if text, err := os.ReadFile(name); err == nil && len(text) < 200_000 {
			texts = append(texts, string(text))
		}
	}
	texts = append(texts, strings.Join(texts, "\n"))
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{
		"key", "API", "Token", "password", "passwd", "creds", "auth_", "sec", "secret", "administrator_login_password",
		" ", "=", ":", "\"", "'", "\n", " := ", "\\n", ";", "x", "-", ".", "é", "\u212aey", "ab12", "aB3dE5fG7hI9jK1l",
		strings.Repeat("z9", 90), strings.Repeat("q8/+", 120), strings.Repeat("w.", 30), strings.Repeat(" ", 15),
	}
	for range 1500 {
		var b strings.Builder
		for range 1 + random.IntN(40) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		texts = append(texts, b.String())
	}
	used, found := 0, 0
	for i := range rules {
		if !slices.Contains(rulesNearKeywords, rules[i].RuleID) {
			continue
		}
		used++
		requireKeywordInNames(t, &rules[i])
		for _, text := range texts {
			if !hasKeyword(&rules[i], strings.ToLower(text)) {
				continue
			}
			want := rules[i].Regex.FindAllStringSubmatchIndex(text, -1)
			require.Equal(t, want, findAll(&rules[i], text), "%s: %q", rules[i].RuleID, text)
			found += len(want)
		}
	}
	require.Len(t, rulesNearKeywords, used)
	require.Greater(t, found, 500)
}

// requireKeywordInNames requires that every name that a rule's expression can begin with contains
// one of its keywords.
func requireKeywordInNames(t *testing.T, rule *config.Rule) {
	t.Helper()
	text, ok := strings.CutPrefix(rule.Regex.String(), `(?i)[\w.-]{0,50}?`) // beforeKeyword
	require.True(t, ok, "%s", rule.Regex)
	// The expression up to the value, whose end isValueByte finds: shorter than afterKeyword.
	require.Regexp(t, `^\(\?:.*?\)\(\?:\[ \\t\\w\.-\]\{0,20\}\)\[\\s'"\]\{0,3\}\(\?:=\|>\|:\{1,3\}=\|`, text)
	end, depth := 0, 0
	for ; end == 0 || depth > 0; end++ {
		switch text[end] {
		case '(':
			depth++
		case ')':
			depth--
		case '\\':
			end++
		}
	}
	group, err := syntax.Parse("(?i)"+text[:end], syntax.Perl)
	require.NoError(t, err)
	for _, name := range spellings(t, group) {
		has := slices.ContainsFunc(rule.Keywords, func(k string) bool { return strings.Contains(strings.ToLower(name), strings.ToLower(k)) })
		require.True(t, has, "%s: %q of %s, %q", rule.RuleID, name, text[:end], rule.Keywords)
	}
}

// spellings lists what an expression without repetitions matches, each letter in one case.
func spellings(t *testing.T, e *syntax.Regexp) (all []string) {
	t.Helper()
	switch e.Op {
	case syntax.OpEmptyMatch:
		return []string{""}
	case syntax.OpLiteral:
		return []string{string(e.Rune)}
	case syntax.OpCharClass:
		for i := 0; i < len(e.Rune); i += 2 {
			require.Less(t, e.Rune[i+1]-e.Rune[i], rune(64), "%s", e)
			for r := e.Rune[i]; r <= e.Rune[i+1]; r++ {
				all = append(all, string(r))
			}
		}
		return all
	case syntax.OpAlternate:
		for _, sub := range e.Sub {
			all = append(all, spellings(t, sub)...)
		}
		return all
	case syntax.OpCapture:
		return spellings(t, e.Sub[0])
	case syntax.OpQuest:
		return append(spellings(t, e.Sub[0]), "")
	case syntax.OpConcat:
		all = []string{""}
		for _, sub := range e.Sub {
			var longer []string
			for _, a := range all {
				for _, b := range spellings(t, sub) {
					longer = append(longer, a+b)
				}
			}
			all = longer
		}
		return all
	}
	t.Fatalf("%s: an expression with repetitions", e)
	return nil
}
