package remote

import "strings"

// Quote returns text quoted as one word of a POSIX shell's command line. Every
// character is safe except NUL: a word of a shell cannot hold one, and the shell
// drops it.
func Quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// QuoteAll quotes each of the words and joins them with spaces.
func QuoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = Quote(word)
	}
	return strings.Join(quoted, " ")
}
