package capture

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/remote"
)

// sudoers(5) names a user by number with the sign of a comment.
func TestSudoRulesByNumber(t *testing.T) {
	p := newParser(Target{Host: remote.NewLocal("web1")}, answer{}, testOptions().Redactor)
	p.contents["/etc/sudoers"] = "# 1001 may do all\n#1001 ALL=(ALL) NOPASSWD: ALL\n#includedir /etc/sudoers.d\n"
	p.sudo()
	require.Equal(t, []inventory.Line{{File: "/etc/sudoers", Line: 2, Text: "#1001 ALL=(ALL) NOPASSWD: ALL"}}, p.host.Sudo)
}
