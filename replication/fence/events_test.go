package fence

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

// Events of privileged definers write past MariaDB's read_only wherever they are, and
// whenever they were made (H14, I2).
func TestFenceRefusesEventsOfPrivilegedDefiners(t *testing.T) {
	p := replicationtest.StartApp(t, servertest.MariaDB)
	const does = " DO INSERT INTO app.notes (text) VALUES (UUID())"
	p.SourceInstance.Exec("SET GLOBAL event_scheduler = 1", "CREATE SCHEMA other", "CREATE ROLE chief", "GRANT READ_ONLY ADMIN, INSERT, EVENT ON *.* TO chief",
		"CREATE DEFINER=writer@localhost EVENT other.weak ON SCHEDULE EVERY 1 SECOND"+does,
		"CREATE EVENT other.off ON SCHEDULE EVERY 1 SECOND DISABLE"+does,
		"CREATE EVENT app.`at home` ON SCHEDULE EVERY 1 SECOND STARTS '2037-01-01'"+does)
	f := Set(p.Source, Options{Wait: time.Second, Schemas: []string{"app"}})
	_, err := f.Op.Check(t.Context())
	require.NoError(t, err, "a step of the switch turns off those of the moved schemas")
	require.ErrorContains(t, f.Op.Apply(t.Context()), "`app`.`at home` (definer root@localhost)", "it is still on")
	p.SourceInstance.Exec("DROP EVENT app.`at home`")
	for _, event := range []struct{ make, name string }{
		{"CREATE EVENT other.e ON SCHEDULE EVERY 1 SECOND", "`other`.`e`"},
		{"CREATE DEFINER=chief EVENT other.e ON SCHEDULE EVERY 1 SECOND", "`other`.`e`"},
		{"CREATE EVENT mysql.e ON SCHEDULE EVERY 1 SECOND", "`mysql`.`e`"},
	} {
		p.SourceInstance.Exec(event.make + does)
		_, err := f.Op.Check(t.Context())
		require.ErrorContains(t, err, event.name+" (definer ", event.make)
		require.Contains(t, report.Hint(err), "ALTER EVENT "+event.name+" DISABLE")
		require.ErrorContains(t, f.Op.Apply(t.Context()), event.name, event.make)
		require.ErrorContains(t, op{server: p.Source}.refuseLateEvents(t.Context()), event.name, "made after the first look")
		require.Equal(t, "0", p.SourceInstance.Value("SELECT @@GLOBAL.read_only"))
		p.SourceInstance.Exec("DROP EVENT " + event.name)
	}
	p.SourceInstance.Exec("CREATE EVENT other.once ON SCHEDULE AT NOW() ON COMPLETION PRESERVE DO INSERT INTO app.notes (text) SELECT CONCAT('late', SLEEP(20))")
	require.Eventually(t, func() bool {
		return p.SourceInstance.Value("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep'") == "1"
	}, 10*time.Second, 10*time.Millisecond)
	p.SourceInstance.Exec("ALTER EVENT other.once DISABLE")
	require.ErrorContains(t, f.Op.Apply(t.Context()), "root", "one that runs already")
	id := p.SourceInstance.Value("SELECT ID FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep'")
	_, err = strconv.Atoi(id)
	require.NoError(t, err)
	p.SourceInstance.Exec("KILL " + id)
	require.Eventually(t, func() bool { return f.Op.Apply(t.Context()) == nil }, 10*time.Second, 100*time.Millisecond)
	before := p.SourceInstance.Value("SELECT COUNT(*) FROM app.notes WHERE text LIKE 'late%'")
	require.Equal(t, "0", before)
}
