package inventory

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrintable(t *testing.T) {
	require.Equal(t, `a\x1b[31m"b\ c\n`, Printable("a\x1b[31m\"b\\ c\n"))
}
