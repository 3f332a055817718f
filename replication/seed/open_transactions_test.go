package seed

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/secret"
)

// TestSeedLeavesNothingOpenOnTheSource samples the transactions of a source that is
// written to, through a slow network and with long rows. None of the seed's gets as old as
// five seconds, and the history list does not grow.
func TestSeedLeavesNothingOpenOnTheSource(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeLoadSchema(source)
		source.Exec("CREATE USER seeder@localhost IDENTIFIED BY 'pw'", "GRANT ALL ON *.* TO seeder@localhost WITH GRANT OPTION",
			"ALTER TABLE load1.nokey ADD id INT PRIMARY KEY AUTO_INCREMENT INVISIBLE", "CREATE TABLE load1.long1 (id INT PRIMARY KEY, v LONGBLOB)")
		for i := range 40 {
			source.Exec(fmt.Sprintf("INSERT INTO load1.long1 VALUES (%d, REPEAT('%c', 262144))", i, 'a'+i%26))
		}
		pair.Source = replication.NewServer(replication.ServerConfig{
			Name: "main (source)", Side: replication.Source, Host: slowHost{Local: remote.NewLocal("db1"), bytesPerSecond: 1 << 20}, Network: "unix", Address: source.Socket,
			User: "seeder", Password: secret.New("pw"),
		})
		t.Cleanup(func() { _ = pair.Source.Close() })
		stop := replicationtest.Load(t, source)
		stopSampling := sampleSeed(t, source)
		require.NoError(t, StepWith(pair, Options{Workers: 3}).Op.Apply(t.Context()))
		seconds, history := stopSampling()
		require.Positive(t, stop())
		require.Less(t, seconds, int64(5))
		t.Logf("the oldest transaction of the seed: %d s; the history list at most %d", seconds, history)
		require.Less(t, history, int64(100_000), "purged all the time")
		replicationtest.Replicate(t, flavor, source, target)
		replicationtest.Settle(t, pair.Source, pair.Target)
		require.Equal(t, replicationtest.Checksums(t, source, "load1"), replicationtest.Checksums(t, target, "load1"))
	})
}

// sampleSeed samples the transactions of the login "seeder" and the history list of a
// server until its result is called. It returns the age of the oldest transaction in
// seconds, and the greatest length of the list.
func sampleSeed(t *testing.T, s *servertest.Instance) (stop func() (oldest, history int64)) {
	ctx, cancel := context.WithCancel(t.Context())
	type maxima struct{ oldest, history int64 }
	out := make(chan maxima, 1)
	go func() {
		var m maxima
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			r, ok, err := query.One(ctx, s.Root(), `SELECT
				(SELECT COALESCE(MAX(TIMESTAMPDIFF(SECOND, trx_started, NOW())), 0) FROM information_schema.INNODB_TRX
					JOIN information_schema.PROCESSLIST ON ID = trx_mysql_thread_id WHERE USER = 'seeder') AS oldest,
				(SELECT `+"`COUNT`"+` FROM information_schema.INNODB_METRICS WHERE NAME = 'trx_rseg_history_len') AS history`)
			if err == nil && ok {
				m.oldest, m.history = max(m.oldest, query.Number(r["oldest"])), max(m.history, query.Number(r["history"]))
			}
			select {
			case <-ctx.Done():
				out <- m
				return
			case <-tick.C:
			}
		}
	}()
	return func() (int64, int64) { cancel(); m := <-out; return m.oldest, m.history }
}

// slowHost is this host behind a narrow network: each connection receives at most so many
// bytes a second.
type slowHost struct {
	*remote.Local
	bytesPerSecond int
}

// Dial connects as Local does.
func (h slowHost) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := h.Local.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return slowConn{conn, h.bytesPerSecond}, nil
}

type slowConn struct {
	net.Conn
	bytesPerSecond int
}

// Read reads what the connection has, and then waits as long as that takes.
func (c slowConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), 32<<10)])
	<-time.After(time.Duration(n) * time.Second / time.Duration(c.bytesPerSecond))
	return n, err
}
