package redact

import (
	"fmt"
	"math"
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
	for _, m := range rule.Regex.FindAllStringSubmatchIndex(text, -1) {
		match, secret := text[m[0]:m[1]], caught(rule, text, m)
		if secret == "" || rule.Entropy > 0 && entropy(secret) <= rule.Entropy || excepted(rule, match, secret) {
			continue
		}
		all = append(all, secret)
	}
	return all
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
