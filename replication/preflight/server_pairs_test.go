package preflight

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// TestPreflightOfTwoFlavors checks a pair of both flavors for what the newer versions of a
// flavor dropped and the other flavor never had.
func TestPreflightOfTwoFlavors(t *testing.T) { // H17, H21
	maria, my := servertest.Start(t, servertest.MariaDB), servertest.Start(t, servertest.MySQL)
	my.Exec("CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, a VARCHAR(9) COLLATE utf8mb4_0900_as_cs)")
	maria.Exec("CREATE DATABASE app", "CREATE TABLE app.t (id UUID PRIMARY KEY, a INET6)")
	inspect := func(source, target *servertest.Instance) *inspection {
		i := &inspection{}
		var err error
		i.source, err = readSide(t.Context(), replicationtest.Server(t, source, replication.Source, nil), nil)
		require.NoError(t, err)
		i.target, err = readSide(t.Context(), replicationtest.Server(t, target, replication.Target, nil), nil)
		require.NoError(t, err)
		return i
	}
	only := func(i *inspection, found string) {
		t.Helper()
		require.Len(t, i.findings, 1)
		require.Equal(t, Refuse, i.findings[0].Severity)
		require.Contains(t, i.findings[0].String(), found)
	}
	i := inspect(my, maria)
	require.NoError(t, i.checkCollations(t.Context()))
	only(i, "H17 main (target): it lacks collations that columns use: utf8mb4_0900_as_cs")
	i = inspect(maria, my)
	require.NoError(t, i.checkTypes(t.Context()))
	only(i, "H21 main (target): it does not know the types of these columns: app.t.a (inet6), app.t.id (uuid)")

	for have, severity := range map[string]Severity{"8192": Refuse, "32768": Warn} {
		i = inspect(maria, maria)
		i.target.variables["innodb_page_size"] = have
		i.checkPageSize()
		require.Len(t, i.findings, 1)
		require.Equal(t, severity, i.findings[0].Severity)
		require.Contains(t, i.findings[0].String(), "H17 main (target): innodb_page_size is "+have+", the source's is 16384")
	}
	i = inspect(maria, maria)
	i.source.variables["max_binlog_total_size"] = "1000000" // of MariaDB 11.4
	require.NoError(t, i.checkBinlogGrowth(t.Context()))
	require.Contains(t, i.findings[0].String(), "H19 main (source): max_binlog_total_size is 1000000")
}

// TestPreflightOfAHostInAnotherZone has a target whose host is in another time zone.
func TestPreflightOfAHostInAnotherZone(t *testing.T) { // H28
	source := servertest.Start(t, servertest.MariaDB)
	t.Setenv("TZ", "JST-9")
	target := servertest.Start(t, servertest.MariaDB)
	pair := replication.Pair{Name: "main", Source: replicationtest.Server(t, source, replication.Source, nil), Target: replicationtest.Server(t, target, replication.Target, nil)}
	source.Exec("CREATE DATABASE app")
	require.Contains(t, hazards(t, pair, Options{}, Refuse),
		"H28 main (target): NOW() says another time there than on the source: time_zone is SYSTEM on a machine in JST")
	for _, s := range []*servertest.Instance{source, target} {
		s.Exec("SET GLOBAL time_zone = '+00:00'")
	}
	require.NotContains(t, hazards(t, pair, Options{}, Refuse), "H28")
	require.Contains(t, hazards(t, pair, Options{}, Warn), "H28 main (target): its machine is in another time zone")

	// H26: a PAM service that the target's host lacks.
	pair.Target = replicationtest.Server(t, target, replication.Target, remote.NewLocal("db1"))
	source.Exec("INSTALL SONAME 'auth_pam'", "CREATE USER worker@'%' IDENTIFIED VIA pam USING 'nowhere'")
	target.Exec("INSTALL SONAME 'auth_pam'")
	require.Contains(t, hazards(t, pair, Options{}, Warn), "H26 main (target): 'worker'@'%' logs in by the PAM service nowhere")
}

// TestPreflightOfASeededTarget has a target that was written to after its seed (H12). On
// MySQL its foreign keys are InnoDB's, unlike the source's (H10).
func TestPreflightOfASeededTarget(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		var options []servertest.Option
		if flavor == servertest.MySQL {
			options = append(options, servertest.Set("innodb_native_foreign_keys", "ON"))
		}
		source, target := servertest.Start(t, flavor), servertest.Start(t, flavor, options...)
		pair := replication.Pair{Name: "main", Source: replicationtest.Server(t, source, replication.Source, nil), Target: replicationtest.Server(t, target, replication.Target, nil)}
		source.Exec("CREATE DATABASE app", "CREATE TABLE app.p (id INT PRIMARY KEY)",
			"CREATE TABLE app.c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES app.p (id) ON DELETE CASCADE)")
		require.NoError(t, replicationtest.Apply(t, seed.Step(pair)))
		refused := hazards(t, pair, Options{}, Refuse)
		require.NotContains(t, refused, "H12")
		if flavor == servertest.MySQL {
			require.Contains(t, refused, "H10 main (target): one side logs the rows that cascades change and the other does not: app.c")
		}
		target.Exec("INSERT INTO app.p VALUES (1)")
		require.Contains(t, hazards(t, pair, Options{}, Refuse), "H12 main (target): it has transactions that the source lacks: ")
	})
}
