package lead

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/report"
)

func sides(p replication.Pair) []*replication.Server {
	return []*replication.Server{p.Source, p.Target}
}

// seen are the marks of a pair.
type seen struct {
	server *replication.Server
	mark   Mark
}

// markTimeout bounds the reading of a server's mark.
const markTimeout = 5 * time.Second

// marks reads the marks of the servers that answer. errs are of those that do not.
func marks(ctx context.Context, p replication.Pair) (all []seen, errs []error) {
	ctx, cancel := context.WithTimeout(ctx, markTimeout)
	defer cancel()
	found, failed := make([]Mark, 2), make([]error, 2)
	var group errgroup.Group
	for i, s := range sides(p) {
		group.Go(func() error { found[i], _, failed[i] = Read(ctx, s); return nil })
	}
	_ = group.Wait() // its functions return nil: failed has the errors
	for i, s := range sides(p) {
		switch err := failed[i]; {
		case errors.Is(err, replication.ErrNotProvisioned):
		case err != nil:
			errs = append(errs, err)
		default:
			all = append(all, seen{s, found[i]})
		}
	}
	return all, errs
}

func highest(all []seen) (term int64) {
	for _, m := range all {
		term = max(term, m.mark.Term)
	}
	return term
}

// Check returns an *OtherError if another controller leads a pair, or this one's journal is
// an old copy. It only reads. What does not answer is left to the steps, which fail on it.
func (c Controller) Check(ctx context.Context, pairs ...replication.Pair) error {
	for _, p := range pairs {
		all, _ := marks(ctx, p)
		if err := c.check(all); err != nil {
			return err
		}
	}
	return nil
}

// check looks at the marks that hold.
func (c Controller) check(all []seen) error {
	term := highest(all)
	for _, m := range all {
		if m.mark.Term > 0 && m.mark.Term == term && c.objects(m.mark) {
			return c.refuse(m.server, m.mark)
		}
	}
	return nil
}

// Keep marks the servers of a pair that can be marked: those without a mark, and those
// whose mark is of this controller and older than its journal. A fenced MySQL server keeps
// what it bears. A server that does not answer is an error only if none does. both is true
// if both servers were looked at.
func (c Controller) Keep(ctx context.Context, p replication.Pair) (both bool, err error) {
	all, errs := marks(ctx, p)
	if len(all) == 0 {
		return false, errors.Join(errs...)
	}
	if err := c.check(all); err != nil {
		return false, err
	}
	term := max(1, highest(all))
	for _, m := range all {
		err := write(ctx, m.server, func(stands Mark) (Mark, error) {
			switch {
			case stands.Term > term, stands.Term == term && c.objects(stands):
				return stands, c.refuse(m.server, stands)
			case stands.Term == term:
				return Mark{c, term, stands.Since}, nil
			}
			return Mark{c, term, now()}, nil
		})
		if err != nil && !errors.Is(err, errFenced) {
			return false, err
		}
	}
	return len(all) == 2, nil
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// TakeOver makes this controller the one that leads a pair, whoever did before. The other
// one is refused from its next step on.
func (c Controller) TakeOver(ctx context.Context, p replication.Pair) error {
	all, errs := marks(ctx, p)
	term, marked := highest(all), 0
	if term == 0 {
		return errors.Join(errs...) // nobody leads: the first step that writes marks
	}
	if c.check(all) == nil {
		return nil
	}
	for _, m := range all {
		err := write(ctx, m.server, func(stands Mark) (Mark, error) {
			if stands.Term > term {
				return stands, c.refuse(m.server, stands) // another one takes over right now
			}
			return Mark{c, term + 1, now()}, nil
		})
		if errors.Is(err, errFenced) {
			continue
		}
		if err != nil {
			return err
		}
		report.Note(ctx, "this controller leads on %s from now on, and not %s", m.server.Name(), m.mark.Controller)
		marked++
	}
	if marked == 0 {
		return report.WithHint(errors.Join(append(errs, fmt.Errorf("take over the pair %s: no server of it can be marked without lifting a fence", p.Name))...),
			"a switch is under way: wait until its guard has opened one side (migrate status), then run the same command again")
	}
	return nil
}

// GiveBack removes this controller's marks from a pair, and migrate's schema where nothing
// else is left in it. A mark of another one stays, and so does one that a longer journal has
// written. What cannot be reached is noted.
func (c Controller) GiveBack(ctx context.Context, p replication.Pair) {
	for _, s := range sides(p) {
		mark, ok, err := Read(ctx, s)
		if errors.Is(err, replication.ErrNotProvisioned) || err == nil && (!ok || c.objects(mark)) {
			continue
		}
		if err == nil {
			err = account.AsAdmin(ctx, s, []string{dialect.Unlogged}, func(ctx context.Context, session *replication.Session) error {
				return replication.DropOwnTables(ctx, session, table)
			})
		}
		if err != nil {
			report.Note(ctx, "the mark of this controller may be left on %s, in the table %s.%s: %v", s.Name(), replication.OwnSchema, table, err)
		}
	}
}
