package setting

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// instanceHost is the host of a test server. It restarts the server by itself where the
// script asks systemd to.
type instanceHost struct {
	remote.Host
	instance *servertest.Instance
	restarts int
}

func (h *instanceHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	if strings.Contains(script, "systemctl restart") {
		h.restarts++
		h.instance.Restart()
		return nil
	}
	return h.Host.Run(ctx, script, stdin, stdout)
}

// onHost returns a test server with a host that can restart it.
func onHost(t *testing.T, side replication.Side, s *servertest.Instance) (*replication.Server, *instanceHost) {
	host := &instanceHost{Host: remote.NewLocal(string(side)), instance: s}
	out := replication.NewServer(replication.ServerConfig{
		Name: "main (" + string(side) + ")", Side: side, Host: host, Network: "unix", Address: s.Socket, User: "root",
		Endpoint: func(context.Context) (replication.Endpoint, error) {
			return replication.Endpoint{Host: "127.0.0.1", Port: s.Port}, nil
		},
	})
	t.Cleanup(func() { _ = out.Close() })
	return out, host
}
