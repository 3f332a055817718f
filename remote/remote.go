// Package remote runs commands on hosts and reaches the sockets behind them.
// Domain packages take its small Host interface; ssh.go implements it over SSH,
// local.go on this machine.
package remote

import (
	"context"
	"io"
	"net"
)

// Host is a machine that commands run on. All methods are safe for use by many
// goroutines at once.
type Host interface {
	// Name is the host's name in migration.yaml.
	Name() string
	// Run runs script with POSIX sh (as root where the login is root or has
	// sudo -n), feeding stdin after it, and streams standard output to stdout.
	// A nil stdin is empty; a nil stdout discards. The script travels in the
	// session's input, never in an argument list, and a script that arrives cut
	// off does not run. A command that fails is an *ExitError with the tail of
	// its standard error.
	//
	// When ctx ends, reading stdin fails, or writing stdout fails, the script's
	// process group gets SIGTERM and Run returns at once with that error. It does
	// not see the end of its input in that case: `cat >new && mv new old` is safe.
	// When the script ends before it has read all of stdin, the rest is dropped;
	// one call of stdin.Read may then outlast Run. A background child must
	// redirect its output, or Run waits for it.
	Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error
	// Dial connects from the host to an address there: network "tcp" or "unix".
	// The connection has working deadlines. ctx covers only the dialing.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	// Close ends the connection and what runs through it; the Host connects
	// again when it is used again.
	Close() error
}

// Connector is a Host that can be connected to ahead of its first command.
type Connector interface {
	// Connect connects unless that is done already.
	Connect(ctx context.Context) error
}

// Login is a Host whose login may run scripts without becoming root.
type Login interface {
	// RunAsLogin is Run as the login itself.
	RunAsLogin(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error
}
