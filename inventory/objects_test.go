package inventory

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestObjects(t *testing.T) {
	o := NewObjects(filepath.Join(t.TempDir(), "objects"))
	name, err := o.Put([]byte("a"))
	require.NoError(t, err)
	again, err := o.Put([]byte("a"))
	require.NoError(t, err)
	require.Equal(t, name, again)
	text, err := o.Get(name)
	require.NoError(t, err)
	require.Equal(t, "a", string(text))
	require.NoError(t, writeFile(filepath.Join(o.dir, name[:2]), name, []byte("b")))
	_, err = o.Get(name)
	require.ErrorIs(t, err, errChanged)
	_, err = o.Get("../../etc/passwd")
	require.ErrorContains(t, err, "no name")
}
