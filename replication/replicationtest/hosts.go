package replicationtest

import (
	"context"
	"fmt"
	"net"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
)

// AbsentHost is a host that an earlier step of the plan will create.
type AbsentHost struct{ remote.Host }

// Dial returns replication.ErrNotProvisioned.
func (AbsentHost) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, fmt.Errorf("dial: %w", replication.ErrNotProvisioned)
}
