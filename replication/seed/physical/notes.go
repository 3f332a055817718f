package physical

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/report"
)

// notesFile is the path of the pair's notes on the target's host.
func (p *op) notesFile() string { return p.options.Dir + "/seed-" + p.pair.Name + ".json" }

// runOnTarget runs a script on the target's host and returns its output.
func (p *op) runOnTarget(ctx context.Context, script, input string) (string, error) {
	var out bytes.Buffer
	if err := p.pair.Target.Host().Run(ctx, "set -eu\n"+script+"\n", strings.NewReader(input), &out); err != nil {
		return "", fmt.Errorf("on the host of %s: %w", p.pair.Target.Name(), err)
	}
	return out.String(), nil
}

// readNotes reads the notes; found is false if there are none. Without access to the
// target's host there never are any.
func (p *op) readNotes(ctx context.Context) (n notes, found bool, err error) {
	if p.pair.Target.Host() == nil {
		return n, false, nil
	}
	text, err := p.runOnTarget(ctx, "if [ -e "+remote.Quote(p.notesFile())+" ]; then cat "+remote.Quote(p.notesFile())+"; fi", "")
	if err != nil {
		return n, false, fmt.Errorf("read the notes of the seed: %w", err)
	}
	if text == "" {
		return n, false, nil
	}
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		return n, false, report.WithHint(fmt.Errorf("read the notes of the seed, %s on the host of %s: %w", p.notesFile(), p.pair.Target.Name(), err),
			"look at the file: it says which data directory the server is to start with")
	}
	return n, true, nil
}

// writeNotes writes the notes durably: they survive a power cut.
func (p *op) writeNotes(ctx context.Context, n notes) error {
	text, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("write the notes of the seed: %w", err)
	}
	_, err = p.runOnTarget(ctx, `umask 077
dir=`+remote.Quote(p.options.Dir)+`; file=`+remote.Quote(p.notesFile())+`
mkdir -p "$dir"
cat >"$file.new"
sync "$file.new"
mv -f "$file.new" "$file"
sync "$dir"`, string(text)+"\n")
	return report.Wrap("write the notes of the seed", err)
}

// removeNotes removes the notes.
func (p *op) removeNotes(ctx context.Context) error {
	_, err := p.runOnTarget(ctx, "rm -f "+remote.Quote(p.notesFile())+" "+remote.Quote(p.notesFile()+".new"), "")
	return report.Wrap("remove the notes of the seed", err)
}

// forgetOld removes what a seed by files has kept.
type forgetOld struct{ *op }

// Forget returns the step of `finish` that removes the data directory that the target's
// server had before a seed by files.
func Forget(pair replication.Pair, options Options) plan.Step {
	return plan.Step{
		Name:       "forget-seed-" + pair.Name,
		Summary:    fmt.Sprintf("remove the data directory that %s had before the seed, if it is still kept", pair.Target.Name()),
		CannotUndo: "it was empty but for the server's own tables",
		Op:         replication.WhenProvisioned{Op: forgetOld{&op{pair: pair, options: options.withDefaults(pair)}}},
	}
}

// Check looks for the notes.
func (f forgetOld) Check(ctx context.Context) (plan.State, error) {
	n, found, err := f.readNotes(ctx)
	state := plan.State{Done: !found, Now: "nothing is kept", Want: "nothing is kept"}
	if found {
		state.Now = n.beside() + " is kept"
	}
	return state, err
}

// Apply removes the old directory, then the notes.
func (f forgetOld) Apply(ctx context.Context) error {
	n, found, err := f.readNotes(ctx)
	if err != nil || !found {
		return err
	}
	if n.Phase != phaseSeeded {
		return fmt.Errorf("remove the old data of %s: %s", f.pair.Target.Name(), n.Phase.text())
	}
	if _, err := f.runOnTarget(ctx, "rm -rf "+remote.Quote(n.beside()), ""); err != nil {
		return fmt.Errorf("remove the old data: %w", err)
	}
	return f.removeNotes(ctx)
}

// Verify looks for the notes.
func (f forgetOld) Verify(ctx context.Context) error {
	state, err := f.Check(ctx)
	if err == nil && !state.Done {
		err = fmt.Errorf("verify on %s: %s", f.pair.Target.Name(), state.Now)
	}
	return err
}

// Undo does nothing: there is nothing to bring back.
func (forgetOld) Undo(context.Context, json.RawMessage) error { return nil }
