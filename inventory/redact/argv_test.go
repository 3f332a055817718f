package redact

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A data source name of Go's MySQL driver is not a URL, and has a rule of its own.
func TestPasswordInGoDSN(t *testing.T) {
	r := New([]byte("key"))
	for text, secret := range map[string]string{
		"BLOG_DSN=blog:c0ffee1234567890@tcp(10.0.0.1:3306)/blog\nBLOG_LISTEN=127.0.0.1:8080\n": "c0ffee1234567890",
		"BLOG_DSN=\"blog:Zq-9_x@tcp(10.0.0.1:3306)/blog\"\n":                                   "Zq-9_x",
		"dsn: 'u:p@ss/word@unix(/run/mysqld/mysqld.sock)/db'\n":                                "p@ss/word",
		"ExecStart=/opt/app --dsn root:hunter@cloudsql(project:zone)/db\n":                     "hunter",
	} {
		out, found := r.File("/etc/blog/env", text)
		require.NotContains(t, out, secret)
		require.NotEmpty(t, found, text)
		require.Contains(t, out, ")/", "the address stays")
	}
}
