package seed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/used"
	"github.com/dcmigrate/migrate/report"
)

// requireSameTarget refuses a target that is not the server to which an earlier attempt
// has written: a copy of its data directory, or a server in its place.
func (r *run) requireSameTarget(ctx context.Context, noted string) error {
	now, err := replication.Identity(ctx, r.Pair.Target)
	if err != nil || noted == "" || replication.SameServer(noted, now) {
		return err
	}
	return report.WithHint(fmt.Errorf("%s is not the server that the seed began on (it is %s, and was %s): its data directory was replaced or restored",
		r.Pair.Target.Name(), now, noted),
		"run migrate rollback --all to take the seed back, and migrate apply to begin a new one")
}

// Verify checks the target's marker, and that its position includes the snapshot's.
func (s *Op) Verify(ctx context.Context) error {
	db, dialect, err := s.Pair.Target.Open(ctx)
	if err != nil {
		return err
	}
	m, ok, err := replication.ReadMarker(ctx, db)
	if err != nil {
		return s.Pair.Target.Wrap("verify the seed", err)
	}
	if !ok || !m.Finished {
		return fmt.Errorf("verify the seed of %s: it has not finished", s.Pair.Name)
	}
	want, err := replication.ParseGTIDSet(dialect.Flavor, m.GTIDs)
	if err != nil {
		return err
	}
	have, err := replication.ExecutedGTIDs(ctx, db, dialect)
	if err != nil {
		return s.Pair.Target.Wrap("verify the seed", err)
	}
	if !have.Contains(want) {
		return fmt.Errorf("verify the seed of %s: the target's position %s is behind the snapshot %s", s.Pair.Name, have, want)
	}
	return nil
}

// Undo drops what the seed made and empties the target's position. Without a marker there
// is nothing to undo. A target that is used is left as it is: see used.Refuse.
func (s *Op) Undo(ctx context.Context, _ json.RawMessage) error {
	db, err := s.Pair.Target.DB(ctx)
	if err != nil {
		return err
	}
	_, ok, err := replication.ReadMarker(ctx, db)
	if errors.Is(err, replication.ErrNotProvisioned) {
		return nil
	}
	if err != nil {
		return s.Pair.Target.Wrap("undo the seed", err)
	}
	if !ok {
		return nil
	}
	if err := used.Refuse(ctx, s.Pair); err != nil {
		return err
	}
	return s.Writable(ctx, s.clear)
}

// clear drops everything that the marker names, and the marker last.
func (s *Op) clear(ctx context.Context) error {
	db, d, err := s.Pair.Target.Open(ctx)
	if err != nil {
		return err
	}
	m, ok, err := replication.ReadMarker(ctx, db)
	if err != nil || !ok {
		return err
	}
	status, err := d.ReplicaStatus(ctx, db)
	if err != nil {
		return s.Pair.Target.Wrap("clear the seed", err)
	}
	if status.Configured {
		return report.WithHint(fmt.Errorf("%s still has a link from %s", s.Pair.Target.Name(), status.Origin), "remove the link before the seed")
	}
	session, err := s.Pair.Target.Session(ctx, dialect.Unlogged, "SET SESSION foreign_key_checks = 0")
	if err != nil {
		return err
	}
	defer session.Close()
	for _, schema := range m.Effects.Schemas {
		if schema == replication.OwnSchema {
			continue // it is dropped last, with the marker
		}
		if _, err := session.ExecContext(ctx, "DROP DATABASE IF EXISTS "+query.Quote(schema)); err != nil {
			return s.Pair.Target.Wrap("drop schema "+schema, err)
		}
	}
	if err := dropAccounts(ctx, session, m.Effects); err != nil {
		return s.Pair.Target.Wrap("undo the seed", err)
	}
	if !m.Finished {
		if err := s.restoreSpace(ctx, m); err != nil {
			return err
		}
	}
	if err := SetPosition(ctx, s.Pair.Target, replication.GTIDSet{}); err != nil {
		return err
	}
	return replication.DropMarker(ctx, session)
}

// SetPosition makes the server's replication position exactly set. It empties the server's
// own binlog, so that none of its own transactions remains (H12).
func SetPosition(ctx context.Context, s *replication.Server, set replication.GTIDSet) error {
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
			return s.Wrap("set the position", err)
		}
	}
	return nil
}
