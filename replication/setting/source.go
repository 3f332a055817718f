package setting

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
)

// ConfigureSource returns the step that makes the running source safe to replicate from,
// without a restart. It sets sync_binlog and innodb_flush_log_at_trx_commit to 1, so that a
// crash cannot lose what the target already has (H20), and keeps binlogs for the length of
// the move (H19). All survive a restart. Undo restores the old values, the kept ones
// included.
func ConfigureSource(pair replication.Pair) plan.Step {
	return plan.Step{
		Name:    "configure-" + pair.Name + "-source",
		Summary: fmt.Sprintf("make commits and the binlog of %s durable, and keep the binlog for the move", pair.Source.Name()),
		Hazards: []plan.Hazard{
			{ID: "H20", Text: "sync_binlog=1 and innodb_flush_log_at_trx_commit=1 cost disk flushes per group of commits on the source"},
			{ID: "H19", Text: fmt.Sprintf("binlogs are kept at least %d days: watch the source's free disk", int(KeepBinlogs.Hours()/24))},
		},
		Op: &configureSource{pair.Source},
	}
}

type configureSource struct{ server *replication.Server }

// ExpireVariable is the variable that says how long a server keeps its binlogs, in
// seconds.
const ExpireVariable = "binlog_expire_logs_seconds"

// FlushVariables make a commit durable in the binlog and in InnoDB. A crash of a server with
// other values than 1 loses rows that the other side has.
var FlushVariables = []string{"sync_binlog", "innodb_flush_log_at_trx_commit"}

// sourceVariables are the variables that the step sets.
var sourceVariables = append(slices.Clone(FlushVariables), ExpireVariable)

// sourceValues are values of the step's variables, by name.
type sourceValues struct {
	Running map[string]string
	// Kept come back after a restart. They are those of the step's own drop-in file, or of
	// any SET PERSIST on MySQL.
	Kept map[string]string
}

// MarshalJSON writes the running values at the top level, where every version of the
// before-image has them.
func (v sourceValues) MarshalJSON() ([]byte, error) {
	flat := map[string]any{}
	for name, value := range v.Running {
		flat[name] = value
	}
	if len(v.Kept) > 0 {
		flat["kept"] = v.Kept
	}
	return json.Marshal(flat)
}

// UnmarshalJSON reads what MarshalJSON writes. An older before-image has no kept values.
func (v *sourceValues) UnmarshalJSON(raw []byte) error {
	var image map[string]json.RawMessage
	if err := json.Unmarshal(raw, &image); err != nil {
		return err
	}
	*v = sourceValues{Running: map[string]string{}}
	if kept, ok := image["kept"]; ok {
		if err := json.Unmarshal(kept, &v.Kept); err != nil {
			return err
		}
	}
	for _, name := range sourceVariables {
		var value string
		if text, ok := image[name]; ok {
			if err := json.Unmarshal(text, &value); err != nil {
				return err
			}
		}
		if value != "" {
			v.Running[name] = value
		}
	}
	return nil
}

func (c *configureSource) persistence() Persistence { return Persistence{c.server, binlogTopic} }

// read returns the step's variables; on MariaDB before 10.6.1 there is no expiry in seconds.
func (c *configureSource) read(ctx context.Context) (v sourceValues, err error) {
	db, err := c.server.DB(ctx)
	if err != nil {
		return v, err
	}
	if v.Running, err = query.Variables(ctx, db, sourceVariables...); err != nil {
		return v, c.server.Wrap("read the binlog's settings", err)
	}
	v.Kept, err = c.persistence().Read(ctx, sourceVariables...)
	return v, err
}

// wanted returns the values that the step sets. A server that keeps its binlogs longer goes
// on doing so.
func (c *configureSource) wanted(have map[string]string) map[string]string {
	want := map[string]string{}
	for _, name := range FlushVariables {
		want[name] = "1"
	}
	if expire, ok := have[ExpireVariable]; ok {
		keep := int64(KeepBinlogs.Seconds())
		// 0 means for ever.
		if n, err := strconv.ParseInt(expire, 10, 64); err == nil && n > 0 && n < keep {
			expire = strconv.FormatInt(keep, 10)
		}
		want[ExpireVariable] = expire
	}
	return want
}

