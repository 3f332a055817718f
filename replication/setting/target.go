package setting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
)

const (
	// targetTopic names the drop-in file of ConfigureTarget. The files of the fence and the
	// increments sort after it and therefore win.
	targetTopic = "base"
	// IDOffset is added to an id of the source if the target's would be equal.
	IDOffset = 1000
	// largestPacket is the largest max_allowed_packet of a server. A row of several large
	// values, or of one that needs escapes, is longer in a statement than the source's own
	// max_allowed_packet. Applications do not notice that more is allowed.
	largestPacket = 1 << 30
	// KeepBinlogs is the least time for which both sides keep their binlogs (H19).
	KeepBinlogs = 14 * 24 * time.Hour
)

// ConfigureTarget returns the step that makes the fresh target server fit to be a replica
// and later a source of its pair. The server gets ids of its own, GTID, full row images,
// the source's values of the globals of H17, a binlog that survives a crash, and a fence.
// Variables that are not set already go into a drop-in file, and the server is restarted.
// Without a Host only dynamic variables can be set, and the others are an error.
func ConfigureTarget(pair replication.Pair) plan.Step {
	return plan.Step{
		Name:    "configure-" + pair.Name + "-target",
		Summary: fmt.Sprintf("configure %s as the replica of %s, fenced, and restart it", pair.Target.Name(), pair.Source.Name()),
		Takes:   10 * time.Second,
		Hazards: []plan.Hazard{
			{ID: "H17", Text: "globals of the target are set to the source's values"},
			{ID: "H11", Text: "the target gets a server_id of its own"},
		},
		Op: &configureTarget{pair},
	}
}

type configureTarget struct{ pair replication.Pair }

// targetBefore is the before-image of ConfigureTarget.
type targetBefore struct {
	File    string            `json:"file,omitempty"`    // the drop-in file's text, if there was one
	Globals map[string]string `json:"globals,omitempty"` // running values, without a Host
	Fence   map[string]string `json:"fence"`             // running values of the fence
	Kept    map[string]string `json:"kept,omitempty"`    // kept values of the fence
}

// Check compares the target's variables with the wanted values.
func (c *configureTarget) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Want: "a fenced replica with the source's globals"}
	db, dialect, err := c.pair.Target.Open(ctx)
	if errors.Is(err, replication.ErrNotProvisioned) {
		state.Unknown, state.Now = true, "the target host is not made yet"
		return state, nil
	}
	if err != nil {
		return state, err
	}
	wrong, have, err := c.wrong(ctx)
	if err != nil {
		return state, err
	}
	var before targetBefore
	if before.Fence, err = query.Variables(ctx, db, dialect.FenceVariables()...); err != nil {
		return state, err
	}
	if before.Kept, err = c.fencePersistence().Read(ctx, dialect.FenceVariables()...); err != nil {
		return state, err
	}
	if c.pair.Target.Host() != nil {
		if before.File, err = c.persistence().inFile(ctx, `cat "$file" 2>/dev/null || :`, ""); err != nil {
			return state, err
		}
	} else {
		before.Globals = have
	}
	if state.Before, err = json.Marshal(before); err != nil {
		return state, err
	}
	state.Done = len(wrong) == 0
	state.Now = "configured"
	if !state.Done {
		state.Now = "to be set: " + strings.Join(slices.Sorted(maps.Keys(wrong)), ", ")
	}
	return state, nil
}

func (c *configureTarget) persistence() Persistence { return Persistence{c.pair.Target, targetTopic} }

func (c *configureTarget) fencePersistence() Persistence {
	return Persistence{c.pair.Target, FenceTopic}
}

// wrong returns the wanted values of the variables that are not as wanted, and the values
// that they have.
func (c *configureTarget) wrong(ctx context.Context) (wrong, have map[string]string, err error) {
	want, err := c.wanted(ctx)
	if err != nil {
		return nil, nil, err
	}
	db, err := c.pair.Target.DB(ctx)
	if err != nil {
		return nil, nil, err
	}
	values, err := query.Variables(ctx, db, append(slices.Collect(maps.Keys(want)), "tx_isolation")...)
	if err != nil {
		return nil, nil, err
	}
	wrong, have = map[string]string{}, map[string]string{}
	for name, value := range want {
		now, ok := values[name]
		if !ok && name == "transaction_isolation" {
			now, ok = values["tx_isolation"]
		}
		if ok && !GlobalSuffices(name, now, value) {
			wrong[name], have[name] = value, now
		}
	}
	return wrong, have, nil
}

// wanted returns the wanted values of the target's variables, by name.
func (c *configureTarget) wanted(ctx context.Context) (map[string]string, error) {
	source, dialect, err := c.pair.Source.Open(ctx)
	if err != nil {
		return nil, err
	}
	want, err := ComparedGlobals(ctx, source)
	if err != nil {
		return nil, c.pair.Source.Wrap("read the globals", err)
	}
	maps.Copy(want, dialect.ReplicaGlobals())
	want["max_allowed_packet"] = strconv.Itoa(largestPacket)
	ids := dialect.ServerIDs()
	sourceIDs, err := query.Variables(ctx, source, ids...)
	if err != nil {
		return nil, err
	}
	target, err := c.pair.Target.DB(ctx)
	if err != nil {
		return nil, err
	}
	targetIDs, err := query.Variables(ctx, target, ids...)
	if err != nil {
		return nil, c.pair.Target.Wrap("read the ids", err)
	}
	for _, name := range ids {
		want[name] = targetIDs[name]
		if targetIDs[name] == sourceIDs[name] || targetIDs[name] == "0" {
			n, err := strconv.ParseUint(sourceIDs[name], 10, 32)
			if err != nil {
				return nil, fmt.Errorf("read %s of %s: %w", name, c.pair.Source.Name(), err)
			}
			want[name] = strconv.FormatUint((n+IDOffset)%(1<<32), 10)
		}
	}
	return want, nil
}

