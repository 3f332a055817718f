package preflight

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	logevent "github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/replication/setting"
	"github.com/dcmigrate/migrate/replication/statement"
	"github.com/dcmigrate/migrate/wait"
)

// hazardCase makes a hazard on a pair's servers, and removes it.
type hazardCase struct {
	name     string
	flavor   servertest.Flavor // "": both
	opts     Options
	source   []string // statements
	target   []string
	make     func(t *testing.T, p *replicationtest.Pair) (undo func())
	severity Severity
	want     []string // parts of one finding
	undo     []string // on the source
	reset    []string // on the target
	lasting  bool     // the hazard cannot be removed: the last case
}

// TestPreflightFindsEachHazard makes one hazard after another on the same two servers, and
// does not find it any more after it is removed.
func TestPreflightFindsEachHazard(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		quiet := []string{}
		for _, f := range found(t, p, Options{}) {
			quiet = append(quiet, f.String())
		}
		require.Len(t, quiet, 2, "%s", quiet) // the tests' servers do not flush their binlogs
		for _, c := range hazardCases {
			if c.flavor != "" && c.flavor != flavor {
				continue
			}
			if !t.Run(c.name, func(t *testing.T) { c.run(t, p, quiet) }) {
				return // the next cases would find this hazard too
			}
		}
	})
}

func (c hazardCase) run(t *testing.T, p *replicationtest.Pair, quiet []string) {
	undo := func() {}
	if c.make != nil {
		undo = c.make(t, p)
	}
	back := func() {
		undo()
		p.SourceInstance.Exec(c.undo...)
		p.TargetInstance.Exec(c.reset...)
	}
	if len(c.source) > 0 {
		p.SourceInstance.Exec(c.source...)
	}
	if len(c.target) > 0 {
		p.TargetInstance.Exec(c.target...)
	}
	var lines string
	matches := func() bool {
		var all []string
		for _, f := range found(t, p, c.opts) {
			all = append(all, string(f.Severity)+" "+f.String())
			line := all[len(all)-1]
			if !strings.HasPrefix(line, string(c.severity)+" ") || !strings.Contains(line, c.want[0]) {
				continue
			}
			missing := false
			for _, part := range c.want {
				missing = missing || !strings.Contains(strings.ToLower(line), strings.ToLower(part))
			}
			if !missing {
				return true
			}
		}
		lines = strings.Join(all, "\n")
		return false
	}
	seen := becomes(t, 10*time.Second, matches)
	back()
	require.True(t, seen, "wanted %s %s in\n%s", c.severity, c.want, lines)
	if c.lasting {
		return
	}
	gone := becomes(t, 10*time.Second, func() bool { // a session that was ended may show for a moment
		lines = ""
		for _, f := range found(t, p, Options{}) {
			lines += f.String() + "\n"
		}
		return lines == strings.Join(quiet, "\n")+"\n"
	})
	require.True(t, gone, "the hazard was removed, and this is still found\n%s", lines)
}

// becomes reports whether condition returns true within the limit.
func becomes(t *testing.T, limit time.Duration, condition func() bool) bool {
	t.Helper()
	for start := time.Now(); ; {
		if condition() {
			return true
		}
		if time.Since(start) > limit {
			return false
		}
		require.NoError(t, wait.For(t.Context(), 50*time.Millisecond))
	}
}

func found(t *testing.T, p *replicationtest.Pair, opts Options) []Finding {
	t.Helper()
	findings, err := Findings(t.Context(), p.Pair, opts)
	require.NoError(t, err)
	for _, f := range findings {
		require.NotEmpty(t, f.Fix, f.Found)
	}
	return findings
}

// inSession runs statements in a session that stays open.
func inSession(statements ...string) func(*testing.T, *replicationtest.Pair) func() {
	return func(t *testing.T, p *replicationtest.Pair) func() {
		s := replicationtest.Session(t, p.SourceInstance, "root", "")
		for _, statement := range statements {
			_, err := s.ExecContext(t.Context(), statement)
			require.NoError(t, err)
		}
		return s.Close
	}
}

