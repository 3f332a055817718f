package move

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/move/way"
)

// By hand an operator does what the rollback's steps do, in their order.
func TestTheRunbookGoesBackByHandInBothWays(t *testing.T) {
	for name, order := range map[string][]string{
		"fence": {"ls /run/migrate", "read_only = 1", "note its position", "MASTER_GTID_WAIT", "rm -f /etc/mysql/*/zz-migrate-fence.cnf", "ALTER EVENT", "Then DNS", "| 192.0.2.10 | 203.0.113.7 |", "## The end"},
		"dual": {
			"event_scheduler = OFF", "rm -f /etc/mysql/*/zz-migrate-fence.cnf", "RESET PERSIST IF EXISTS super_read_only; RESET PERSIST IF EXISTS read_only;", "ALTER EVENT", "Then DNS", "| 192.0.2.10 | 203.0.113.7 |",
			"no application is connected", "read_only = 1", "SET PERSIST super_read_only = 1", "note its position", "WAIT_FOR_EXECUTED_GTID_SET", "may differ", "## The end",
		},
	} {
		w, ok := way.All().Named(name)
		require.True(t, ok)
		text, err := templateOf(w.Traits())
		require.NoError(t, err)
		var b strings.Builder
		require.NoError(t, text.Execute(&b, runbook{
			Site: "blog", Way: name, Price: w.Traits().Price(), TTL: time.Minute, Budget: 10 * time.Second,
			Databases: []runbookDatabase{{"main", "db1", "192.0.2.11", "203.0.113.8"}},
			Records:   []runbookRecord{{"blog.test", "www.blog.test", "A", "192.0.2.10", "203.0.113.7"}},
		}))
		_, rest, ok := strings.Cut(b.String(), "The same by hand")
		require.True(t, ok)
		for _, text := range order {
			before, after, ok := strings.Cut(rest, text)
			require.True(t, ok, "%s: %q is missing, or too early, in:\n%s", name, text, rest)
			require.NotContains(t, before, "{{")
			rest = after
		}
		require.NotContains(t, b.String(), "\n\n\n")
	}
}
