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

// awkwardTexts are texts that a shell changes if they are not quoted correctly.
var awkwardTexts = []string{
	"", " ", "\t", "\n", "\r\n", "a\nb\n", "'", "''", "'\\''", `\`, `\\`, `\'`, `"`, `"'"`, "`id`", "$(id)", "${HOME}", "$HOME", "$$", "!!", "*", "?", "[a-z]",
	"~", "~root", "#", "-n", "-e", "--", "a;b", "a&&b", "a|b", "a>b", "<a", "(a)", "{a,b}", "=", "a=b", "%s", "%", "\x01", "\x1b[31m", "\x7f", "\xff\xfe", "é", "日本", "\u2028",
	"' ; touch /tmp/owned ; '", "'\n'", strings.Repeat("'", 1000), "a'b'c", "/var/lib/my sql/it's", `C:\dir`, "EOF", "\n#migrate-end-of-script",
}

// shellWords returns the words that a real sh reads from a command line.
func shellWords(t require.TestingT, line string) []string {
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
	for _, text := range awkwardTexts {
		t.Run(text, func(t *testing.T) { require.Equal(t, []string{text}, shellWords(t, remote.Quote(text))) })
	}
}

func TestQuoteStandsInsideAWord(t *testing.T) {
	for _, text := range awkwardTexts {
		require.Equal(t, []string{"/etc/" + text + ".d"}, shellWords(t, "/etc/"+remote.Quote(text)+".d"))
	}
}

func TestQuoteAllKeepsWordsApart(t *testing.T) {
	require.Equal(t, awkwardTexts, shellWords(t, remote.QuoteAll(awkwardTexts)))
	require.Empty(t, remote.QuoteAll(nil))
	require.Equal(t, "'a' 'b c'", remote.QuoteAll([]string{"a", "b c"}))
}

// A script that runs on a host sees the same words.
func TestQuotedWordsArriveAtAHost(t *testing.T) {
	var out bytes.Buffer
	host := remote.NewLocal("here")
	require.NoError(t, host.Run(t.Context(), `for word in `+remote.QuoteAll(awkwardTexts)+`; do printf '%s\0' "$word"; done`, nil, &out))
	require.Equal(t, strings.Join(awkwardTexts, "\x00")+"\x00", out.String())
}

func TestAnyTextSurvivesTheShell(t *testing.T) {
	text := rapid.StringOf(rapid.OneOf(rapid.RuneFrom([]rune("'\"\\$`\n !*~#;&|")), rapid.Rune()))
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Map(text, func(s string) string { return strings.ReplaceAll(s, "\x00", "") }), 1, 20).Draw(t, "words")
		require.Equal(t, want, shellWords(t, remote.QuoteAll(want)))
	})
}
