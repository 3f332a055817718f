package capture

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/remote"
)

// A rule of sudoers(5) that names a user by number is kept, although it begins like a
// comment.
func TestSudoRulesByNumber(t *testing.T) {
	p := newParser(Target{Host: remote.NewLocal("web1")}, answer{}, testOptions().Redactor)
	p.contents["/etc/sudoers"] = "# 1001 may do all\n#1001 ALL=(ALL) NOPASSWD: ALL\n#includedir /etc/sudoers.d\n"
	p.sudo()
	require.Equal(t, []inventory.Line{{File: "/etc/sudoers", Line: 2, Text: "#1001 ALL=(ALL) NOPASSWD: ALL"}}, p.host.Sudo)
}
