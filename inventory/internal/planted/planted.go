// Package planted makes secrets of many kinds in the files that operators keep
// them in: what a capture must not let through.
package planted

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// Secret is one secret in one file.
type Secret struct {
	Kind string
	Path string
	Text string // of the file
	// Forbidden is what must occur nowhere else.
	Forbidden []string
}

// Variants is how many secrets there are of each kind.
const Variants = 5

// All returns Variants secrets of every kind, the same ones each time.
func All() []Secret {
	var all []Secret
	for _, k := range kinds {
		for i := range Variants {
			all = append(all, k.make(i))
		}
	}
	return all
}

// kind is a template: the path and text of a file, with %s for the variant's
// number and {S} for the secret.
type kind struct {
	name, path, text string
	secret           func(g gen) string
}

func (k kind) make(i int) Secret {
	g := gen{fmt.Sprintf("%s/%d", k.name, i)}
	secret := k.secret(g)
	s := Secret{
		Kind: k.name,
		Path: strings.ReplaceAll(k.path, "{N}", fmt.Sprint(i)),
		Text: strings.NewReplacer("{S}", secret, "{N}", fmt.Sprint(i)).Replace(k.text),
	}
	for _, line := range strings.Split(secret, "\n") {
		if len(line) > 5 && !strings.HasPrefix(line, "-----") {
			s.Forbidden = append(s.Forbidden, line)
		}
	}
	return s
}

// gen makes text that is the same for the same kind and number.
type gen struct{ seed string }

func (g gen) sum(salt string) []byte {
	h := sha256.Sum256([]byte(g.seed + salt))
	return h[:]
}

func (g gen) hex(n int) string {
	return (hex.EncodeToString(g.sum("h")) + hex.EncodeToString(g.sum("i")))[:n]
}

func (g gen) base64(n int) string {
	return base64.StdEncoding.EncodeToString(append(g.sum("b"), g.sum("c")...))[:n]
}

const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"

func (g gen) alnum(n int) string {
	var b strings.Builder
	for i, c := range append(g.sum("a"), g.sum("d")...) {
		if i == n {
			break
		}
		b.WriteByte(alphabet[int(c)%len(alphabet)])
	}
	return b.String()
}

// words are the passwords that people choose: no entropy would give them away.
func (g gen) words() string {
	list := []string{"sunshine", "dragon", "monkey", "football", "winter", "charlie", "ginger", "pepper", "orange", "silver", "trustno", "letmein"}
	s := g.sum("w")
	return list[int(s[0])%len(list)] + list[int(s[1])%len(list)] + fmt.Sprint(10+int(s[2])%90)
}

// any takes turns with the sorts of passwords.
func (g gen) any() string {
	switch g.seed[len(g.seed)-1] {
	case '0':
		return g.words()
	case '1':
		return g.alnum(12)
	case '2':
		return g.words() + "!"
	case '3':
		return g.hex(24)
	}
	return g.alnum(9) + "%" + g.alnum(4)
}

func (g gen) pem() string {
	var b strings.Builder
	b.WriteString("-----BEGIN RSA PRIVATE KEY-----\n")
	for i := range 4 {
		b.WriteString(gen{g.seed + fmt.Sprint(i)}.base64(64) + "\n")
	}
	b.WriteString("-----END RSA PRIVATE KEY-----")
	return b.String()
}