// busyWith runs a statement that takes long.
func busyWith(statement string) func(*testing.T, *replicationtest.Pair) func() {
	return func(t *testing.T, p *replicationtest.Pair) func() {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		s := replicationtest.Session(t, p.SourceInstance, "root", "")
		id, err := query.Text(ctx, s, "SELECT CONNECTION_ID()")
		require.NoError(t, err)
		go func() {
			defer close(done)
			_, _ = s.ExecContext(ctx, statement) // it is killed
		}()
		return func() {
			p.SourceInstance.Exec("KILL " + id)
			<-done
			cancel()
		}
	}
}

func metadataLock(t *testing.T, p *replicationtest.Pair) func() {
	if p.SourceInstance.Flavor == servertest.MariaDB {
		p.SourceInstance.Exec("INSTALL SONAME 'metadata_lock_info'")
	}
	end := inSession("BEGIN", "SELECT * FROM app.notes")(t, p)
	stop := busyWith("ALTER TABLE app.notes COMMENT 'waits'")(t, p)
	return func() {
		stop()
		end()
		if p.SourceInstance.Flavor == servertest.MariaDB {
			p.SourceInstance.Exec("UNINSTALL SONAME 'metadata_lock_info'")
		}
	}
}

// restoring sets globals back to their values of now.
func restoring(names ...string) func(*testing.T, *replicationtest.Pair) func() {
	return func(_ *testing.T, p *replicationtest.Pair) func() {
		var statements [2][]string
		for i, s := range []*servertest.Instance{p.SourceInstance, p.TargetInstance} {
			for _, name := range names {
				statements[i] = append(statements[i], "SET GLOBAL "+name+" = "+query.VariableValue(s.Value("SELECT @@GLOBAL."+name)))
			}
		}
		return func() {
			p.SourceInstance.Exec(statements[0]...)
			p.TargetInstance.Exec(statements[1]...)
		}
	}
}

var (
	restoreIDs    = restoring("server_id")
	restoreMode   = restoring("sql_mode")
	restorePacket = restoring("max_allowed_packet")
)

func oneDomain(t *testing.T, p *replicationtest.Pair) func() {
	restore := restoring("gtid_domain_id")(t, p)
	p.SourceInstance.Exec("SET GLOBAL gtid_domain_id = 77")
	p.TargetInstance.Exec("SET GLOBAL gtid_domain_id = 77")
	return restore
}

// asReplica reads the source's binlog with the target's server_id.
func asReplica(t *testing.T, p *replicationtest.Pair) func() {
	ctx, cancel := context.WithCancel(t.Context())
	reader, err := binlog.Open(ctx, p.Source)
	require.NoError(t, err)
	reader.ID = p.TargetInstance.ServerID
	goal, err := replication.ParseGTIDSet(reader.Dialect.Flavor, map[dialect.Flavor]string{dialect.MariaDB: "0-1-99999999", dialect.MySQL: "11111111-1111-1111-1111-111111111111:1"}[reader.Dialect.Flavor])
	require.NoError(t, err)
	start, err := replication.ExecutedGTIDs(ctx, p.SourceInstance.Root(), reader.Dialect)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- reader.Read(ctx, start, goal, ignoreAll{}) }()
	return func() {
		cancel()
		require.Error(t, <-done)
		require.NoError(t, reader.Close(t.Context()))
		p.SourceInstance.Exec("FLUSH BINARY LOGS") // the server sees that the reader has gone when it has something to send
	}
}

// ignoreAll is a binlog visitor that ignores every transaction.
type ignoreAll struct{}

func (ignoreAll) Begin(binlog.Transaction) bool { return false }

func (ignoreAll) Rows(context.Context, *logevent.RowsEvent, bool) error { return nil }

func (ignoreAll) Statement(statement.Logged) {}

func (ignoreAll) XA(binlog.XAStep, replication.XID) {}

// hugeBinlog adds a sparse file of 8 TiB to the binlog's files.
func hugeBinlog(t *testing.T, p *replicationtest.Pair) func() {
	base := p.SourceInstance.Value("SELECT @@GLOBAL.log_bin_basename")
	name := base + ".000000"
	f, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(8<<40))
	require.NoError(t, f.Close())
	hour := time.Now().Add(-time.Hour)
	first := base + ".000000a0" // ended long before
	require.NoError(t, os.WriteFile(first, nil, 0o600))
	require.NoError(t, os.Chtimes(first, hour.Add(-24*time.Hour), hour.Add(-24*time.Hour)))
	require.NoError(t, os.Chtimes(name, hour, hour))
	second := base + ".000000b0"
	require.NoError(t, os.WriteFile(second, nil, 0o600))
	require.NoError(t, os.Chtimes(second, hour.Add(-time.Second), hour.Add(-time.Second)))
	return func() {
		for _, n := range []string{name, first, second} {
			require.NoError(t, os.Remove(n))
		}
	}
}

