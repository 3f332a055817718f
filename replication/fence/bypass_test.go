package fence

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

func TestFenceRefusesUsersThatPassIt(t *testing.T) { // H14
	p := replicationtest.StartApp(t, servertest.MariaDB)
	p.SourceInstance.Exec("CREATE USER boss@'10.%'", "GRANT READ_ONLY ADMIN ON *.* TO boss@'10.%'",
		"CREATE ROLE chief", "GRANT READ_ONLY ADMIN ON *.* TO chief", "GRANT chief TO writer@localhost")
	_, err := Set(p.Source, Options{}).Op.Check(t.Context())
	require.ErrorContains(t, err, "'boss'@'10.%', 'writer'@'localhost'")
	require.ErrorContains(t, Set(p.Source, Options{}).Op.Apply(t.Context()), "boss")
	require.Equal(t, "0", p.SourceInstance.Value("SELECT @@GLOBAL.read_only"))
	_, err = Set(p.Source, Options{Admins: []string{"boss", "writer"}}).Op.Check(t.Context())
	require.NoError(t, err)
	p.SourceInstance.Exec("CREATE USER migrate_report@localhost", "CREATE USER migrate_guard_source@'10.%'", // not migrate's
		"GRANT READ_ONLY ADMIN ON *.* TO migrate_report@localhost, migrate_guard_source@'10.%'")
	_, err = Set(p.Source, Options{Admins: []string{"boss", "writer"}}).Op.Check(t.Context())
	require.ErrorContains(t, err, "'migrate_guard_source'@'10.%', 'migrate_report'@'localhost'")
}
