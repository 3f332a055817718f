// Package planted makes secrets of many kinds, each in a file of the format in
// which operators keep it. Tests plant them and require that no capture lets one
// through. The secrets are the same at each run.
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
	Text string // the contents of the file
	// Forbidden are the parts of the secret that must not occur anywhere else.
	Forbidden []string
}

// Variants is the number of secrets of each kind.
const Variants = 5

// All returns Variants secrets of every kind, the same at each call.
func All() []Secret {
	var all []Secret
	for _, k := range kinds {
		for i := range Variants {
			all = append(all, k.plant(i))
		}
	}
	return all
}

// kind is a template: the path and text of a file, with {N} for the number of the
// variant and {S} for the secret.
type kind struct {
	name, path, text string
	secret           func(g generator) string
}

func (k kind) plant(i int) Secret {
	g := generator{fmt.Sprintf("%s/%d", k.name, i)}
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

// generator makes text that depends only on the kind and the number of the variant.
type generator struct{ seed string }

func (g generator) hash(salt string) []byte {
	h := sha256.Sum256([]byte(g.seed + salt))
	return h[:]
}

func (g generator) hex(n int) string {
	return (hex.EncodeToString(g.hash("h")) + hex.EncodeToString(g.hash("i")))[:n]
}

func (g generator) base64(n int) string {
	return base64.StdEncoding.EncodeToString(append(g.hash("b"), g.hash("c")...))[:n]
}

const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"

func (g generator) alnum(n int) string {
	var b strings.Builder
	for i, c := range append(g.hash("a"), g.hash("d")...) {
		if i == n {
			break
		}
		b.WriteByte(alphabet[int(c)%len(alphabet)])
	}
	return b.String()
}

// words returns a password as people choose it: its entropy does not give it away.
func (g generator) words() string {
	list := []string{"sunshine", "dragon", "monkey", "football", "winter", "charlie", "ginger", "pepper", "orange", "silver", "trustno", "letmein"}
	s := g.hash("w")
	return list[int(s[0])%len(list)] + list[int(s[1])%len(list)] + fmt.Sprint(10+int(s[2])%90)
}

// anyPassword returns a password whose style depends on the number of the variant.
func (g generator) anyPassword() string {
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

func (g generator) pem() string {
	var b strings.Builder
	b.WriteString("-----BEGIN RSA PRIVATE KEY-----\n")
	for i := range 4 {
		b.WriteString(generator{g.seed + fmt.Sprint(i)}.base64(64) + "\n")
	}
	b.WriteString("-----END RSA PRIVATE KEY-----")
	return b.String()
}
