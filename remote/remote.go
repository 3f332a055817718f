// Package remote runs commands on hosts and connects to sockets that only the hosts
// can reach.
//
// Domain packages take its small Host interface. SSH implements it over SSH, Local
// on this machine. SSH needs a login, a private key or agent, and the host's key on
// record; a login other than root needs sudo -n. Both promise that a script never
// stands in an argument list, that a script or input that arrives cut off is never
// taken for the whole, and that the connection is made again when it was lost.
package remote

import (
	"context"
	"io"
	"net"
)

// Host is a server that commands run on. All methods are safe for concurrent use.
type Host interface {
	// Name is the host's name in migration.yaml.
	Name() string
	// Run runs script with POSIX sh, as root if the login is root or has sudo -n.
	// It gives stdin to the script and streams standard output to stdout. A nil
	// stdin is empty; a nil stdout discards the output. The script travels in the
	// session's input, never in an argument list. A script that arrives cut off
	// does not run. If the script fails, the error is an *ExitError with the end
	// of its standard error.
	//
	// When ctx ends, reading stdin fails, or writing stdout fails, the script's
	// process group gets SIGTERM and Run returns at once with that error. In that
	// case the script does not see the end of its input, so that
	// `cat >new && mv new old` is safe. When the script ends before it has read
	// all of stdin, the rest is dropped; one call of stdin.Read may then outlast
	// Run. A background child must redirect its output, or Run waits for it.
	Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error
	// Dial connects from the host to an address as the host sees it; network is
	// "tcp" or "unix". The connection supports deadlines. ctx covers only the
	// dialing.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	// Close ends the connection and everything that runs through it. The Host
	// connects again when it is used again.
	Close() error
}

// Connector is a Host that can connect before its first command.
type Connector interface {
	// Connect connects unless the connection exists already.
	Connect(ctx context.Context) error
}

// Login is a Host that can run scripts as its login, without becoming root.
type Login interface {
	// RunAsLogin is Run without becoming root.
	RunAsLogin(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error
}
