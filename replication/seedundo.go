package replication

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dcmigrate/migrate/report"
)

// Verify asks the target for the marker and whether its position holds the snapshot.
func (s *seed) Verify(ctx context.Context) error {
	db, dialect, err := s.pair.Target.Open(ctx)
	if err != nil {
		return err
	}
	m, ok, err := readMarker(ctx, db)
	if err != nil {
		return s.pair.Target.wrap("verify the seed", err)
	}
	if !ok || !m.Finished {
		return fmt.Errorf("verify the seed of %s: it has not finished", s.pair.Name)
	}
	want, err := ParseGTIDSet(dialect.Flavor, m.GTIDs)
	if err != nil {
		return err
	}
	have, err := executedGTIDs(ctx, db, dialect)
	if err != nil {
		return s.pair.Target.wrap("verify the seed", err)
	}
	if !have.Contains(want) {
		return fmt.Errorf("verify the seed of %s: the target's position %s is behind the snapshot %s", s.pair.Name, have, want)
	}
	return nil
}

// Undo drops what the seed made and empties the target's position; without a
// marker of ours there is nothing to undo.
func (s *seed) Undo(ctx context.Context, _ json.RawMessage) error {
	db, err := s.pair.Target.DB(ctx)
	if err != nil {
		return err
	}
	_, ok, err := readMarker(ctx, db)
	if errors.Is(err, ErrNotProvisioned) {
		return nil
	}
	if err != nil {
		return s.pair.Target.wrap("undo the seed", err)
	}
	if !ok {
		return nil
	}
	return s.writable(ctx, s.clear)
}

// clear drops everything that the marker names, and the marker last.
func (s *seed) clear(ctx context.Context) error {
	db, d, err := s.pair.Target.Open(ctx)
	if err != nil {
		return err
	}
	m, ok, err := readMarker(ctx, db)
	if err != nil || !ok {
		return err
	}
	status, err := d.ReplicaStatus(ctx, db)
	if err != nil {
		return s.pair.Target.wrap("clear the seed", err)
	}
	if status.Configured {
		return report.WithHint(fmt.Errorf("%s still has a link from %s", s.pair.Target.Name(), status.Origin), "remove the link before the seed")
	}
	session, err := s.pair.Target.Session(ctx, Unlogged, "SET SESSION foreign_key_checks = 0")
	if err != nil {
		return err
	}
	defer session.Close()
	for _, schema := range m.Made.Schemas {
		if schema == ownSchema {
			continue // goes last, with the marker
		}
		if _, err := session.ExecContext(ctx, "DROP DATABASE IF EXISTS "+Quote(schema)); err != nil {
			return s.pair.Target.wrap("drop schema "+schema, err)
		}
	}
	if err := dropAccounts(ctx, session, m.Made.Accounts); err != nil {
		return s.pair.Target.wrap("undo the seed", err)
	}
	if !m.Finished {
		if err := s.restoreSpace(ctx, m); err != nil {
			return err
		}
	}
	if err := setPosition(ctx, s.pair.Target, GTIDSet{}); err != nil {
		return err
	}
	return dropMarker(ctx, session)
}

// setPosition makes the server's replication position exactly set: its own
// binlog is emptied, so no transaction of its own remains (H12).
func setPosition(ctx context.Context, s *Server, set GTIDSet) error {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return err
	}
	statements := []string{dialect.ResetBinlog()}
	if statement := dialect.SetPosition(set.String()); statement != "" {
		statements = append(statements, statement)
	}
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return s.wrap("set the position", err)
		}
	}
	return nil
}
