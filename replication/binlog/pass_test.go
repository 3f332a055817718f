package binlog

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFirstWordOfAStatement(t *testing.T) {
	for text, want := range map[string]string{
		"insert into t": "INSERT", " /* a */ /* b */ Alter TABLE t": "ALTER", "COMMIT": "COMMIT", "update(t)": "UPDATE",
		"/* never ends": "", "": "", "BEGIN;": "BEGIN",
	} {
		require.Equal(t, want, FirstWord(text), text)
	}
}
