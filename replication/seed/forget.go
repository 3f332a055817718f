package seed

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
)

// forgetOp drops migrate's own schema from a server.
type forgetOp struct{ server *replication.Server }

// Forget returns the step of `finish` that drops migrate's own tables (heartbeats
// and the seed's marker) and its schema from the server that stays. Both links must have ended.
func Forget(s *replication.Server) plan.Step {
	return plan.Step{
		Name:       "forget-" + string(s.Side()),
		Summary:    fmt.Sprintf("drop migrate's tables, and then its schema %s, from %s", replication.OwnSchema, s.Name()),
		CannotUndo: "it holds nothing but heartbeats and the seed's marker",
		Op:         forgetOp{s},
	}
}

// Check looks for the tables.
func (f forgetOp) Check(ctx context.Context) (plan.State, error) {
	db, err := f.server.DB(ctx)
	if err != nil {
		return plan.State{}, err
	}
	own, foreign, err := replication.InOwnSchema(ctx, db)
	if err != nil {
		return plan.State{}, f.server.Wrap("look for the schema "+replication.OwnSchema, err)
	}
	state := plan.State{Done: len(own) == 0, Now: "nothing of migrate's", Want: "nothing of migrate's"}
	if len(own) > 0 {
		state.Now = "the tables " + strings.Join(own, ", ")
	}
	if len(foreign) > 0 {
		state.Now += "; " + phrase.FirstOf(5, foreign) + " there is not migrate's, and stays"
	}
	return state, nil
}

// Apply drops the tables, and the schema if nothing else is in it.
func (f forgetOp) Apply(ctx context.Context) error {
	db, err := f.server.DB(ctx)
	if err != nil {
		return err
	}
	return f.server.Wrap("drop the schema "+replication.OwnSchema, replication.DropOwnTables(ctx, db))
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
