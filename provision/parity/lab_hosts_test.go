package parity_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/dcmigrate/migrate/lab/machine"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/remote"
)

// execHost is a lab host as a remote.Host, without SSH.
type execHost struct{ *machine.Host }

func (h execHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	return h.Exec(ctx, script, stdin, stdout)
}

func (h execHost) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("not needed here")
}

func (h execHost) Close() error { return nil }

// labHosts reaches the one source directly and the droplets over SSH.
type labHosts struct {
	identity  string
	directory *provision.Directory
	source    remote.Host

	mu      sync.Mutex
	targets map[string]remote.Host
}

func (h *labHosts) Source(string) remote.Host { return h.source }

func (h *labHosts) Target(name string) remote.Host {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.targets[name] == nil {
		h.targets[name] = remote.NewSSH(remote.SSHConfig{
			Name: name, Address: h.directory.Address(name), IdentityFile: h.identity,
			KnownHosts: []string{h.directory.KnownHosts()}, ConnectTimeout: 5 * time.Second,
		})
	}
	return h.targets[name]
}

func (h *labHosts) close() {
	for _, t := range h.targets {
		_ = t.Close() // the droplet may be gone
	}
}
