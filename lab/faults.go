package lab

import (
	"context"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/lab/machine"
)

// backTimeout bounds how long a crashed host may take until its services answer.
const backTimeout = time.Minute

// Crash pulls a host's plug and boots it again from the same disk. It returns
// when the services that the host is there for answer: MariaDB where it is
// installed and enabled, nginx alike.
func (l *Lab) Crash(ctx context.Context, h *machine.Host) error {
	if err := h.Kill(); err != nil {
		return err
	}
	return l.Boot(ctx, h)
}

// Boot starts a host that is down, and waits for its services as Crash does.
func (l *Lab) Boot(ctx context.Context, h *machine.Host) error {
	ctx, cancel := context.WithTimeout(ctx, backTimeout)
	defer cancel()
	if err := h.Start(ctx); err != nil {
		return err
	}
	const wait = `wait() { until "$@" >/dev/null 2>&1; do sleep 0.1; done; }
if systemctl -q is-enabled mariadb; then wait mariadb-admin ping; fi
if systemctl -q is-enabled nginx; then wait systemctl -q is-active nginx; fi`
	if err := h.Exec(ctx, wait, nil, nil); err != nil {
		return fmt.Errorf("wait for the services of %s: %w", h.Name(), err)
	}
	return nil
}

// ClearFaults takes back the faults that have not struck and returns how many
// there were: a test that wants them all to strike wants zero.
func (l *Lab) ClearFaults() int { return l.CF.ClearFaults() + l.DO.ClearFaults() }
