package replicationtest

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/secret"
)

// The login of MakeTCPLogin.
const (
	tcpUser     = "migrate_crash"
	tcpPassword = "pw"
)

// MakeTCPLogin makes an administrator that may log in over TCP: user migrate_crash,
// password pw. The statements stay out of the binlog.
func MakeTCPLogin(servers ...*servertest.Instance) {
	create := "CREATE USER " + tcpUser + "@'%' IDENTIFIED BY '" + tcpPassword + "'"
	for i, s := range servers {
		s.Exec("SET sql_log_bin = 0", create, "GRANT ALL ON *.* TO "+tcpUser+"@'%' WITH GRANT OPTION")
		if i == 0 && s.Flavor == servertest.MySQL { // whose hashes have salt: the account is the same on all
			s.Exec("SET GLOBAL print_identified_with_as_hex = 1")
			create = s.Value("SHOW CREATE USER " + tcpUser + "@'%'")
		}
	}
}

// TCPPair is the pair of the servers at two TCP addresses, by the login of MakeTCPLogin.
func TCPPair(t testing.TB, source, target string) replication.Pair {
	t.Helper()
	server := func(side replication.Side, address string) *replication.Server {
		s := replication.NewServer(replication.ServerConfig{
			Name: string(side), Side: side, Network: "tcp", Address: address, User: tcpUser, Password: secret.New(tcpPassword),
		})
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	return replication.Pair{Name: "main", Source: server(replication.Source, source), Target: server(replication.Target, target)}
}

// seedServersVariable tells the process of SeedProcess the addresses of its
// servers: source,target.
const seedServersVariable = "MIGRATE_TEST_SEED_SERVERS"

// SeedProcess is the command that runs one test of this test binary in a process of
// its own, so that the process can be killed or measured. The test seeds the pair of
// SeedProcessPair, whose servers are at the two TCP addresses.
func SeedProcess(ctx context.Context, test, source, target string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+test+"$", "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), seedServersVariable+"="+source+","+target)
	return cmd
}

// SeedProcessPair is the pair that a process of SeedProcess seeds; ok is false in
// every other process.
func SeedProcessPair(t testing.TB) (pair replication.Pair, ok bool) {
	t.Helper()
	source, target, ok := strings.Cut(os.Getenv(seedServersVariable), ",")
	if !ok {
		return replication.Pair{}, false
	}
	return TCPPair(t, source, target), true
}