// wrong describes each variable that is not as wanted.
func (c *configureSource) wrong(ctx context.Context, v sourceValues) ([]string, error) {
	canKeep, err := c.persistence().Supported(ctx)
	if err != nil {
		return nil, err
	}
	want, kept := c.wanted(v.Running), c.wanted(v.Kept)
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch {
		case v.Running[name] != want[name]:
			wrong = append(wrong, fmt.Sprintf("%s is %s, wanted %s", name, v.Running[name], want[name]))
		case canKeep && (v.Kept[name] == "" || v.Kept[name] != kept[name]):
			wrong = append(wrong, fmt.Sprintf("%s is %s until a restart only", name, want[name]))
		}
	}
	return wrong, nil
}

// Check compares the variables with the wanted values.
func (c *configureSource) Check(ctx context.Context) (plan.State, error) {
	values, err := c.read(ctx)
	if err != nil {
		return plan.State{}, err
	}
	wrong, err := c.wrong(ctx, values)
	if err != nil {
		return plan.State{}, err
	}
	before, err := json.Marshal(values)
	if err != nil {
		return plan.State{}, err
	}
	state := plan.State{
		Done: len(wrong) == 0, Before: before,
		Now:  fmt.Sprintf("%s %s, %s %s, binlogs kept %s s", FlushVariables[0], values.Running[FlushVariables[0]], FlushVariables[1], values.Running[FlushVariables[1]], values.Running[ExpireVariable]),
		Want: fmt.Sprintf("%s 1, %s 1, binlogs kept %d s or more", FlushVariables[0], FlushVariables[1], int64(KeepBinlogs.Seconds())),
	}
	if !state.Done && SameSettings(values.Running, c.wanted(values.Running)) {
		state.Now += ", until a restart"
	}
	return state, nil
}

// Apply keeps the values over a restart, then sets them.
func (c *configureSource) Apply(ctx context.Context) error {
	values, err := c.read(ctx)
	if err != nil {
		return err
	}
	want := c.wanted(values.Running)
	canKeep, err := c.persistence().Supported(ctx)
	if err != nil {
		return err
	}
	if canKeep {
		if err := c.persistence().Write(ctx, want); err != nil {
			return err
		}
	} else {
		report.Note(ctx, "the binlog's settings of %s do not survive its restart: its host cannot be reached", c.server.Name())
	}
	if err := c.set(ctx, want); err != nil {
		return c.server.Wrap("configure the binlog", err)
	}
	return nil
}

func (c *configureSource) set(ctx context.Context, values map[string]string) error {
	db, err := c.server.DB(ctx)
	if err != nil {
		return err
	}
	return SetGlobals(ctx, db, values)
}

// Verify reads the variables again.
func (c *configureSource) Verify(ctx context.Context) error {
	values, err := c.read(ctx)
	if err != nil {
		return err
	}
	wrong, err := c.wrong(ctx, values)
	if err == nil && len(wrong) > 0 {
		err = fmt.Errorf("verify %s: %s", c.server.Name(), strings.Join(wrong, "; "))
	}
	return err
}

// Undo restores the running and the kept values.
func (c *configureSource) Undo(ctx context.Context, raw json.RawMessage) error {
	var image sourceValues
	if err := json.Unmarshal(raw, &image); err != nil {
		return fmt.Errorf("read the before-image of %s: %w", c.server.Name(), err)
	}
	if err := c.persistence().Restore(ctx, image.Kept, sourceVariables...); err != nil {
		return err
	}
	if err := c.set(ctx, image.Running); err != nil {
		return c.server.Wrap("restore the binlog's settings", err)
	}
	return nil
}
