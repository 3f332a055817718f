package replication

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/plan"
)

// ConfigureSource returns the step that makes the running source safe to
// replicate from, without a restart: sync_binlog=1, so that a crash cannot lose
// what the target already has (H20), and binlogs that are kept for the length
// of the move (H19). Undo gives both their old values.
func ConfigureSource(pair Pair) plan.Step {
	return plan.Step{
		Name:    "configure-" + pair.Name + "-source",
		Summary: fmt.Sprintf("make the binlog of %s durable and kept for the move", pair.Source.Name()),
		Hazards: []plan.Hazard{
			{ID: "H20", Text: "sync_binlog=1 costs a disk flush per group of commits on the source"},
			{ID: "H19", Text: fmt.Sprintf("binlogs are kept at least %d days: watch the source's free disk", int(keepBinlogs.Hours()/24))},
		},
		Op: &configureSource{pair.Source},
	}
}

type configureSource struct{ server *Server }

const expireVariable = "binlog_expire_logs_seconds"

// read returns the step's variables; on MariaDB before 10.6.1 there is no expiry in seconds.
func (c *configureSource) read(ctx context.Context) (map[string]string, error) {
	db, err := c.server.DB(ctx)
	if err != nil {
		return nil, err
	}
	values, err := variables(ctx, db, "sync_binlog", expireVariable)
	if err != nil {
		return nil, c.server.wrap("read the binlog's settings", err)
	}
	return values, nil
}

// wrong is what is to be set.
func (c *configureSource) wrong(values map[string]string) map[string]string {
	wrong := map[string]string{}
	if values["sync_binlog"] != "1" {
		wrong["sync_binlog"] = "1"
	}
	keep := int64(keepBinlogs.Seconds())
	// 0 keeps them for ever.
	if n, err := strconv.ParseInt(values[expireVariable], 10, 64); err == nil && n > 0 && n < keep {
		wrong[expireVariable] = strconv.FormatInt(keep, 10)
	}
	return wrong
}

// Check compares the two variables.
func (c *configureSource) Check(ctx context.Context) (plan.State, error) {
	values, err := c.read(ctx)
	if err != nil {
		return plan.State{}, err
	}
	before, err := json.Marshal(values)
	if err != nil {
		return plan.State{}, err
	}
	return plan.State{
		Done: len(c.wrong(values)) == 0, Before: before,
		Now:  fmt.Sprintf("sync_binlog %s, binlogs kept %s s", values["sync_binlog"], values[expireVariable]),
		Want: fmt.Sprintf("sync_binlog 1, binlogs kept %d s or more", int64(keepBinlogs.Seconds())),
	}, nil
}

// Apply sets what is not as wanted.
func (c *configureSource) Apply(ctx context.Context) error {
	values, err := c.read(ctx)
	if err != nil {
		return err
	}
	db, err := c.server.DB(ctx)
	if err != nil {
		return err
	}
	if err := setGlobals(ctx, db, c.wrong(values)); err != nil {
		return c.server.wrap("configure the binlog", err)
	}
	return nil
}

// Verify asks the server for the variables.
func (c *configureSource) Verify(ctx context.Context) error {
	values, err := c.read(ctx)
	if err != nil {
		return err
	}
	if wrong := c.wrong(values); len(wrong) > 0 {
		var names []string
		for name, want := range wrong {
			names = append(names, fmt.Sprintf("%s is %s, wanted %s", name, values[name], want))
		}
		return fmt.Errorf("verify %s: %s", c.server.Name(), strings.Join(names, "; "))
	}
	return nil
}

// Undo gives the variables their old values.
func (c *configureSource) Undo(ctx context.Context, raw json.RawMessage) error {
	values := map[string]string{}
	if err := json.Unmarshal(raw, &values); err != nil {
		return fmt.Errorf("read the before-image of %s: %w", c.server.Name(), err)
	}
	db, err := c.server.DB(ctx)
	if err != nil {
		return err
	}
	if err := setGlobals(ctx, db, values); err != nil {
		return c.server.wrap("restore the binlog's settings", err)
	}
	return nil
}
