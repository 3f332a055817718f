package replication

import (
	"context"
	"strings"

	"github.com/dcmigrate/migrate/replication/query"
)

// Computing are the settings of a server on which computed values depend: what a session
// has that has set nothing.
type Computing struct {
	zone, mode string
	// OtherZone says that its time zone is not like UTC, that of migrate's sessions.
	OtherZone bool
	// OtherDates says that it computes other dates than SessionMode from what is no date. A
	// strict mode refuses such rows, so none depends on it.
	OtherDates bool
}

// computingModes are the modes on which computed values depend.
var computingModes = []string{"ALLOW_INVALID_DATES", "NO_ZERO_DATE", "NO_ZERO_IN_DATE", "PAD_CHAR_TO_FULL_LENGTH"}

// someTimes are times of different years and seasons.
const someTimes = "SELECT 86400 AS n UNION ALL SELECT 500000000 UNION ALL SELECT 1000000000 UNION ALL SELECT 1580000000 UNION ALL SELECT 1595000000 UNION ALL SELECT 2000000000"

// ReadComputing reads the settings of a server.
func ReadComputing(ctx context.Context, q query.Queryer) (c Computing, err error) {
	r, _, err := query.One(ctx, q, `SELECT @@GLOBAL.time_zone AS zone, @@GLOBAL.sql_mode AS mode,
		(SELECT COALESCE(SUM(CONVERT_TZ(FROM_UNIXTIME(n), @@SESSION.time_zone, @@GLOBAL.time_zone) <> FROM_UNIXTIME(n)
			OR CONVERT_TZ(FROM_UNIXTIME(n), @@SESSION.time_zone, @@GLOBAL.time_zone) IS NULL), 1) FROM (`+someTimes+`) t) AS other`)
	if err != nil {
		return c, err
	}
	modes := strings.Split(r["mode"], ",")
	kept := []string{"NO_AUTO_VALUE_ON_ZERO", "NO_UNSIGNED_SUBTRACTION"}
	strict, invalid := false, false
	for _, m := range modes {
		strict = strict || strings.HasPrefix(m, "STRICT_")
		invalid = invalid || m == computingModes[0]
		for _, known := range computingModes {
			if m == known {
				kept = append(kept, m)
			}
		}
	}
	return Computing{zone: r["zone"], mode: strings.Join(kept, ","), OtherZone: r["other"] != "0", OtherDates: !strict && !invalid}, nil
}

// Statement gives a session the settings.
func (c Computing) Statement() string {
	return "SET SESSION time_zone = " + query.Literal(c.zone) + ", sql_mode = " + query.Literal(c.mode)
}

// ResetComputing gives a session the settings of migrate's sessions again.
const ResetComputing = "SET SESSION time_zone = '+00:00', sql_mode = '" + SessionMode + "'"
