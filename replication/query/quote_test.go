package query

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQuote(t *testing.T) {
	require.Equal(t, "`a``b`", Quote("a`b"))
	require.Equal(t, "`s`.`t`", QuoteTable("s", "t"))
	require.Equal(t, `'a\'b\\c\0'`, Literal("a'b\\c\x00"))
}
