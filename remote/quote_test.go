package remote_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dcmigrate/migrate/remote"
)

// nasty are texts that a shell would change if they were not quoted well.
var nasty = []string{
	"", " ", "\t", "\n", "\r\n", "a\nb\n", "'", "''", "'\\''", `\`, `\\`, `\'`, `"`, `"'"`, "`id`", "$(id)", "${HOME}", "$HOME", "$$", "!!", "*", "?", "[a-z]",
	"~", "~root", "#", "-n", "-e", "--", "a;b", "a&&b", "a|b", "a>b", "<a", "(a)", "{a,b}", "=", "a=b", "%s", "%", "\x01", "\x1b[31m", "\x7f", "\xff\xfe", "é", "日本", "\u2028",
	"' ; touch /tmp/owned ; '", "'\n'", strings.Repeat("'", 1000), "a'b'c", "/var/lib/my sql/it's", `C:\dir`, "EOF", "\n#migrate-end-of-script",
}

// words returns the arguments that a real sh takes from a command line.
func words(t require.TestingT, line string) []string {
	cmd := exec.Command("sh", "-c", `for word in `+line+`; do printf '%s\0' "$word"; done`)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	require.Empty(t, stderr.String())
	if len(out) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

func TestQuoteIsOneWordOfTheShell(t *testing.T) {
	for _, text := range nasty {
		t.Run(text, func(t *testing.T) { require.Equal(t, []string{text}, words(t, remote.Quote(text))) })
	}
}

func TestQuoteStandsInsideAWord(t *testing.T) {
	for _, text := range nasty {
		require.Equal(t, []string{"/etc/" + text + ".d"}, words(t, "/etc/"+remote.Quote(text)+".d"))
	}
}

func TestQuoteAllKeepsWordsApart(t *testing.T) {
	require.Equal(t, nasty, words(t, remote.QuoteAll(nasty)))
	require.Empty(t, remote.QuoteAll(nil))
	require.Equal(t, "'a' 'b c'", remote.QuoteAll([]string{"a", "b c"}))
}

// TestQuotedWordsArriveAtAHost: a script on a host sees the same words.
func TestQuotedWordsArriveAtAHost(t *testing.T) {
	var out bytes.Buffer
	host := remote.NewLocal("here")
	require.NoError(t, host.Run(t.Context(), `for word in `+remote.QuoteAll(nasty)+`; do printf '%s\0' "$word"; done`, nil, &out))
	require.Equal(t, strings.Join(nasty, "\x00")+"\x00", out.String())
}

func TestAnyTextSurvivesTheShell(t *testing.T) {
	text := rapid.StringOf(rapid.OneOf(rapid.RuneFrom([]rune("'\"\\$`\n !*~#;&|")), rapid.Rune()))
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Map(text, func(s string) string { return strings.ReplaceAll(s, "\x00", "") }), 1, 20).Draw(t, "words")
		require.Equal(t, want, words(t, remote.QuoteAll(want)))
	})
}
