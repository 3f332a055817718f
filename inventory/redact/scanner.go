package redact

import (
	"strings"
	"sync"

	"github.com/zricethezav/gitleaks/v8/detect"
)

// backstop is gitleaks' own rules for the tokens of hundreds of vendors. It is
// made when it is first used, which takes 60 ms.
var backstop = sync.OnceValues(detect.NewDetectorDefaultConfig)

// detecting guards the backstop, which counts as it goes.
var detecting sync.Mutex

// scanned replaces what the backstop finds in text.
func (r *Redactor) scanned(text string) (string, []Finding) {
	detector, err := backstop()
	if err != nil || strings.TrimSpace(text) == "" {
		return text, nil // its rules are built in: Ready reports that they do not load
	}
	detecting.Lock()
	findings := detector.DetectString(withoutTokens(text))
	detecting.Unlock()
	var found []Finding
	for _, f := range findings {
		secret := strings.TrimSpace(f.Secret)
		at := strings.Index(text, secret)
		if secret == "" || at < 0 || strings.Contains(secret, prefix) || strings.Contains(secret, placeholder) || harmless("key", secret, false) {
			continue
		}
		t := r.remember(secret)
		found = append(found, Finding{Line: 1 + strings.Count(text[:at], "\n"), Kind: f.RuleID, Token: t})
		text = strings.ReplaceAll(text, secret, t)
	}
	return text, found
}

// Ready reports whether the backstop can work.
func Ready() error {
	_, err := backstop()
	return err
}

// placeholder stands for a token while the backstop looks: a token's own digits
// must not look like a secret, and lengths stay as they are.
const placeholder = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

func withoutTokens(text string) string { return token.ReplaceAllString(text, placeholder) }
