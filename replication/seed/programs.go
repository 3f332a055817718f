package seed

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/report"
)

// createAccountsAndPrograms makes accounts, programs and grants. It first drops those of
// an earlier attempt.
func (r *run) createAccountsAndPrograms(ctx context.Context) error {
	if err := r.dropPrograms(ctx); err != nil {
		return err
	}
	err := r.Quietly(ctx, func(session *replication.Session) error { return dropAccounts(ctx, session, r.marker.Effects) })
	if err != nil {
		return err
	}
	accounts, extras, err := r.missingAccounts(ctx)
	if err != nil {
		return err
	}
	r.marker.Effects.Accounts, r.marker.Effects.Extras = nil, nil
	for _, e := range extras {
		r.marker.Effects.Extras = append(r.marker.Effects.Extras, e.Drop)
	}
	for _, a := range accounts {
		for _, void := range a.Void {
			report.Note(ctx, "account %s: %s on the source, is left out", a.Name(), void)
		}
		r.marker.Effects.Accounts = append(r.marker.Effects.Accounts, replication.Account{User: a.User, Host: a.Host, Role: a.Role})
	}
	if err := r.writeMarker(ctx); err != nil {
		return err
	}
	if err := r.Quietly(ctx, func(session *replication.Session) error { return account.Create(ctx, session, accounts) }); err != nil {
		return err
	}
	if err := r.createPrograms(ctx, r.schemas); err != nil {
		return err
	}
	return r.Quietly(ctx, func(session *replication.Session) error {
		return errors.Join(account.Grant(ctx, session, accounts), account.CreateExtras(ctx, session, extras))
	})
}

// missingAccounts returns the source's accounts and extras that the target lacks. What is on
// both and differs is an error.
func (r *run) missingAccounts(ctx context.Context) ([]account.User, []account.Extra, error) {
	var accounts [2][]account.User
	var extras [2][]account.Extra
	for i, s := range []*replication.Server{r.Pair.Source, r.Pair.Target} {
		var err error
		if accounts[i], err = account.Read(ctx, s); err != nil {
			return nil, nil, err
		}
		if extras[i], err = account.ReadExtras(ctx, s); err != nil {
			return nil, nil, err
		}
	}
	missing, err := account.Missing(accounts[0], accounts[1])
	more, differ := account.MissingExtras(extras[0], extras[1])
	return missing, more, errors.Join(err, differ)
}

func dropAccounts(ctx context.Context, session *replication.Session, made replication.Effects) error {
	for _, statement := range made.Extras {
		// MariaDB: a grant that is not there any more, because its schema was dropped.
		if _, err := session.ExecContext(ctx, statement); err != nil && query.ErrorNumber(err) != 1141 && query.ErrorNumber(err) != 1147 {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	for _, a := range made.Accounts {
		account := account.User{User: a.User, Host: a.Host, Role: a.Role}
		if _, err := session.ExecContext(ctx, account.Drop()); err != nil {
			return fmt.Errorf("drop account %s: %w", account.Name(), err)
		}
	}
	return nil
}

// dropPrograms drops all views, routines, triggers and events of the seed's schemas: no
// trigger may fire on a copied row.
func (r *run) dropPrograms(ctx context.Context) error {
	return r.Quietly(ctx, func(session *replication.Session) error {
		for _, name := range r.schemas {
			for _, list := range []struct{ kind, query string }{
				{schema.KindTrigger, "SELECT '' AS kind, TRIGGER_NAME AS name FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ?"},
				{schema.KindEvent, "SELECT '' AS kind, EVENT_NAME AS name FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ?"},
				{schema.KindView, "SELECT '' AS kind, TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE = 'VIEW'"},
				{"", "SELECT ROUTINE_TYPE AS kind, ROUTINE_NAME AS name FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ?"},
			} {
				records, err := query.All(ctx, session, list.query, name)
				if err != nil {
					return r.Pair.Target.Wrap("list programs", err)
				}
				for _, o := range records {
					statement := "DROP " + list.kind + o["kind"] + " IF EXISTS " + query.QuoteTable(name, o["name"])
					if _, err := session.ExecContext(ctx, statement); err != nil {
						return r.Pair.Target.Wrap(statement, err)
					}
				}
			}
		}
		return nil
	})
}

// createPrograms makes routines, then views, then triggers and events. It runs after all
// rows are copied, so no trigger fires on them.
func (s *Op) createPrograms(ctx context.Context, schemas []string) error {
	c, err := schema.NewCreator(ctx, s.Pair.Source, s.Pair.Target)
	if err != nil {
		return err
	}
	defer c.Close()
	var views, late []schema.Object
	err = schema.ReadObjects(ctx, s.Pair.Source, schemas, schema.IsProgram, schema.PageBatches*s.Options.batchTables, func(o schema.Object) error {
		switch o.Kind {
		case schema.KindView:
			views = append(views, o)
		case schema.KindTrigger, schema.KindEvent:
			late = append(late, o)
		default:
			return c.Create(ctx, o)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.CreateViews(ctx, views); err != nil {
		return err
	}
	source, err := s.Pair.Source.DB(ctx)
	if err != nil {
		return err
	}
	for _, o := range late {
		why, err := schema.LeftOut(ctx, source, o)
		if err == nil && why != "" {
			report.Note(ctx, "%s is left out: %s", o.Title(), why)
			continue
		}
		if err == nil {
			err = c.Create(ctx, o)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// finish sets the target's position, finishes the marker and drops the notes.
func (r *run) finish(ctx context.Context) error {
	if err := r.recomputeAsSource(ctx); err != nil {
		return err
	}
	if err := SetPosition(ctx, r.Pair.Target, r.reached); err != nil {
		return err
	}
	if err := r.restoreSpace(ctx, r.marker); err != nil {
		return err
	}
	r.marker.Finished = true
	if err := r.writeMarker(ctx); err != nil {
		return err
	}
	return r.Quietly(ctx, func(session *replication.Session) error {
		return r.Pair.Target.Wrap("drop the seed's notes", replication.DropOwnTables(ctx, session, schema.SeedParts, schema.SeedTables, schema.SeedDoubts, schema.SeedControl))
	})
}
