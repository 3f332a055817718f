package lab

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/lab/dosim"
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

// Fault is a way for a vendor to misbehave once, in the middle of a move.
type Fault struct {
	Name   string
	Inject func(*Lab)
}

// Faults are those that a move has to survive without a trace: answers dropped
// after the work was done and before it, 429 with Retry-After, 500, an HTML 502,
// and 200 without success, on the calls that change something.
func Faults() []Fault {
	var out []Fault
	for _, call := range []struct{ method, path string }{
		{http.MethodPost, "/zones/*/dns_records/batch"}, {http.MethodPost, "/zones/*/purge_cache"}, {http.MethodGet, "/zones/*/dns_records"},
	} {
		for _, k := range []cfsim.Kind{
			cfsim.DropAfter, cfsim.DropBefore, cfsim.TooManyRequests, cfsim.ServerError, cfsim.BadGateway, cfsim.NotSuccessful,
		} {
			f := cfsim.Fault{Method: call.method, Path: call.path, Kind: k, Delay: time.Second}
			out = append(out, Fault{fmt.Sprintf("Cloudflare: %s on %s %s", k, call.method, call.path), func(l *Lab) { l.CF.Inject(f) }})
		}
	}
	for _, call := range []struct{ method, path string }{
		{http.MethodPost, "/v2/droplets"}, {http.MethodPost, "/v2/firewalls"}, {http.MethodGet, "/v2/droplets"},
	} {
		for _, k := range []dosim.Kind{dosim.DropAfter, dosim.DropBefore, dosim.TooManyRequests, dosim.ServerError, dosim.BadGateway} {
			f := dosim.Fault{Method: call.method, Path: call.path, Kind: k, Delay: time.Second}
			out = append(out, Fault{fmt.Sprintf("DigitalOcean: %s on %s %s", k, call.method, call.path), func(l *Lab) { l.DO.Inject(f) }})
		}
	}
	return out
}

// ClearFaults takes back the faults that have not struck and returns how many
// there were: a test that wants them all to strike wants zero.
func (l *Lab) ClearFaults() int { return l.CF.ClearFaults() + l.DO.ClearFaults() }
