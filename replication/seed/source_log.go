package seed

import (
	"context"
	"fmt"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/setting"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
)

// requiredLogSettings make the source's log fit for a copy under writes: it holds every
// change of a row, completely, and each transaction has an id. Preflight reports all of
// them (H4, H12); the seed does not rely on that.
var requiredLogSettings = []struct{ name, value, fix string }{
	{"log_bin", "ON", "set log_bin in the source's option file and restart it"},
	{"gtid_mode", "ON", "turn GTIDs on step by step (OFF_PERMISSIVE, ON_PERMISSIVE, ON), in the source's option file too"},
	{"binlog_format", "ROW", "SET GLOBAL binlog_format = 'ROW' on the source, in its option file too, and recycle open sessions"},
	{"binlog_row_image", "FULL", "SET GLOBAL binlog_row_image = 'FULL' on the source, in its option file too, and recycle open sessions"},
	{"binlog_row_value_options", "", "SET GLOBAL binlog_row_value_options = '' on the source, in its option file too, and recycle open sessions"},
}

// refuseLog returns an error if the source's log does not hold every change.
func (s *Op) refuseLog(ctx context.Context) error {
	db, err := s.Pair.Source.DB(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, want := range requiredLogSettings {
		names = append(names, want.name)
	}
	have, err := query.Variables(ctx, db, names...)
	if err != nil {
		return s.Pair.Source.Wrap("read how it logs", err)
	}
	for _, want := range requiredLogSettings {
		if value, ok := have[want.name]; ok && !setting.SameValue(value, want.value) {
			return report.WithHint(fmt.Errorf("%s cannot be copied while it is written to: %s is %q, needed is %q",
				s.Pair.Source.Name(), want.name, value, want.value), "%s", want.fix)
		}
	}
	return nil
}

// hintMissingFeature adds a hint to a server's error about a feature that it lacks.
func (s *Op) hintMissingFeature(err error) error {
	if report.Hint(err) != "" {
		return err
	}
	switch query.ErrorNumber(wire.DriverError(err)) {
	case 1005, // cannot create the table, for example because of its options
		1115, 1273, // unknown character set, collation
		1128,       // no such function or full-text parser
		1286,       // unknown engine
		1298,       // unknown time zone
		1524,       // a plugin is not loaded
		1911,       // MariaDB: unknown option
		3185, 3825, // MySQL: no keyring, encryption of the schema
		4161: // MariaDB: unknown data type
		return report.WithHint(err, "%s lacks what that definition names: migrate plan lists it with the fix (H17, H21, H26); then run the same command again, and the seed goes on",
			s.Pair.Target.Name())
	}
	return err
}
