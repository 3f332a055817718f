package physical

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/report"
)

// requirePrepared requires the target to hold exactly the prepared transactions (XA) that
// the source had at the position of the files. A link ends those that it holds. It stops
// with error 1397 at the end of one that the files have not, and one that the source has
// ended before would lock its rows for ever.
//
// A server writes a transaction into its log and into its files one after the other, so
// what is prepared or ended at that moment may be in one of them only.
func (p *op) requirePrepared(ctx context.Context, n notes) error {
	position, err := replication.ParseGTIDSet(n.Flavor, n.GTIDs)
	if err != nil {
		return err
	}
	want, err := binlog.PreparedAt(ctx, p.pair.Source, position)
	if err != nil {
		return err
	}
	db, d, err := p.pair.Target.Open(ctx)
	if err != nil {
		return err
	}
	have, err := replication.ListPrepared(ctx, db, d)
	if err != nil {
		return p.pair.Target.Wrap("look for prepared transactions", err)
	}
	differ := slices.DeleteFunc(slices.Concat(want, have), func(x replication.XID) bool { return slices.Contains(want, x) && slices.Contains(have, x) })
	if len(differ) == 0 {
		return nil
	}
	return report.WithHint(report.Transient(fmt.Errorf("the files of %s do not agree with its log at %s: %w: %s",
		p.pair.Source.Name(), position, binlog.ErrPrepared, replication.DescribeXIDs(differ)), time.Second),
		"%s; then run the same command again", differ[0].EndHint())
}

// giveBack gives the target its old data back after files that cannot be used.
func (p *op) giveBack(ctx context.Context, n notes, cause error) error {
	report.Note(ctx, "%s gets its old data back: %v", p.pair.Target.Name(), cause)
	return errors.Join(cause, p.restoreData(ctx, n))
}
