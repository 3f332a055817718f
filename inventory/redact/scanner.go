package redact

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/viper"
	"github.com/zricethezav/gitleaks/v8/config"
)

// backstop returns gitleaks' own rules for the tokens of hundreds of vendors.
// gitleaks' engine is not used: it also unpacks archives and reads git, which
// would add 3 MB to the binary. The rules are compiled at the first use, in 60 ms.
var backstop = sync.OnceValues(func() ([]config.Rule, error) {
	v := viper.New() // not viper's global instance
	v.SetConfigType("toml")
	if err := v.ReadConfig(strings.NewReader(config.DefaultConfig)); err != nil {
		return nil, fmt.Errorf("read rules for secrets: %w", err)
	}
	var file config.ViperConfig
	if err := v.Unmarshal(&file); err != nil {
		return nil, fmt.Errorf("read rules for secrets: %w", err)
	}
	rules, err := file.Translate()
	if err != nil {
		return nil, fmt.Errorf("read rules for secrets: %w", err)
	}
	return rules.GetOrderedRules(), nil
})

// Ready returns an error if the rules of the backstop do not load.
func Ready() error {
	_, err := backstop()
	return err
}

// replaceScanned replaces what the backstop finds in text.
func (r *Redactor) replaceScanned(text string) (string, []Finding) {
	rules, err := backstop()
	if err != nil || strings.TrimSpace(text) == "" {
		return text, nil // the rules are built in: Ready reports if they do not load
	}
	masked := withoutTokens(text)
	lower := strings.ToLower(masked)
	var found []Finding
	for i := range rules {
		for _, secret := range matches(&rules[i], masked, lower) {
			at := strings.Index(text, secret)
			if at < 0 || strings.Contains(secret, prefix) || strings.Contains(secret, placeholder) || harmless("key", secret, false) {
				continue
			}
			t := r.remember(secret)
			found = append(found, Finding{Line: 1 + strings.Count(text[:at], "\n"), Kind: rules[i].RuleID, Token: t})
			text = strings.ReplaceAll(text, secret, t)
		}
	}
	return text, found
}

// matches returns the secrets that a rule finds: the text has one of its keywords,
// its expression matches, and the captured secret is random enough and not on its
// allowlist.
func matches(rule *config.Rule, text, lower string) []string {
	if rule.Regex == nil || rule.SkipReport || !hasKeyword(rule, lower) {
		return nil
	}
	var all []string
	for _, m := range findAll(rule, text) {
		match, secret := text[m[0]:m[1]], capturedSecret(rule, text, m)
		if secret == "" || rule.Entropy > 0 && entropy(secret) <= rule.Entropy || isAllowed(rule, match, secret) {
			continue
		}
		all = append(all, secret)
	}
	return all
}

// rulesNearKeywords are rules whose keywords occur in nearly every text. They look for a
// value after a name that contains one of the keywords, so every match is near a keyword.
var rulesNearKeywords = []string{"generic-api-key", "hashicorp-tf-password"}

// The most bytes that such an expression matches before the beginning of a keyword, and after
// it up to the value.
const beforeKeyword, afterKeyword = 50, 400

// findAll returns what FindAllStringSubmatchIndex returns. That would try every letter of the
// text as the beginning of a name, at a hundred times the price of all other rules, so findAll
// searches only near the keywords of rulesNearKeywords.
func findAll(rule *config.Rule, text string) (all [][]int) {
	// (?i) folds other letters to k and s
	if !slices.Contains(rulesNearKeywords, rule.RuleID) || strings.ContainsAny(text, "\u212a\u017f") {
		return rule.Regex.FindAllStringSubmatchIndex(text, -1)
	}
	at := 0
	for _, part := range spansNear(rule.Keywords, text) {
		for at = max(at, part.start); at < part.end; {
			m := rule.Regex.FindStringSubmatchIndex(text[at:part.end])
			if m == nil {
				break
			}
			for i := range m {
				if m[i] >= 0 {
					m[i] += at
				}
			}
			all = append(all, m)
			at = m[1]
		}
	}
	return all
}

// spansNear returns the parts of the text around keywords, each up to the end of a value that
// begins in it. They are sorted and do not overlap.
func spansNear(keywords []string, text string) (spans []span) {
	lower := []byte(text)
	for i, c := range lower { // strings.ToLower could move letters to other offsets
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	for _, k := range keywords {
		k = strings.ToLower(k)
		for from := 0; ; {
			i := bytes.Index(lower[from:], []byte(k))
			if i < 0 {
				break
			}
			from += i
			end := min(len(text), from+afterKeyword)
			for end < len(text) && isValueByte(text[end-1]) {
				end++
			}
			spans = append(spans, span{start: max(0, from-beforeKeyword), end: min(len(text), end+4)})
			from += len(k)
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	merged := spans[:0]
	for _, p := range spans {
		if last := len(merged) - 1; last >= 0 && p.start <= merged[last].end {
			merged[last].end = max(merged[last].end, p.end)
			continue
		}
		merged = append(merged, p)
	}
	return merged
}

// isValueByte reports whether c can be part of a value.
func isValueByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("_.=-+/", c) >= 0
}

func hasKeyword(rule *config.Rule, lower string) bool {
	for _, k := range rule.Keywords {
		if strings.Contains(lower, strings.ToLower(k)) {
			return true
		}
	}
	return len(rule.Keywords) == 0
}

// capturedSecret returns the secret of a match: the group that the rule names,
// else the first group that is not empty, else the whole match.
func capturedSecret(rule *config.Rule, text string, m []int) string {
	if g := rule.SecretGroup; g > 0 && 2*g+1 < len(m) && m[2*g] >= 0 {
		return strings.TrimSpace(text[m[2*g]:m[2*g+1]])
	}
	for g := 2; g+1 < len(m); g += 2 {
		if m[g] >= 0 && m[g+1] > m[g] {
			return strings.TrimSpace(text[m[g]:m[g+1]])
		}
	}
	return strings.TrimSpace(text[m[0]:m[1]])
}

// isAllowed reports whether one of the rule's allowlists has the secret. Lists by
// path or commit are for repositories and do not apply here.
func isAllowed(rule *config.Rule, match, secret string) bool {
	for _, list := range rule.Allowlists {
		if len(list.Paths) > 0 || len(list.Commits) > 0 {
			continue
		}
		target := secret
		if list.RegexTarget != "" {
			target = match
		}
		if stop, _ := list.ContainsStopWord(secret); stop || list.RegexAllowed(target) {
			return true
		}
	}
	return false
}

// entropy returns Shannon's entropy in bits per character.
func entropy(text string) float64 {
	counts := map[rune]int{}
	for _, c := range text {
		counts[c]++
	}
	var bits float64
	for _, n := range counts {
		f := float64(n) / float64(len(text))
		bits -= f * math.Log2(f)
	}
	return bits
}

// placeholder replaces a token while the backstop searches: the digits of a token
// must not look like a secret, and offsets must not move.
const placeholder = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

func withoutTokens(text string) string { return token.ReplaceAllString(text, placeholder) }
