package physical

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

// otherHost is this host with one word of every script replaced, so that files seem to be
// missing.
type otherHost struct {
	remote.Host
	old, new string
}

func (h otherHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	return h.Host.Run(ctx, strings.ReplaceAll(script, h.old, h.new), stdin, stdout)
}

// obstacleCase is a pair whose files cannot be used, and the text that says so.
type obstacleCase struct {
	name, want, fix string
	setUp, tearDown func(t *testing.T, p *op, source, target *servertest.Instance)
}

// onHost puts the pair's target on a host.
func onHost(host remote.Host) func(*testing.T, *op, *servertest.Instance, *servertest.Instance) {
	return func(t *testing.T, p *op, _, target *servertest.Instance) {
		p.pair.Target = replicationtest.Server(t, target, replication.Target, host)
	}
}

func lacks(what string) func(*testing.T, *op, *servertest.Instance, *servertest.Instance) {
	return onHost(otherHost{remote.NewLocal("db2"), what, "absent"})
}

// newerHost is a host whose database server names the next minor version than its own.
type newerHost struct {
	remote.Host
	version, next string // "10.11." and "10.12.": of equal lengths
}

func (h newerHost) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := h.Host.Dial(ctx, network, address)
	return newerConn{conn, h}, err
}

type newerConn struct {
	net.Conn
	host newerHost
}

func (c newerConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	copy(p, bytes.ReplaceAll(p[:n], []byte(c.host.version), []byte(c.host.next)))
	return n, err
}

func obstacleCases(flavor servertest.Flavor) []obstacleCase {
	run := func(statements ...string) func(*testing.T, *op, *servertest.Instance, *servertest.Instance) {
		return func(_ *testing.T, _ *op, source, _ *servertest.Instance) { source.Exec(statements...) }
	}
	cases := []obstacleCase{
		{name: "some schemas", want: "databases[].schemas names some schemas", setUp: func(_ *testing.T, p *op, _, _ *servertest.Instance) { p.pair.Schemas = []string{"load1"} }},
		{name: "engine", want: "load1.old (MyISAM)", fix: "ALTER TABLE … ENGINE=InnoDB", setUp: run("CREATE TABLE load1.old (a INT) ENGINE=MyISAM"), tearDown: run("DROP TABLE load1.old")},
		{name: "no host", want: "the host of main (target) cannot be reached", setUp: onHost(nil)},
		{name: "disk", want: "the disk of target has 1.0 MiB free", fix: "larger disk", setUp: onHost(otherHost{remote.NewLocal("target"), "free=$4", "free=1024"})},
		{name: "mount", want: "is a mount of its own", setUp: onHost(otherHost{remote.NewLocal("target"), `stat -c %d "$dir"`, "echo 0"})},
		{name: "version", want: "are not for", fix: "install", setUp: func(t *testing.T, p *op, source, target *servertest.Instance) {
			var major, minor int
			_, err := fmt.Sscanf(target.Value("SELECT VERSION()"), "%d.%d.", &major, &minor)
			require.NoError(t, err)
			host := newerHost{remote.NewLocal("target"), fmt.Sprintf("%d.%d.", major, minor), fmt.Sprintf("%d.%d.", major, minor+1)}
			require.Len(t, host.next, len(host.version))
			onHost(host)(t, p, source, target)
		}},
		{name: "login", want: "cannot do the same on the source", fix: "the same login", setUp: func(t *testing.T, p *op, _, _ *servertest.Instance) {
			require.NoError(t, account.AsAdmin(t.Context(), p.pair.Target, []string{dialect.Unlogged}, func(ctx context.Context, session *replication.Session) error {
				for _, statement := range []string{"CREATE USER other@localhost IDENTIFIED BY 'pw'", "GRANT ALL ON *.* TO other@localhost"} {
					if _, err := session.ExecContext(ctx, statement); err != nil {
						return err
					}
				}
				return nil
			}))
			p.pair.Target = p.pair.Target.WithLogin("other", secret.New("pw"))
			t.Cleanup(func() { _ = p.pair.Target.Close() })
		}},
		{name: "no service", want: "nobody runs it", fix: "service of systemd", setUp: func(_ *testing.T, p *op, _, _ *servertest.Instance) { p.options.Service = noService{} }},
	}
	if flavor == servertest.MariaDB {
		return append(cases,
			obstacleCase{name: "tool", want: "mariadb-backup is not installed on db2", fix: "apt-get install mariadb-backup on db2", setUp: lacks("mariadb-backup mariabackup")},
			obstacleCase{name: "encrypted", want: "aria_encrypt_tables is on", setUp: run("SET GLOBAL aria_encrypt_tables = 1"), tearDown: run("SET GLOBAL aria_encrypt_tables = 0")},
		)
	}
	return append(cases,
		obstacleCase{name: "plugin", want: "has no plugin clone", fix: "mysql_clone.so", setUp: lacks("mysql_clone.so")},
		obstacleCase{name: "apparmor", want: "AppArmor keeps", fix: "/etc/apparmor.d/local/usr.sbin.mysqld", setUp: onHost(otherHost{remote.NewLocal("target"), `echo "confined=$(`, `echo "confined=/usr/sbin/mysqld (enforce)"; echo "was=$(`})},
	)
}

