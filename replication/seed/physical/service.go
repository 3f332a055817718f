package physical

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/setting"
	"github.com/dcmigrate/migrate/report"
)

// Service stops and starts the service of a server. Stop and Start return once the service
// is stopped or started; they do nothing if it already is.
type Service interface {
	// Unit returns the name of the service that a running server belongs to.
	Unit(ctx context.Context, s *replication.Server) (string, error)
	Stop(ctx context.Context, unit string) error
	Start(ctx context.Context, unit string) error
}

// systemd is the Service of a host that systemd runs.
type systemd struct{ Host remote.Host }

// Unit asks systemd for the unit of the server's process.
func (d systemd) Unit(ctx context.Context, s *replication.Server) (string, error) {
	if d.Host == nil {
		return "", fmt.Errorf("find the unit of %s: its host cannot be reached", s.Name())
	}
	file, err := setting.PidFile(ctx, s)
	if err != nil {
		return "", err
	}
	// The first line is "* mariadb.service - …", with another sign in UTF-8.
	unit, err := d.run(ctx, `pid=$(cat `+remote.Quote(file)+`)
set -- $(LC_ALL=C SYSTEMD_COLORS=0 systemctl status --no-pager --lines=0 "$pid" 2>&1 | head -n 1)
case ${2-} in
*.service) printf %s "$2" ;;
*) echo "process $pid belongs to no service of systemd: $*" >&2; exit 1 ;;
esac`)
	if err != nil {
		return "", fmt.Errorf("find the unit of %s: %w", s.Name(), err)
	}
	return unit, nil
}

// Stop stops the unit.
func (d systemd) Stop(ctx context.Context, unit string) error {
	_, err := d.run(ctx, "systemctl stop "+remote.Quote(unit))
	return report.Wrap("stop "+unit, err)
}

// Start starts the unit, also after systemd has given up on it.
func (d systemd) Start(ctx context.Context, unit string) error {
	_, err := d.run(ctx, "systemctl reset-failed "+remote.Quote(unit)+" 2>/dev/null || :\nsystemctl start "+remote.Quote(unit))
	return report.WithHint(report.Wrap("start "+unit, err), "look at journalctl -u %s on %s", unit, d.Host.Name())
}

func (d systemd) run(ctx context.Context, script string) (string, error) {
	var out bytes.Buffer
	err := d.Host.Run(ctx, "set -eu\n"+script+"\n", nil, &out)
	return strings.TrimSpace(out.String()), err
}
