package schema

import (
	"context"
	"fmt"
	"slices"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
)

// eventOver is the condition of an event that is over and is not to be preserved: no server
// takes it, or lets its status be changed. The scheduler drops it where it runs. Times are
// in the event's time zone; without the server's tables of zones they count half a day later.
const eventOver = `(ON_COMPLETION = 'NOT PRESERVE' AND COALESCE(CONVERT_TZ(COALESCE(EXECUTE_AT, ENDS), TIME_ZONE, '+00:00'),
	COALESCE(EXECUTE_AT, ENDS) + INTERVAL 14 HOUR, '9999-12-31') < UTC_TIMESTAMP())`

// passing are the numbers of errors that say nothing about a view itself: a lock, a limit
// of time, memory, disk or connections, an ended session, a network that fails.
var passing = []uint16{
	1021, 1030, 1037, 1038, 1040, 1041, 1053, 1135, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1226, 1317,
	1927, 1969, // MariaDB
	3024, 3169, // MySQL
}

// LeftOut says why an object of the source is left out of a copy that makes objects one by
// one, or returns "". A verify leaves out the same where the target lacks it.
func LeftOut(ctx context.Context, source query.Queryer, o Object) (why string, err error) {
	switch o.Kind {
	case KindView:
		_, broken := query.Text(ctx, source, "SELECT 1 FROM "+query.QuoteTable(o.Schema, o.Name)+" LIMIT 0")
		if n := query.ErrorNumber(broken); n == 0 || slices.Contains(passing, n) {
			return "", report.Wrap("read "+o.Title(), broken)
		}
		return fmt.Sprintf("it is broken on the source: %v", broken), nil
	case KindEvent:
		over, err := query.Text(ctx, source, "SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ? AND EVENT_NAME = ? AND "+eventOver, o.Schema, o.Name)
		if err != nil || over == "0" {
			return "", err
		}
		return "it is over, and is not to be preserved", nil
	}
	return "", nil
}
