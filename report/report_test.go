package report

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNoteDrivesNoTerminal(t *testing.T) {
	for said, want := range map[string]string{
		"plain, `quoted` \"text\" \\ ünïcode": "plain, `quoted` \"text\" \\ ünïcode",
		"a\nb\n":                              "a; b",
		"\x1b[2Kgone\r\x07":                   `\x1b[2Kgone\r\a`,
		"tab\tand \xff\u202e":                 `tab\tand \xff\u202e`,
	} {
		var got string
		Note(WithNotes(context.Background(), func(text string) { got = text }), "%s", said)
		require.Equal(t, want, got)
	}
}
