package lab

import (
	"context"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/lab/machine"
)

// servicesTimeout is how long a host may take to boot until its services answer.
const servicesTimeout = time.Minute

// Crash cuts a host's power and boots it again from the same disk. It returns
// when MariaDB and nginx answer, each if it is installed and enabled.
func (l *Lab) Crash(ctx context.Context, h *machine.Host) error {
	if err := h.Kill(); err != nil {
		return err
	}
	return l.boot(ctx, h)
}

// boot starts a host that is down and waits for its services, as Crash does.
func (l *Lab) boot(ctx context.Context, h *machine.Host) error {
	ctx, cancel := context.WithTimeout(ctx, servicesTimeout)
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

// ClearFaults removes the injected faults that have not struck yet and returns
// their number: a test that expects all of them to strike wants zero.
func (l *Lab) ClearFaults() int { return l.CF.ClearFaults() + l.DO.ClearFaults() }
