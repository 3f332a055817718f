package statement

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzRead reads any text in any character set and mode: it ends, and what is recognised
// names only what stands in the text.
func FuzzRead(f *testing.F) {
	for _, s := range slices.Concat(both, mariaDB) {
		f.Add(s.text, "utf8mb4", uint64(0))
		f.Add(s.text, "gbk", uint64(modeANSIQuotes))
	}
	f.Add("TRUNCATE [a]]b]", "latin1", uint64(modeMSSQL))
	f.Fuzz(func(t *testing.T, text, charset string, mode uint64) {
		for _, own := range []bool{false, true} {
			effects := Read(Logged{Text: text, Charset: charset, Mode: mode, Runs: runs(own)})
			require.NotEmpty(t, effects)
			for _, e := range effects {
				require.False(t, e.Unknown && len(e.Tables) > 0, "an unknown statement is told by what it names")
				for _, c := range e.Tables {
					if isASCII(c.Table.Name) {
						plain := strings.NewReplacer("`", "", `"`, "", "]", "").Replace
						require.Contains(t, plain(text), plain(c.Table.Name))
					}
				}
			}
		}
	})
}

// FuzzSpelling writes statements that change the table orders in ways that mean the same
// to a server: each makes it dirty.
func FuzzSpelling(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed, uint8(seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, which uint8) {
		random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test's
		ansi := random.IntN(2) == 0
		mode := uint64(0)
		if ansi {
			mode = modeANSIQuotes
		}
		folded := random.IntN(2) == 0
		text := respell(random, changing[int(which)%len(changing)], ansi, folded)
		dirty := false
		for _, e := range Read(Logged{Text: text, Schema: "shop", Charset: "utf8mb4", Mode: mode, Runs: runs(true)}) {
			same := func(name string) bool { return Names{Folded: folded}.Same(name, "orders") }
			dirty = dirty || e.Unknown && slices.ContainsFunc(e.Mentions, same) ||
				slices.ContainsFunc(e.Tables, func(c TableChange) bool { return c.Change != Ensured && same(c.Table.Name) })
		}
		require.True(t, dirty, "%q", text)
	})
}

// changing are statements that change orders, as lists of words.
var changing = []string{
	"TRUNCATE orders", "TRUNCATE TABLE shop . orders", "DROP TABLE IF EXISTS tiny , orders", "RENAME TABLE tiny TO x , orders TO y",
	"RENAME TABLE new TO orders", "ALTER TABLE orders FORCE", "ALTER TABLE tiny RENAME TO orders", "ALTER TABLE tiny EXCHANGE PARTITION p WITH TABLE orders",
	"CREATE OR REPLACE TABLE orders ( a INT )", "CREATE INDEX i ON orders ( a )", "DROP INDEX i ON shop . orders", "REPAIR TABLE tiny , orders",
	"SET STATEMENT max_statement_time = 1 FOR TRUNCATE orders", "ALTER TABLE tiny CONVERT TABLE orders TO PARTITION p VALUES LESS THAN ( 1 )",
	"TRUNCATE orders NONSENSE", "ALTER TABLE orders IMPORT TABLESPACE", "CREATE TABLE orders LIKE tiny",
}

func respell(random *rand.Rand, text string, ansi, folded bool) string {
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	anyCase := func(w string) string {
		return strings.Map(func(r rune) rune {
			if random.IntN(2) == 0 {
				return []rune(strings.ToUpper(string(r)))[0]
			}
			return r
		}, strings.ToLower(w))
	}
	space := func() string {
		return pick(" ", "\n\t", "/**/", "/* orders */", " -- `x\n", " # it's\n", "/*!999999 x */", "/*!99998 x */", "/*M!999999 x */")
	}
	inside := false
	var out strings.Builder
	for _, w := range strings.Fields(text) {
		out.WriteString(space())
		if random.IntN(6) == 0 {
			if !inside {
				out.WriteString(pick("/*!", "/*!50000", "/*!50101 ", "/*M!", "/*M!100100"))
				out.WriteString(" ")
			} else {
				out.WriteString("*/")
			}
			inside = !inside
		}
		switch {
		case slices.Contains([]string{"orders", "tiny", "shop", "new"}, w):
			if folded && w == "orders" {
				w = anyCase(w)
			}
			if quoted := pick("", "`", `"`); quoted != "" && (quoted == "`" || ansi) {
				w = quoted + w + quoted
			}
		case w != strings.ToLower(w):
			w = anyCase(w)
		}
		out.WriteString(w)
	}
	if inside {
		out.WriteString(space() + "*/")
	}
	return out.String() + space()
}
