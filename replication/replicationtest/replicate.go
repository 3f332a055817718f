package replicationtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// Replicate starts the server's own replication by GTID with plain statements, as a
// user would, without the code under test.
func Replicate(t *testing.T, flavor servertest.Flavor, from, to *servertest.Instance) {
	t.Helper()
	from.Exec("CREATE USER IF NOT EXISTS 'migrate_test'@'%' IDENTIFIED BY 'pw'",
		"GRANT REPLICATION SLAVE ON *.* TO 'migrate_test'@'%'")
	port := fmt.Sprint(from.Port)
	if flavor == servertest.MariaDB {
		to.Exec("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT="+port+
			", MASTER_USER='migrate_test', MASTER_PASSWORD='pw', MASTER_USE_GTID=slave_pos", "START SLAVE")
		return
	}
	to.Exec("CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT="+port+
		", SOURCE_USER='migrate_test', SOURCE_PASSWORD='pw', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1", "START REPLICA")
}

// Settle waits until `to` has executed every transaction that `from` has now, less
// those of to's own GTID domain. It fails the test after a minute.
func Settle(t testing.TB, from, to *replication.Server) {
	t.Helper()
	ctx := t.Context()
	db, dialect, err := from.Open(ctx)
	require.NoError(t, err)
	goal, err := replication.ExecutedGTIDs(ctx, db, dialect)
	require.NoError(t, err)
	db, err = to.DB(ctx)
	require.NoError(t, err)
	own, err := dialect.NativeDomain(ctx, db)
	require.NoError(t, err)
	reached, err := replication.WaitGTIDs(ctx, db, dialect, goal.Without(own), time.Minute)
	require.NoError(t, err)
	if !reached {
		status, err := dialect.ReplicaStatus(ctx, db)
		require.NoError(t, err)
		t.Fatalf("%s does not reach %s: %+v", to.Name(), goal, status)
	}
}
