package address_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dcmigrate/migrate/address"
)

func BenchmarkRewrite(b *testing.B) {
	to := map[string]string{}
	for i := range 500 {
		to[fmt.Sprintf("10.1.%d.%d", i/250, i%250)] = "10.9.9.9"
		to[fmt.Sprintf("2001:db8::%x", i+1)] = ""
	}
	r := address.NewRewriter(to)
	for name, text := range map[string]string{
		"configuration": strings.Repeat("server { listen 80; allow 10.1.0.7; # some words about the beef at 12:30:45\n  proxy_pass http://backend; }\n", 2000),
		"one line":      strings.Repeat("10.1.0.7,", 20000),
		"other text":    strings.Repeat("The quick brown fox jumps over 13 lazy dogs: 7.5% of them.\n", 4000),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				r.Rewrite(text)
			}
		})
	}
}
