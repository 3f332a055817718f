package capture

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
)

// scriptsOf reads what a host says of the files that scripts make.
func scriptsOf(t *testing.T, text string, status int) scripts {
	t.Helper()
	p := newParser(Target{Host: remote.NewLocal("web1")}, answer{sections: map[string]section{"originals": {status: status, out: []byte(text)}}}, options().Redactor)
	return p.scripts()
}

// A file counts as made by scripts only where the host proves it: what cannot be
// told is captured.
func TestWhatScriptsMakeIsProven(t *testing.T) {
	sum, other := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	text := sum + "  /usr/share/base-files/motd\x00manual editor\nfile /etc/networks\nloopback\t127.0.0.0\nfile /etc/shells\n/bin/sh\nmanual is no choice here\n"
	whole, cut := scriptsOf(t, text, 0), scriptsOf(t, text, 124)
	for _, c := range []struct {
		name, kind, sum string
		whole, cut      bool
	}{
		{"/etc/motd", "file", sum, true, false},
		{"/etc/motd", "file", other, false, false},
		{"/etc/motd", "file", emptyFile, false, false},
		{"/etc/motd", "file", "", false, false},
		{"/etc/inputrc", "file", sum, false, false}, // its original is not there
		{"/etc/environment", "file", emptyFile, true, true},
		{"/etc/hosts.allow", "file", emptyFile, false, false},
		{"/etc/networks", "file", sum, true, false},
		{"/etc/shells", "file", sum, false, false},
		{"/etc/locale.gen", "file", sum, false, false}, // it could not be read
		{"/etc/mysql/my.cnf", "link", "", true, true},
		{"/etc/mysql/my.cnf", "file", sum, false, false},
		{"/etc/alternatives/pager", "link", "", true, true},
		{"/etc/alternatives/editor", "link", "", false, true},
		{"/etc/machine-id", "file", sum, true, true},
		{"/etc/skel/.vimrc", "file", sum, false, false},
	} {
		require.Equal(t, c.whole, whole.as(c.name, c.kind, c.sum), c)
		require.Equal(t, c.cut, cut.as(c.name, c.kind, c.sum), c)
	}
	require.Empty(t, scriptsOf(t, "", 0).said)
}
