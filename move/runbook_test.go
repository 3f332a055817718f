package move

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/config"
)

// What is done by hand is what the rollback's steps do, in their order.
func TestTheRunbookGoesBackByHandInBothWays(t *testing.T) {
	for way, order := range map[string][]string{
		config.WayFence: {"ls /run/migrate", "read_only = 1", "note its position", "MASTER_GTID_WAIT", "rm -f /etc/mysql/*/zz-migrate-fence.cnf", "ALTER EVENT", "Then DNS", "| 192.0.2.10 | 203.0.113.7 |", "## The end"},
		config.WayDual: {
			"event_scheduler = OFF", "rm -f /etc/mysql/*/zz-migrate-fence.cnf", "RESET PERSIST IF EXISTS super_read_only; RESET PERSIST IF EXISTS read_only;", "ALTER EVENT", "Then DNS", "| 192.0.2.10 | 203.0.113.7 |",
			"no application is connected", "read_only = 1", "SET PERSIST super_read_only = 1", "note its position", "WAIT_FOR_EXECUTED_GTID_SET", "may differ", "## The end",
		},
	} {
		var b strings.Builder
		require.NoError(t, runbookTemplate.Execute(&b, runbook{
			Site: "blog", Way: way, Price: prices[way], TTL: time.Minute, Budget: 10 * time.Second,
			Databases: []runbookDatabase{{"main", "db1", "192.0.2.11", "203.0.113.8"}},
			Records:   []runbookRecord{{"blog.test", "www.blog.test", "A", "192.0.2.10", "203.0.113.7"}},
		}))
		_, rest, ok := strings.Cut(b.String(), "The same by hand")
		require.True(t, ok)
		for _, text := range order {
			before, after, ok := strings.Cut(rest, text)
			require.True(t, ok, "%s: %q is missing, or too early, in:\n%s", way, text, rest)
			require.NotContains(t, before, "{{")
			rest = after
		}
		require.NotContains(t, b.String(), "\n\n\n")
	}
}
