// Package remote runs commands on hosts and reaches the sockets behind them.
// Domain packages take its small Host interface; ssh.go implements it over SSH,
// local.go on this machine.
package remote

import (
	"context"
	"io"
	"net"
)

// Host is a machine that commands run on.
type Host interface {
	// Name is the host's name in migration.yaml.
	Name() string
	// Run runs script with POSIX sh (as root where the login is root or has
	// sudo -n), feeding stdin after it, and streams standard output to stdout.
	// A nil stdin is empty; a nil stdout discards. The script travels in the
	// session's input, never in an argument list. A command that fails is an
	// *ExitError with the tail of its standard error.
	Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error
	// Dial connects from the host to an address there: network "tcp" or "unix".
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	// Close ends the connection; the Host connects again when it is used again.
	Close() error
}
