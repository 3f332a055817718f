package phrase_test

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dcmigrate/migrate/phrase"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0:                   "0 B",
		1:                   "1 B",
		-1:                  "-1 B",
		1023:                "1023 B",
		1024:                "1.0 KiB",
		-1024:               "-1.0 KiB",
		1536:                "1.5 KiB",
		1023<<10 + 972:      "1023.9 KiB",
		1<<20 - 1:           "1.0 MiB", // not 1024.0 KiB
		1 << 20:             "1.0 MiB",
		50e6:                "47.7 MiB",
		128 << 20:           "128.0 MiB",
		3 << 29:             "1.5 GiB",
		1<<30 - 1:           "1.0 GiB",
		504 << 30:           "504.0 GiB",
		1 << 40:             "1.0 TiB",
		1 << 50:             "1.0 PiB",
		math.MaxInt64:       "8.0 EiB",
		math.MinInt64:       "-8.0 EiB",
		5<<60 + 1<<59 + 100: "5.5 EiB",
	} {
		t.Run(want, func(t *testing.T) { require.Equal(t, want, phrase.Bytes(n)) })
	}
}

func TestSizeHasThreeDigits(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "0.98 KiB", 1382: "1.35 KiB", 104806400 << 10: "100.0 GiB",
		3 << 29: "1.50 GiB", 62 << 30: "62.0 GiB", 504 << 30: "504 GiB", 1 << 40: "1.00 TiB",
	} {
		require.Equal(t, want, phrase.Size(n))
	}
}

// TestBytesCanBeReadBack: the text is within half a unit of its last digit of the number.
func TestBytesCanBeReadBack(t *testing.T) {
	units := map[string]float64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "PiB": 1 << 50, "EiB": 1 << 60}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64().Draw(t, "n") >> rapid.IntRange(0, 62).Draw(t, "shift")
		text := phrase.Bytes(n)
		number, unit, found := strings.Cut(text, " ")
		require.True(t, found, text)
		value, err := strconv.ParseFloat(number, 64)
		require.NoError(t, err)
		require.Contains(t, units, unit)
		require.Less(t, math.Abs(value), 1024.0, text)
		require.InDelta(t, float64(n), value*units[unit], 0.0501*units[unit], text)
	})
}

func TestFirstOf(t *testing.T) {
	for _, c := range []struct {
		n     int
		items []string
		want  string
	}{
		{3, nil, ""},
		{3, []string{"a"}, "a"},
		{3, []string{"a", "b", "c"}, "a, b, c"},
		{3, []string{"a", "b", "c", "d"}, "a, b, c and 1 more"},
		{1, []string{"a", "b", "c", "d"}, "a and 3 more"},
	} {
		t.Run(c.want, func(t *testing.T) {
			given := slices.Clone(c.items)
			require.Equal(t, c.want, phrase.FirstOf(c.n, c.items))
			require.Equal(t, given, c.items)
		})
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"fits", "abcd", "abcd"},
		{"too long", "abcde", "abc…"},
		{"letters, not bytes", "äöüß", "äöüß"},
		{"letters of many bytes", "äöüß€", "äöü…"},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, phrase.Cut(c.text, 4)) })
	}
	require.Equal(t, "…", phrase.Cut("ab", 1))
}

func TestOneLine(t *testing.T) {
	require.Equal(t, "error 1: two lines", phrase.OneLine("  error 1:\n\ttwo  lines\n"))
}
