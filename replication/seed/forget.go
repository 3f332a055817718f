package seed

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
)

// forgetOp drops migrate's own schema from a server.
type forgetOp struct{ server *replication.Server }

// Forget returns the step of `finish` that drops migrate's own schema (heartbeats
// and the seed's marker) from the server that stays. Both links must have ended.
func Forget(s *replication.Server) plan.Step {
	return plan.Step{
		Name:       "forget-" + string(s.Side()),
		Summary:    fmt.Sprintf("drop the schema %s from %s", replication.OwnSchema, s.Name()),
		CannotUndo: "it holds nothing but heartbeats and the seed's marker",
		Op:         forgetOp{s},
	}
}

// Check looks for the schema.
func (f forgetOp) Check(ctx context.Context) (plan.State, error) {
	db, err := f.server.DB(ctx)
	if err != nil {
		return plan.State{}, err
	}
	_, found, err := query.One(ctx, db, "SELECT schema_name FROM information_schema.schemata WHERE schema_name = "+query.Literal(replication.OwnSchema))
	if err != nil {
		return plan.State{}, f.server.Wrap("look for the schema "+replication.OwnSchema, err)
	}
	state := plan.State{Done: !found, Now: "no schema " + replication.OwnSchema, Want: "no schema " + replication.OwnSchema}
	if found {
		state.Now = "schema " + replication.OwnSchema + " is there"
	}
	return state, nil
}

// Apply drops the schema.
func (f forgetOp) Apply(ctx context.Context) error {
	db, err := f.server.DB(ctx)
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "DROP DATABASE IF EXISTS "+query.Quote(replication.OwnSchema)); err != nil {
		return f.server.Wrap("drop the schema "+replication.OwnSchema, err)
	}
	return nil
}

// Verify asks the server.
func (f forgetOp) Verify(ctx context.Context) error {
	state, err := f.Check(ctx)
	if err == nil && !state.Done {
		err = fmt.Errorf("verify on %s: %s", f.server.Name(), state.Now)
	}
	return err
}

// Undo does nothing: there is nothing to restore.
func (forgetOp) Undo(context.Context, json.RawMessage) error { return nil }
