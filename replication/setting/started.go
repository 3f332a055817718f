package setting

import (
	"context"
	"strconv"

	"github.com/dcmigrate/migrate/replication/query"
)

// StartedAt is when the server started, by its own clock, in seconds since 1970. Uptime and
// clock are in whole seconds, and a clock may be adjusted a little: times within a few
// seconds are of one start.
func StartedAt(ctx context.Context, q query.Queryer) (int64, error) {
	r, _, err := query.One(ctx, q, "SHOW GLOBAL STATUS LIKE 'Uptime'")
	if err != nil {
		return 0, err
	}
	uptime, err := strconv.ParseInt(r["Value"], 10, 64)
	if err != nil {
		return 0, err
	}
	now, err := query.Text(ctx, q, "SELECT UNIX_TIMESTAMP()")
	if err != nil {
		return 0, err
	}
	seconds, err := strconv.ParseInt(now, 10, 64)
	return seconds - uptime, err
}
