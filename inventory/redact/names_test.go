package redact

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The fast check agrees with the expression on any text.
func TestIsSuspiciousAgreesWithExpression(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	parts := append(strings.Fields(suspicious.String()), suspiciousWords...)
	parts = append(parts, suspiciousParts...)
	parts = append(parts, strings.Split("(?i) pas pw pwd. pw_ pin pin. ping a@b( @x( $6$ $$ *"+strings.Repeat("0f", 20)+" *12 {A-1} {} {é} \xff ſ K basİc paſs \u212aey toKen PASS Us er md5 md 5 :/ :// / - -P -é x y 0 _ é \x00 \n", " ")...)
	yes := 0
	for range 200_000 {
		var b strings.Builder
		for range random.IntN(4) {
			part := parts[random.IntN(len(parts))]
			if random.IntN(4) == 0 && part != "" {
				cut := random.IntN(len(part))
				part = part[cut:]
			}
			b.WriteString(part)
		}
		text := b.String()
		want := suspicious.MatchString(text)
		if want {
			yes++
		}
		require.Equal(t, want, isSuspicious(text), "%q", text)
	}
	require.Greater(t, yes, 20_000)
	require.Less(t, yes, 180_000)
}