func hugeTable(t *testing.T, p *replicationtest.Pair) func() {
	restore := restoring(setting.ExpireVariable)(t, p)
	p.SourceInstance.Exec("SET GLOBAL binlog_expire_logs_seconds = 86400", "CREATE TABLE app.big (id INT PRIMARY KEY AUTO_INCREMENT, b LONGBLOB)",
		"INSERT INTO app.big (b) VALUES (REPEAT('x', 1000000)), (REPEAT('x', 1000000)), (REPEAT('x', 1000000))", "ANALYZE TABLE app.big")
	return func() {
		p.SourceInstance.Exec("DROP TABLE app.big")
		restore()
	}
}

// plantedSize makes a table larger than any disk in the server's statistics.
func plantedSize(_ *testing.T, p *replicationtest.Pair) func() {
	p.SourceInstance.Exec("SET sql_log_bin = 0", "CREATE TABLE app.vast (id INT PRIMARY KEY)", "INSERT INTO app.vast VALUES (1)", "ANALYZE TABLE app.vast",
		"UPDATE mysql.innodb_table_stats SET clustered_index_size = 100000000000 WHERE table_name = 'vast'", "FLUSH TABLES app.vast")
	if p.SourceInstance.Flavor == servertest.MariaDB {
		p.SourceInstance.Restart() // it reads its statistics once
	}
	return func() { p.SourceInstance.Exec("DROP TABLE app.vast") }
}

func largeTransaction(_ *testing.T, p *replicationtest.Pair) func() {
	p.SourceInstance.Exec("FLUSH STATUS", "SET GLOBAL binlog_cache_size = 4096")
	p.SourceInstance.Exec("CREATE TABLE app.large (id INT PRIMARY KEY, b LONGBLOB)", "INSERT INTO app.large VALUES (0, REPEAT('x', 20000))")
	for n := range minLargeTransactions {
		p.SourceInstance.Exec(fmt.Sprintf("INSERT INTO app.large VALUES (%d, REPEAT('x', 20000))", n+1))
	}
	return func() { p.SourceInstance.Exec("DROP TABLE app.large", "SET GLOBAL binlog_cache_size = 32768") }
}

func loadData(t *testing.T, p *replicationtest.Pair) func() {
	file := filepath.Join(p.SourceInstance.Dir, "rows")
	require.NoError(t, os.WriteFile(file, []byte("a row\n"), 0o644))
	p.SourceInstance.Exec("LOAD DATA INFILE '"+file+"' INTO TABLE app.notes (text)", "DELETE FROM app.notes")
	return func() {}
}

// endpointOf makes another port the source's; nil is a port where nothing listens.
func endpointOf(port func(*replicationtest.Pair) int) func(*testing.T, *replicationtest.Pair) func() {
	return func(t *testing.T, p *replicationtest.Pair) func() {
		if port != nil {
			return elsewhere(t, p, port(p))
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		free := l.Addr().(*net.TCPAddr).Port
		require.NoError(t, l.Close())
		return elsewhere(t, p, free)
	}
}

func elsewhere(t *testing.T, p *replicationtest.Pair, port int) func() {
	before := p.Source
	p.Source = replicationtest.ServerAt(t, p.SourceInstance, replication.Source, before.Host(), replication.Endpoint{Host: "127.0.0.1", Port: port})
	return func() { p.Source = before }
}

// foreignPort makes the source's port one that speaks another protocol.
func foreignPort(t *testing.T, p *replicationtest.Pair) func() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("SSH-2.0-something else\r\n"))
			_ = conn.Close()
		}
	}()
	undo := elsewhere(t, p, l.Addr().(*net.TCPAddr).Port)
	return func() {
		undo()
		_ = l.Close()
		<-done
	}
}

func noSchema(_ *testing.T, p *replicationtest.Pair) func() {
	before := p.Schemas
	p.Schemas = []string{"app", "nowhere"}
	return func() { p.Schemas = before }
}
