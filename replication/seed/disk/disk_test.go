package disk

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
)

func TestWhatServersSayOfAFullDisk(t *testing.T) {
	for text, full := range map[string]bool{
		"Error writing file '/x' (Errcode: 28 \"No space left on device\")": true,
		"Got error 28 from storage engine; errno: 28":                       true,
		"The table 't' is full":                                             false, // only its number says so
		"Deadlock found":                                                    false,
	} {
		require.Equal(t, full, isFull(errorText(text)), text)
	}
	d := disk{dir: "/"}
	require.NoError(t, d.ask(t.Context(), replication.NewServer(replication.ServerConfig{Name: "here", Host: remote.NewLocal("here")})))
	require.NotEmpty(t, d.mount)
	require.Positive(t, d.free)
}

type errorText string

func (e errorText) Error() string { return string(e) }
