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

// backstop is gitleaks' own rules for the tokens of hundreds of vendors. Its
// engine is left out: it also unpacks archives and reads git, which costs 3 MB
// of the binary. The rules are compiled when they are first used, in 60 ms.
var backstop = sync.OnceValues(func() ([]config.Rule, error) {
	v := viper.New() // not the one that all share
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

// Ready reports whether the backstop can work.
func Ready() error {
	_, err := backstop()
	return err
}

// scanned replaces what the backstop finds in text.
func (r *Redactor) scanned(text string) (string, []Finding) {
	rules, err := backstop()
	if err != nil || strings.TrimSpace(text) == "" {
		return text, nil // its rules are built in: Ready reports that they do not load
	}
	looked := withoutTokens(text)
	lower := strings.ToLower(looked)
	var found []Finding
	for i := range rules {
		for _, secret := range matches(&rules[i], looked, lower) {
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

// matches returns the secrets that a rule finds: where one of its keywords
// stands, its expression matches, and what it caught is random enough and not
// on a list of exceptions.
func matches(rule *config.Rule, text, lower string) []string {
	if rule.Regex == nil || rule.SkipReport || !hasKeyword(rule, lower) {
		return nil
	}
	var all []string
	for _, m := range findAll(rule, text) {
		match, secret := text[m[0]:m[1]], caught(rule, text, m)
		if secret == "" || rule.Entropy > 0 && entropy(secret) <= rule.Entropy || excepted(rule, match, secret) {
			continue
		}
		all = append(all, secret)
	}
	return all
}

// nearKeywords are the rules that find something in nearly every text. They look for a value
// behind a name that holds one of their keywords: all that they match is near one.
var nearKeywords = []string{"generic-api-key", "hashicorp-tf-password"}

// What such an expression matches at most before a keyword's beginning, and behind it without
// the end of the value.
const beforeKeyword, behindKeyword = 50, 400

// findAll is FindAllStringSubmatchIndex. Where that would try every letter of the text as the
// beginning of a name, a hundred times the price of all other rules, it looks near the keywords only.
func findAll(rule *config.Rule, text string) (all [][]int) {
	// (?i) knows other letters for k and s
	if !slices.Contains(nearKeywords, rule.RuleID) || strings.ContainsAny(text, "\u212a\u017f") {
		return rule.Regex.FindAllStringSubmatchIndex(text, -1)
	}
	at := 0
	for _, part := range near(rule.Keywords, text) {
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

// near are the parts of the text around keywords, each up to the end of a value that
// begins in it, in order and apart from each other.
func near(keywords []string, text string) (parts []span) {
	lower := []byte(text)
	for i, c := range lower { // every letter stays where it is, as it would not by strings.ToLower
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
			end := min(len(text), from+behindKeyword)
			for end < len(text) && ofValue(text[end-1]) {
				end++
			}
			parts = append(parts, span{start: max(0, from-beforeKeyword), end: min(len(text), end+4)})
			from += len(k)
		}
	}
	slices.SortFunc(parts, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	whole := parts[:0]
	for _, p := range parts {
		if last := len(whole) - 1; last >= 0 && p.start <= whole[last].end {
			whole[last].end = max(whole[last].end, p.end)
			continue
		}
		whole = append(whole, p)
	}
	return whole
}

// ofValue reports whether a value may hold c.
func ofValue(c byte) bool {
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

// caught is the rule's group of a match: the one that it names, else the first
// that is not empty, else all.
func caught(rule *config.Rule, text string, m []int) string {
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

// excepted reports whether one of the rule's own exceptions holds. Exceptions
// by path or commit are for repositories, and do not hold here.
func excepted(rule *config.Rule, match, secret string) bool {
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

// entropy is Shannon's, in bits a character.
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

// placeholder stands for a token while the backstop looks: a token's own digits
// must not look like a secret, and lengths stay as they are.
const placeholder = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

func withoutTokens(text string) string { return token.ReplaceAllString(text, placeholder) }