type noService struct{ Service }

func (noService) Unit(context.Context, *replication.Server) (string, error) {
	return "", errors.New("nobody runs it")
}

// TestObstaclesToFiles creates each obstacle on real servers: `physical` is refused with
// the fix, `auto` says why it copies rows.
func TestObstaclesToFiles(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		_, source, target, options := startPair(t, flavor)
		for _, tt := range obstacleCases(flavor) {
			t.Run(tt.name, func(t *testing.T) {
				pair := replication.Pair{Name: "main", Source: replicationtest.Server(t, source, replication.Source, remote.NewLocal("source")), Target: replicationtest.Server(t, target, replication.Target, remote.NewLocal("target"))}
				p := &op{pair: pair, rows: seed.Step(pair).Op, options: options}
				tt.setUp(t, p, source, target)
				p.options.Method = MethodFiles
				_, err := p.choose(t.Context(), true)
				require.ErrorContains(t, err, tt.want)
				require.Contains(t, report.Hint(err), tt.fix)
				require.Contains(t, report.Hint(err), "seed: copy")
				p.options.Method = MethodAuto
				c, err := p.choose(t.Context(), true)
				require.NoError(t, err)
				require.Equal(t, MethodRows, c.method)
				require.Contains(t, c.text(), "by rows: its files cannot be taken, because ")
				require.Contains(t, c.text(), tt.want)
				require.Contains(t, c.text(), "by its files ")
				if tt.tearDown != nil {
					tt.tearDown(t, p, source, target)
				}
			})
		}
		// An unfinished seed by rows is continued by rows.
		pair := replication.Pair{Name: "main", Source: replicationtest.Server(t, source, replication.Source, remote.NewLocal("source")), Target: replicationtest.Server(t, target, replication.Target, remote.NewLocal("target"))}
		require.NoError(t, account.AsAdmin(t.Context(), pair.Target, []string{dialect.Unlogged}, func(ctx context.Context, session *replication.Session) error {
			return replication.WriteMarker(ctx, session, replication.Marker{Origin: "here"})
		}))
		p := &op{pair: pair, rows: seed.Step(pair).Op, options: options}
		_, err := p.choose(t.Context(), true)
		require.ErrorContains(t, err, "a copy of rows that has not finished")
	})
}

// TestSeedChoosesItsMethod lets the step choose for a small pair, with and without a
// target, and when the operator has chosen.
func TestSeedChoosesItsMethod(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, _, target, options := startPair(t, flavor)
		for _, tt := range []struct {
			method Method
			want   string
		}{
			{MethodRows, "by rows: as migration.yaml has it; about "},
			{MethodFiles, "by its files: as migration.yaml has it; about "},
			{MethodAuto, "by its files: nothing prevents them"},
		} {
			options.Method = tt.method
			state, err := Step(pair, seed.Step(pair), options).Op.Check(t.Context())
			require.NoError(t, err)
			require.Contains(t, state.Want, tt.want)
			require.Contains(t, state.Want, "the speed of the network between the sites is not known")
			shown := strings.Contains(state.Want, "the target's innodb_extend_and_initialize is off meanwhile")
			require.Equal(t, flavor == servertest.MySQL && tt.method == MethodRows, shown, "what is changed is shown: %s", state.Want)
			require.NotEmpty(t, state.Before)
		}
		p := &op{pair: pair, rows: seed.Step(pair).Op, options: options}
		c, err := p.choose(t.Context(), false)
		require.NoError(t, err)
		require.Contains(t, c.text(), "the target is not made yet")

		options.Method = MethodRows
		require.NoError(t, Step(pair, seed.Step(pair), options).Op.Apply(t.Context()))
		require.Equal(t, "1", target.Value("SELECT COUNT(*) FROM mysql.user WHERE User = 'only_here'"), "by rows")
		replicationtest.WhileFenced(target, func() { require.NoError(t, Step(pair, seed.Step(pair), options).Op.Undo(t.Context(), nil)) })
		require.Equal(t, "0", target.Value("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'load1'"))
	})
}

// TestSeedExpectsWithoutASource proves that the seed's expectation is no error if the
// source does not answer: earlier steps of the plan report that.
func TestSeedExpectsWithoutASource(t *testing.T) {
	nowhere := func(side replication.Side) *replication.Server {
		return replication.NewServer(replication.ServerConfig{Name: string(side), Side: side, Network: "unix", Address: "/run/nowhere.sock"})
	}
	pair := replication.Pair{Name: "main", Source: nowhere(replication.Source), Target: nowhere(replication.Target)}
	for _, method := range []Method{MethodRows, MethodAuto, MethodFiles} {
		op := &op{pair: pair, rows: seed.Step(pair).Op, options: Options{Method: method}}
		state, err := op.Expect(t.Context())
		require.NoError(t, err)
		require.Equal(t, plan.State{Unknown: true, Want: "a full copy of source; its method is chosen when the source answers"}, state)
	}
}