// Apply fences the target, writes the drop-in file and restarts the server.
func (c *configureTarget) Apply(ctx context.Context) error {
	wrong, _, err := c.wrong(ctx)
	if err != nil {
		return err
	}
	if err := c.fence(ctx); err != nil {
		return err
	}
	dialect, err := c.pair.Target.Dialect(ctx)
	if err != nil {
		return err
	}
	if len(wrong) == 0 {
		return nil
	}
	if c.pair.Target.Host() == nil {
		return c.setDynamic(ctx, wrong)
	}
	if value, ok := wrong["lower_case_table_names"]; ok && dialect.NameCaseIsFixed() {
		return report.WithHint(fmt.Errorf("%s was initialised with another lower_case_table_names than %s", c.pair.Target.Name(), value),
			"initialise the target's data directory again with lower_case_table_names=%s", value)
	}
	want, err := c.wanted(ctx)
	if err != nil {
		return err
	}
	path, err := c.persistence().Path(ctx) // the server must run to be asked
	if err != nil {
		return err
	}
	if err := c.writeFile(ctx, c.fileOptions(wrong, want)); err != nil {
		return err
	}
	return c.restartWith(ctx, path)
}

// restartWith restarts the server with the new drop-in file. If the server does not come
// up, it is started again without the file.
func (c *configureTarget) restartWith(ctx context.Context, path string) error {
	err := replication.Restart(ctx, c.pair.Target)
	if err == nil || ctx.Err() != nil {
		return err
	}
	report.Note(ctx, "%s does not start with %s, which is taken away again", c.pair.Target.Name(), path)
	if undo := c.pair.Target.Host().Run(ctx, "rm -f "+remote.Quote(path)+"\n", nil, nil); undo != nil {
		return errors.Join(err, undo)
	}
	return errors.Join(err, replication.Restart(ctx, c.pair.Target))
}

// fence fences a target that has no finished seed. After that the fence belongs to the
// cutover.
func (c *configureTarget) fence(ctx context.Context) error {
	db, dialect, err := c.pair.Target.Open(ctx)
	if err != nil {
		return err
	}
	m, ok, err := replication.ReadMarker(ctx, db)
	if err != nil || ok && m.Finished {
		return err
	}
	for _, statement := range dialect.FenceStatements() {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return c.pair.Target.Wrap("fence", err)
		}
	}
	keep := map[string]string{}
	for _, name := range dialect.FenceVariables() {
		keep[name] = "ON"
	}
	return c.fencePersistence().Write(ctx, keep)
}

// setDynamic sets the variables that can be set while the server runs.
func (c *configureTarget) setDynamic(ctx context.Context, wrong map[string]string) error {
	db, err := c.pair.Target.DB(ctx)
	if err != nil {
		return err
	}
	var left []string
	for _, name := range slices.Sorted(maps.Keys(wrong)) {
		if err := query.SetGlobal(ctx, db, name, wrong[name]); err != nil {
			left = append(left, name+" = "+wrong[name])
		}
	}
	if len(left) > 0 {
		return report.WithHint(fmt.Errorf("%s must be restarted with other settings: %s", c.pair.Target.Name(), strings.Join(left, ", ")),
			"put them into the server's option file; migrate does it itself where it reaches the server's host")
	}
	return nil
}

// Verify reads every variable again.
func (c *configureTarget) Verify(ctx context.Context) error {
	wrong, have, err := c.wrong(ctx)
	if err != nil {
		return err
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(wrong)) {
		list = append(list, fmt.Sprintf("%s is %q, wanted %q", name, have[name], wrong[name]))
	}
	if len(list) > 0 {
		return report.WithHint(fmt.Errorf("verify the configuration of %s: %s", c.pair.Target.Name(), strings.Join(list, "; ")),
			"look for an option file that is read after the drop-in zz-migrate-%s.cnf", targetTopic)
	}
	return nil
}

// Undo restores the drop-in file, restarts the server, and restores the fence.
func (c *configureTarget) Undo(ctx context.Context, raw json.RawMessage) error {
	var before targetBefore
	if err := json.Unmarshal(raw, &before); err != nil {
		return fmt.Errorf("read the before-image of %s: %w", c.pair.Target.Name(), err)
	}
	db, dialect, err := c.pair.Target.Open(ctx)
	if errors.Is(err, replication.ErrNotProvisioned) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := c.restoreKept(ctx, dialect, before); err != nil {
		return err
	}
	if c.pair.Target.Host() == nil {
		if err := SetGlobals(ctx, db, before.Globals); err != nil {
			return c.pair.Target.Wrap("restore the globals", err)
		}
	} else if err := c.restoreFile(ctx, before.File); err != nil {
		return err
	}
	if db, err = c.pair.Target.DB(ctx); err != nil { // a restart has replaced the pool
		return err
	}
	for _, name := range dialect.FenceVariables() { // the deciding one first: while it is on, read_only cannot be off
		if err := query.SetGlobal(ctx, db, name, before.Fence[name]); err != nil {
			return c.pair.Target.Wrap("restore the fence", err)
		}
	}
	return nil
}

func (c *configureTarget) restoreKept(ctx context.Context, dialect *dialect.Dialect, before targetBefore) error {
	if len(before.Kept) > 0 {
		return c.fencePersistence().Write(ctx, before.Kept)
	}
	return c.fencePersistence().Forget(ctx, dialect.FenceVariables()...)
}
