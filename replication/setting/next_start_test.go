package setting

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
)

// nextStartCases are ways to make a server start otherwise than what was kept, and ways that
// look like it. What the server then does is seen, and not written here.
var nextStartCases = []struct {
	name      string
	only      servertest.Flavor // "" is both
	files     map[string]string // of the folder of drop-in files, or "main" for the end of the main file
	arguments []string
	restart   bool // before it is asked, so that the running server has it
}{
	{name: "nothing"},
	{name: "a file that is read later", files: map[string]string{"zzz.cnf": "[mysqld]\nFENCE = 0\n"}},
	{name: "a file that is read before", only: servertest.MariaDB, files: map[string]string{"aaa.cnf": "[mysqld]\nFENCE = 0\n"}},
	{name: "a file that is read later and agrees", only: servertest.MariaDB, files: map[string]string{"zzz.cnf": "[mysqld]\nFENCE\n"}},
	{name: "hyphens and skip", only: servertest.MariaDB, files: map[string]string{"zzz.cnf": "[mysqld]\nskip-DASHED\n"}},
	{name: "disable", only: servertest.MariaDB, files: map[string]string{"zzz.cnf": "[mysqld]\ndisable-FENCE\n"}},
	{name: "loose", only: servertest.MariaDB, files: map[string]string{"zzz.cnf": "[server]\nloose_DASHED = OFF\n"}},
	{name: "an abbreviation", only: servertest.MariaDB, files: map[string]string{"zzz.cnf": "[mysqld]\nread-onl = false\n"}},
	{name: "the group of the program", only: servertest.MariaDB, files: map[string]string{"zzz.cnf": "[mariadbd]\nFENCE = 0\n"}},
	{name: "the group of the release", only: servertest.MariaDB, files: map[string]string{"zzz.cnf": "[mariadb-10.11]\nFENCE = 0\n"}},
	{name: "a client's group", only: servertest.MariaDB, files: map[string]string{"zzz.cnf": "[client]\nloose-FENCE = 0\n"}},
	{name: "behind the included folder", only: servertest.MariaDB, files: map[string]string{"main": "[mysqld]\nFENCE = 0\n"}},
	{name: "a file that a file includes", only: servertest.MariaDB, files: map[string]string{"zzz.cnf": "!include DIR/other.ini\n", "other.ini": "[mysqld]\nFENCE = 0\n"}},
	{name: "the command line", arguments: []string{"--FENCE=0"}, restart: true},
	{name: "skip on the command line", only: servertest.MariaDB, arguments: []string{"--skip-DASHED"}, restart: true},
	{name: "the command line wins over a later file", only: servertest.MariaDB, files: map[string]string{"zzz.cnf": "[mysqld]\nFENCE = 0\n"}, arguments: []string{"--FENCE=1"}, restart: true},
	{name: "a suffix of groups", only: servertest.MariaDB, files: map[string]string{"zzz.cnf": "[mysqldextra]\nFENCE = 0\n"}, arguments: []string{"--defaults-group-suffix=extra"}, restart: true},
	{name: "statements at the start", files: map[string]string{"zzz.cnf": "[mysqld]\ninit_file = DIR/start.sql\n", "start.sql": "SET GLOBAL FENCE = OFF;\n"}, restart: true},
	{name: "statements at the next start", files: map[string]string{"zzz.cnf": "[mysqld]\ninit-file = DIR/start.sql\n", "start.sql": "SET GLOBAL FENCE = OFF;\n"}},
	{name: "other statements at the start", only: servertest.MariaDB, files: map[string]string{"zzz.cnf": "[mysqld]\ninit_file = DIR/start.sql\n", "start.sql": "SET GLOBAL max_connections = 99;\n"}, restart: true},
	{name: "persisted variables are not loaded", only: servertest.MySQL, files: map[string]string{"aaa.cnf": "[mysqld]\npersisted_globals_load = OFF\n"}, restart: true},
	{name: "persisted variables will not be loaded", only: servertest.MySQL, files: map[string]string{"zzz.cnf": "[mysqld]\npersisted-globals-load = OFF\n"}},
	{name: "persisted variables are not loaded, by the command line", only: servertest.MySQL, arguments: []string{"--skip-persisted-globals-load"}, restart: true},
}

// TestRequireInForceTellsTheNextStart compares what RequireInForce says with what the server
// does when it starts.
func TestRequireInForceTellsTheNextStart(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		fence := map[servertest.Flavor]string{servertest.MariaDB: "read_only", servertest.MySQL: "super_read_only"}[flavor]
		s := servertest.Start(t, flavor)
		server, _ := onHost(t, replication.Source, s)
		kept := Persistence{Server: server, Topic: FenceTopic}
		main := filepath.Join(s.Dir, "my.cnf")
		original, err := os.ReadFile(main)
		require.NoError(t, err)
		fill := strings.NewReplacer("FENCE", fence, "DASHED", strings.ReplaceAll(fence, "_", "-"), "DIR", s.ConfDir)
		for _, c := range nextStartCases {
			if c.only != "" && c.only != flavor {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				require.NoError(t, os.WriteFile(main, original, 0o644))
				for name, text := range c.files {
					path := filepath.Join(s.ConfDir, name)
					text = fill.Replace(text)
					if name == "main" {
						path, text = main, string(original)+text
					} else {
						defer os.Remove(path)
					}
					require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
				}
				s.Arguments = nil
				for _, a := range c.arguments {
					s.Arguments = append(s.Arguments, fill.Replace(a))
				}
				defer func() {
					s.Arguments = nil
					require.NoError(t, os.WriteFile(main, original, 0o644))
					s.Exec("SET GLOBAL " + fence + " = OFF")
					require.NoError(t, kept.Forget(t.Context(), fence))
				}()
				if c.restart {
					s.Restart()
				}
				require.NoError(t, kept.Write(t.Context(), map[string]string{fence: "ON"}))
				told := kept.RequireInForce(t.Context(), map[string]string{fence: "ON"})
				s.Restart()
				inForce := dialect.IsOn(s.Value("SELECT @@GLOBAL." + fence))
				if inForce {
					require.NoError(t, told)
					return
				}
				require.ErrorIs(t, told, errNotKept)
				require.NotEmpty(t, report.Hint(told))
				t.Log(told)
			})
		}
	})
}

func TestServiceThatWasChangedSinceTheStart(t *testing.T) {
	p := Persistence{Server: replication.NewServer(replication.ServerConfig{Name: "db1"})}
	want := map[string]string{"read_only": "ON"}
	file := option{"read_only", "ON", fromFiles}
	for _, line := range []string{"ExecStart=/usr/sbin/mariadbd --read-only=0 $MYSQLD_OPTS", `MYSQLD_OPTS="--skip-read-only"`, "ExecStartPost=mysql -e 'SET GLOBAL READ_ONLY=0'"} {
		err := p.requireOptions(nextStart{options: []option{file}, service: []string{"[Service]", line}}, want, true)
		require.ErrorIs(t, err, errNotKept, line)
		require.ErrorContains(t, err, line)
	}
	require.NoError(t, p.requireOptions(nextStart{options: []option{file}, service: []string{"LimitNOFILE=99999"}}, want, true))
	require.ErrorIs(t, p.requireOptions(nextStart{}, want, true), errNotKept)
	require.NoError(t, p.requireOptions(nextStart{}, want, false))
}
