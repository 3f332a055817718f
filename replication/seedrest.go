package replication

import (
	"context"
	"fmt"
)

// createRest makes accounts, programs and grants; what an earlier try has made
// of them is dropped first.
func (r *seedRun) createRest(ctx context.Context) error {
	if err := r.dropPrograms(ctx); err != nil {
		return err
	}
	err := r.quietly(ctx, func(session *Session) error { return dropAccounts(ctx, session, r.marker.Made.Accounts) })
	if err != nil {
		return err
	}
	accounts, err := r.missingAccounts(ctx)
	if err != nil {
		return err
	}
	r.marker.Made.Accounts = nil
	for _, a := range accounts {
		r.marker.Made.Accounts = append(r.marker.Made.Accounts, madeAccount{a.User, a.Host, a.Role})
	}
	if err := r.mark(ctx); err != nil {
		return err
	}
	if err := r.quietly(ctx, func(session *Session) error { return createAccounts(ctx, session, accounts) }); err != nil {
		return err
	}
	if err := r.createPrograms(ctx, r.schemas); err != nil {
		return err
	}
	return r.quietly(ctx, func(session *Session) error { return grantAccounts(ctx, session, accounts) })
}

// missingAccounts is what the source has and the target has not. One that is on
// both and differs is an error.
func (r *seedRun) missingAccounts(ctx context.Context) ([]appUser, error) {
	wanted, err := readAccounts(ctx, r.pair.Source)
	if err != nil {
		return nil, err
	}
	there, err := readAccounts(ctx, r.pair.Target)
	if err != nil {
		return nil, err
	}
	return missingAccounts(wanted, there)
}

func dropAccounts(ctx context.Context, session *Session, accounts []madeAccount) error {
	for _, a := range accounts {
		account := appUser{User: a.User, Host: a.Host, Role: a.Role}
		if _, err := session.ExecContext(ctx, account.drop()); err != nil {
			return fmt.Errorf("drop account %s: %w", account.name(), err)
		}
	}
	return nil
}

// dropPrograms drops every view, routine, trigger and event of the seed's
// schemas: no trigger may fire on a row that is copied.
func (r *seedRun) dropPrograms(ctx context.Context) error {
	return r.quietly(ctx, func(session *Session) error {
		for _, name := range r.schemas {
			for _, list := range []struct{ kind, query string }{
				{kindTrigger, "SELECT '' AS kind, TRIGGER_NAME AS name FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ?"},
				{kindEvent, "SELECT '' AS kind, EVENT_NAME AS name FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ?"},
				{kindView, "SELECT '' AS kind, TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE = 'VIEW'"},
				{"", "SELECT ROUTINE_TYPE AS kind, ROUTINE_NAME AS name FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ?"},
			} {
				records, err := queryRecords(ctx, session, list.query, name)
				if err != nil {
					return r.pair.Target.wrap("list programs", err)
				}
				for _, o := range records {
					statement := "DROP " + list.kind + o["kind"] + " IF EXISTS " + QuoteTable(name, o["name"])
					if _, err := session.ExecContext(ctx, statement); err != nil {
						return r.pair.Target.wrap(statement, err)
					}
				}
			}
		}
		return nil
	})
}

// createPrograms makes routines, then views, then triggers and events, when all
// rows are there: no trigger fires on a copied row.
func (s *seed) createPrograms(ctx context.Context, schemas []string) error {
	c, err := newCreator(ctx, s.pair.Source, s.pair.Target)
	if err != nil {
		return err
	}
	defer c.close()
	var views, late []object
	err = readObjects(ctx, s.pair.Source, schemas, programs, pageWaves*s.options.waveTables, func(o object) error {
		switch o.Kind {
		case kindView:
			views = append(views, o)
		case kindTrigger, kindEvent:
			late = append(late, o)
		default:
			return c.create(ctx, o)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.createViews(ctx, views); err != nil {
		return err
	}
	for _, o := range late {
		if err := c.create(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// finish sets the target's position, ends the marker and forgets the notes.
func (r *seedRun) finish(ctx context.Context) error {
	if err := setPosition(ctx, r.pair.Target, r.reached); err != nil {
		return err
	}
	if err := r.restoreSpace(ctx, r.marker); err != nil {
		return err
	}
	r.marker.Finished = true
	if err := r.mark(ctx); err != nil {
		return err
	}
	return r.quietly(ctx, func(session *Session) error {
		for _, name := range []string{notesParts, notesTables, controlTable} {
			if _, err := session.ExecContext(ctx, "DROP TABLE IF EXISTS "+QuoteTable(ownSchema, name)); err != nil {
				return r.pair.Target.wrap("drop the seed's notes", err)
			}
		}
		return nil
	})
}
