package account

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

// An account is migrate's by its name and by the mark that migrate made, on this server
// and with this host. An application's account of such a name is an application's.
func TestAccountsAreOwnByNameAndMark(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		p.SourceInstance.Exec("CREATE USER migrate_report@localhost IDENTIFIED BY 'x'", "CREATE USER migrate_reader@'10.%' IDENTIFIED BY 'x'",
			"CREATE USER migrate_probe@localhost IDENTIFIED BY 'x'", "CREATE USER migrate_probe2@localhost IDENTIFIED BY 'x' "+replication.OwnAccountOptions)
		login := func(name string) Login { return Login{p.Source, name, "REPLICATION SLAVE ON *.*"} }

		require.NoError(t, login(replication.SeedUser).Create(t.Context(), "localhost", NewPassword()))
		require.NoError(t, login(replication.SeedUser).Create(t.Context(), "%", NewPassword()), "what is migrate's is made anew")
		hosts, err := login(replication.SeedUser).Hosts(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"%"}, hosts)

		err = login(replication.ReaderUser).Create(t.Context(), "localhost", NewPassword())
		require.ErrorIs(t, err, replication.ErrForeignAccount)
		require.ErrorContains(t, err, "'migrate_reader'@'10.%'")
		require.Contains(t, report.Hint(err), "DROP USER 'migrate_reader'@'10.%'", "an earlier version's has no mark")
		require.NoError(t, login(replication.ReaderUser).Drop(t.Context()))
		require.Equal(t, "1", p.SourceInstance.Value("SELECT COUNT(*) FROM mysql.user WHERE User = 'migrate_reader'"), "it stays")

		users, err := Read(t.Context(), p.Source)
		require.NoError(t, err)
		var names []string
		for _, u := range users {
			names = append(names, u.Name())
		}
		for _, name := range []string{"`migrate_report`@`localhost`", "`migrate_reader`@`10.%`", "`migrate_probe`@`localhost`", "`migrate_probe2`@`localhost`"} {
			require.Contains(t, names, name)
		}
		require.NotContains(t, names, "`migrate_seed`@`%`")

		for _, user := range []string{"migrate_report", "migrate_probe"} {
			_ = replicationtest.Session(t, p.SourceInstance, user, "x")
		}
		clients, err := Clients(t.Context(), p.Source)
		require.NoError(t, err)
		require.Len(t, clients, 2, "%v", clients)
		require.NoError(t, login(replication.SeedUser).Drop(t.Context()))
		require.Equal(t, "0", p.SourceInstance.Value("SELECT COUNT(*) FROM mysql.user WHERE User = 'migrate_seed'"))
	})
}
