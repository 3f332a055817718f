package replication

import (
	"context"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// restartTimeout bounds the wait for a server that restarts.
const restartTimeout = 2 * time.Minute

// restartScript restarts the unit that runs the server; its name depends on the distribution.
const restartScript = `for unit in mariadb mysql mysqld; do
	if systemctl cat "$unit.service" >/dev/null 2>&1; then exec systemctl restart "$unit.service"; fi
done
echo "no unit mariadb, mysql or mysqld" >&2
exit 1
`

// Restart restarts the server's service and waits until it answers.
func Restart(ctx context.Context, s *Server) error {
	report.Note(ctx, "%s is restarted", s.Name())
	if err := s.Host().Run(ctx, restartScript, nil, nil); err != nil {
		return report.WithHint(fmt.Errorf("restart %s: %w", s.Name(), err), "look at journalctl -u mariadb -u mysql on its host")
	}
	return WaitForAnswer(ctx, s)
}

// WaitForAnswer waits until the server answers on new connections.
func WaitForAnswer(ctx context.Context, s *Server) error {
	ctx, cancel := context.WithTimeout(ctx, restartTimeout)
	defer cancel()
	for {
		_ = s.Close() // connections from before the restart
		_, err := s.Dialect(ctx)
		if err == nil {
			return nil
		}
		if wait.For(ctx, 200*time.Millisecond) != nil {
			return s.Wrap("wait for the restart", err)
		}
	}
}
