package seed

import (
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestSeedOfHugeRows proves that only a few of the largest row are in memory.
func TestSeedOfHugeRows(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		redo := "innodb_log_file_size"
		if flavor == servertest.MySQL {
			redo = "innodb_redo_log_capacity"
		}
		pair, source, target := replicationtest.Start(t, flavor, servertest.Set("max_allowed_packet", "256M"), servertest.Set(redo, "512M"))
		source.Exec("CREATE DATABASE huge", "CREATE TABLE huge.t (id INT PRIMARY KEY, b LONGBLOB)")
		for i := range 2 {
			source.Exec("INSERT INTO huge.t VALUES (" + string(rune('1'+i)) + ", REPEAT(x'00275c41', 8388608))")
		}
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(64 << 20))
		peak := peakOf(t, 5*time.Millisecond)
		require.NoError(t, Step(pair).Op.Apply(t.Context()))
		most := peak()
		t.Logf("two rows of 32 MiB; peak heap %d MiB", most>>20)
		require.Less(t, most, uint64((96+4*32)<<20))
		require.Equal(t, replicationtest.Checksums(t, source, "huge"), replicationtest.Checksums(t, target, "huge"))
	})
}
