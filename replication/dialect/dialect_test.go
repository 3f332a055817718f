package dialect

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// dialectOf returns the dialect of a server that reports the version.
func dialectOf(t *testing.T, version string) *Dialect {
	t.Helper()
	d, err := ParseVersion(version, "")
	require.NoError(t, err)
	return d
}

func TestParseVersion(t *testing.T) {
	for _, tt := range []struct{ version, comment, want string }{
		{"10.11.19-MariaDB-0+deb12u1", "Debian 12", "MariaDB 10.11.19"},
		{"5.5.5-10.6.4-MariaDB-log", "", "MariaDB 10.6.4"},
		{"11.8.2", "mariadb.org binary distribution", "MariaDB 11.8.2"},
		{"8.0.36", "MySQL Community Server - GPL", "MySQL 8.0.36"},
		{"9.7.0-1", "(Debian)", "MySQL 9.7.0"},
	} {
		d, err := ParseVersion(tt.version, tt.comment)
		require.NoError(t, err)
		require.Equal(t, tt.want, d.String())
	}
	_, err := ParseVersion("mine", "")
	require.Error(t, err)
}

// TestDialectAtTheBordersOfVersions has each difference between versions begin where the
// manuals say. The other tests' servers have one version of each flavor.
func TestDialectAtTheBordersOfVersions(t *testing.T) {
	cascades := map[string]string{"innodb_native_foreign_keys": "OFF"}
	for name, tt := range map[string]struct {
		before, from string // two versions
		ask          func(*Dialect) any
		old, now     any
	}{
		"supported MariaDB":   {"10.5.29-MariaDB", "10.6.0-MariaDB", func(d *Dialect) any { return d.Supported() == nil }, false, true},
		"supported MySQL":     {"8.0.22", "8.0.23", func(d *Dialect) any { return d.Supported() == nil }, false, true},
		"fence bypass":        {"10.10.9-MariaDB", "10.11.0-MariaDB", func(d *Dialect) any { return d.FenceBypass() }, []string{"READ_ONLY ADMIN", "SUPER"}, []string{"READ_ONLY ADMIN"}},
		"binlog admin":        {"10.10.9-MariaDB", "10.11.0-MariaDB", func(d *Dialect) any { return d.BinlogBypass() }, []string{"BINLOG ADMIN", "SUPER"}, []string{"BINLOG ADMIN"}},
		"history":             {"10.10.9-MariaDB", "10.11.0-MariaDB", func(d *Dialect) any { return d.CopiesHistory() }, false, true},
		"CRC32C":              {"10.7.8-MariaDB", "10.8.0-MariaDB", func(d *Dialect) any { return d.HasCRC32C() }, false, true},
		"own CRC32C":          {"9.7.0", "11.8.0-MariaDB", func(d *Dialect) any { return d.HasCRC32C() }, false, true},
		"binlog status":       {"8.1.0", "8.2.0", func(d *Dialect) any { return d.BinlogStatus() }, "SHOW MASTER STATUS", "SHOW BINARY LOG STATUS"},
		"reset":               {"8.1.0", "8.2.0", func(d *Dialect) any { return d.ResetBinlog() }, "RESET MASTER", "RESET BINARY LOGS AND GTIDS"},
		"replicas":            {"10.11.6-MariaDB", "8.0.23", func(d *Dialect) any { return d.ListReplicas() }, "SHOW SLAVE HOSTS", "SHOW REPLICAS"},
		"start of a replica":  {"8.0.25", "8.0.26", func(d *Dialect) any { return d.skipReplicaStart() }, "skip_slave_start", "skip_replica_start"},
		"logs replicated":     {"8.0.25", "8.0.26", func(d *Dialect) any { return d.LogsReplicated() }, "log_slave_updates", "log_replica_updates"},
		"passive event":       {"8.3.0", "8.4.0", func(d *Dialect) any { return d.PassiveEvent("ENABLE") }, "DISABLE ON SLAVE", "DISABLE ON REPLICA"},
		"disabled event":      {"8.3.0", "8.4.0", func(d *Dialect) any { return d.PassiveEvent("DISABLE") }, "DISABLE", "DISABLE"},
		"memory for sorting":  {"8.0.26", "8.0.27", func(d *Dialect) any { return d.SortMemory() }, "DO 0", "SET SESSION innodb_ddl_buffer_size = 16777216"},
		"cascades in the log": {"9.5.0", "9.6.0", func(d *Dialect) any { return d.LogsCascades(cascades) }, false, true},
		"style":               {"8.0.40", "8.4.0", func(d *Dialect) any { return d.SameStyle(dialectOf(t, "8.4.5")) }, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.old, tt.ask(dialectOf(t, tt.before)), tt.before)
			require.Equal(t, tt.now, tt.ask(dialectOf(t, tt.from)), tt.from)
		})
	}
	require.False(t, dialectOf(t, "9.6.0").LogsCascades(map[string]string{"innodb_native_foreign_keys": "ON"}))
}

func TestFilesFit(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		fit      bool
	}{
		{"10.11.6-MariaDB", "10.11.6-MariaDB", true},
		{"10.11.6-MariaDB", "10.11.8-MariaDB", true},
		{"10.11.8-MariaDB", "10.11.6-MariaDB", false}, // older
		{"10.11.6-MariaDB", "11.4.2-MariaDB", false},
		{"8.0.36", "8.0.36", true},
		{"8.0.36", "8.0.37", false},
		{"8.0.37", "8.0.40", true},
		{"8.0.40", "8.4.0", false},
		{"8.4.0", "8.4.5", true},
		{"8.4.5", "8.4.0", false},
		{"8.4.0", "8.4.0-MariaDB", false},
	} {
		require.Equal(t, tt.fit, dialectOf(t, tt.to).FilesFit(dialectOf(t, tt.from)), "%s on %s", tt.from, tt.to)
	}
}

// TestPositionsAreSetByFlavor sets an empty position. MariaDB's position survives RESET
// MASTER, so it is set even to nothing. MySQL's is empty then and needs no statement.
func TestPositionsAreSetByFlavor(t *testing.T) {
	maria, my := dialectOf(t, "10.11.6-MariaDB"), dialectOf(t, "8.4.0")
	require.Equal(t, "SET GLOBAL gtid_slave_pos = ''", maria.SetPosition(""))
	require.Equal(t, "SET GLOBAL gtid_slave_pos = '0-1-5'", maria.SetPosition("0-1-5"))
	require.Empty(t, my.SetPosition(""))
	require.Equal(t, "SET GLOBAL gtid_purged = 'a:1'", my.SetPosition("a:1"))
}

func TestLiftFence(t *testing.T) {
	require.Equal(t, "SET GLOBAL read_only = 0;\n", dialectOf(t, "10.11.6-MariaDB").LiftFence(), "its kept values are in a file")
	require.Equal(t, "SET GLOBAL super_read_only = 0;\nSET GLOBAL read_only = 0;\n"+
		"RESET PERSIST IF EXISTS `super_read_only`;\nRESET PERSIST IF EXISTS `read_only`;\n", dialectOf(t, "8.4.0").LiftFence(), "it opens first")
}
