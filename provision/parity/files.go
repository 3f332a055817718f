package parity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/dcmigrate/migrate/address"
	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/report"
)

// filesOp copies an application's files from a source host to its clone, with owners,
// modes, times and links, and rewrites old addresses to new ones. The operator's host
// writes nothing to its disk.
type filesOp struct {
	site provision.Site
	host string
	app  provision.Application
	deps provision.Deps
}

// newFiles returns the step that copies the application's files to a host.
func newFiles(site provision.Site, app provision.Application, host string, d provision.Deps) plan.Step {
	return plan.Step{
		Name:    host + ":" + app.Name,
		Summary: fmt.Sprintf("copy %s of %s from the source %s to its clone, old addresses rewritten", strings.Join(app.Files, ", "), app.Name, host),
		Op:      &filesOp{site, host, app, d},
	}
}

func fileSteps(site provision.Site, d provision.Deps) []plan.Step {
	var steps []plan.Step
	for _, a := range site.Applications {
		for _, h := range a.Hosts {
			if len(a.Files) > 0 {
				steps = append(steps, newFiles(site, a, h, d))
			}
		}
	}
	return steps
}

func (op *filesOp) folder() string { return path.Join(beforeFolder, "files-"+op.app.Name) }

func (op *filesOp) marker() string { return path.Join(filesFolder, op.app.Name) }

// comparison is the difference between the files that the target should have and those
// that it has.
type comparison struct {
	want      manifest
	rewrite   rewriting
	rewriter  address.Rewriter
	differing []string
	marked    bool // the target's marker has the digest of exactly these files
}

// compare reads both hosts.
func (op *filesOp) compare(ctx context.Context) (comparison, error) {
	var c comparison
	var err error
	if c.rewriter, err = newRewriter(op.site, op.host, op.deps.Directory); err != nil {
		return c, err
	}
	source, target := op.deps.Hosts.Source(op.host), op.deps.Hosts.Target(op.host)
	paths := make([]string, len(op.app.Files))
	for i, f := range op.app.Files {
		paths[i] = path.Clean(f)
	}
	if c.want, err = readManifest(ctx, source, paths, c.rewriter.Hints()); err != nil {
		return c, err
	}
	if len(c.want.Missing) > 0 {
		return c, report.WithHint(fmt.Errorf("application %s: not on the source %s: %s", op.app.Name, op.host, strings.Join(c.want.Missing, ", ")),
			"correct the application's files or hosts")
	}
	if c.rewrite, err = readRewriting(ctx, source, c.want.Matches, c.rewriter); err != nil {
		return c, err
	}
	for p, hash := range c.rewrite.changed {
		if e, ok := c.want.Entries[p]; ok {
			e.Hash = hash
			c.want.Entries[p] = e
		}
	}
	op.leaveOut(ctx, c.want)
	have, err := readManifest(ctx, target, paths, nil)
	if err != nil {
		return c, err
	}
	c.differing = c.want.differing(have)
	var marked bytes.Buffer
	if err := target.Run(ctx, "cat -- "+remote.Quote(op.marker())+" 2>/dev/null || true", nil, &marked); err != nil {
		return c, fmt.Errorf("read mark of %s: %w", op.app.Name, err)
	}
	c.marked = marked.String() == c.want.digest()
	return c, nil
}

// leaveOut removes from want what cannot be copied, with a note: sockets and other
// special files, and files that vanished while they were listed.
func (op *filesOp) leaveOut(ctx context.Context, want manifest) {
	for p, e := range want.Entries {
		switch {
		case e.Kind == "f" && e.Hash != "", e.Kind == "d", e.Kind == "l":
			continue
		case e.Kind == "f":
			report.Note(ctx, "%s of %s is left out: it vanished, or could not be read", p, op.host)
		default:
			report.Note(ctx, "%s of %s is left out: not a file, folder or link", p, op.host)
		}
		delete(want.Entries, p)
	}
}

// filesBefore says where the before-image is. The place is the same for every Check.
type filesBefore struct {
	Kept string `json:"kept"`
}

func (op *filesOp) Check(ctx context.Context) (plan.State, error) {
	c, err := op.compare(ctx)
	if errors.Is(err, provision.ErrNotProvisioned) {
		return plan.State{Unknown: true, Now: "stage " + provision.StageDroplets + " makes the droplet", Want: "the source's files"}, nil
	}
	if err != nil {
		return plan.State{}, err
	}
	s := plan.State{
		Done: len(c.differing) == 0 && c.marked,
		Now:  fmt.Sprintf("%d of %d files and folders differ", len(c.differing), len(c.want.Entries)),
		Want: fmt.Sprintf("the source's, %d with new addresses", len(c.rewrite.changed)),
	}
	if n := len(c.rewrite.unchanged); n > 0 {
		s.Want += fmt.Sprintf(", %d with old ones that stay", n)
	}
	s.Before, err = json.Marshal(filesBefore{op.folder()})
	return s, err
}

// Apply saves what it will replace, then writes what differs.
func (op *filesOp) Apply(ctx context.Context) error {
	c, err := op.compare(ctx)
	if err != nil {
		return err
	}
	source, target := op.deps.Hosts.Source(op.host), op.deps.Hosts.Target(op.host)
	if len(c.differing) > 0 {
		if err := ensureAccounts(ctx, source, target, op.folder(), c.want, op.app.Services); err != nil {
			return err
		}
		if err := keep(ctx, target, op.folder(), c.differing); err != nil {
			return err
		}
		if err := copyFiles(ctx, source, target, c.differing, c.rewrite.changed, c.rewriter); err != nil {
			return err
		}
		op.noteRewritten(ctx, c)
	}
	if c.marked {
		return nil
	}
	return mark(ctx, target, op.marker(), c.want.digest())
}

// maxStayingNotes is how many of the old addresses that stay get a note each.
const maxStayingNotes = 20

// noteRewritten notes where new addresses were written, and where old ones stay.
func (op *filesOp) noteRewritten(ctx context.Context, c comparison) {
	var rewritten, stay []string
	for _, p := range c.differing {
		if _, ok := c.rewrite.changed[p]; ok {
			rewritten = append(rewritten, p)
		}
		stay = append(stay, c.rewrite.unchanged[p]...)
	}
	for _, text := range stay[:min(len(stay), maxStayingNotes)] {
		report.Note(ctx, "on %s, %s", op.host, text)
	}
	if more := len(stay) - maxStayingNotes; more > 0 {
		report.Note(ctx, "%d more old addresses stay in files of %s on %s", more, op.app.Name, op.host)
	}
	if len(rewritten) > 0 {
		report.Note(ctx, "new addresses written into %s on %s", firstFew(rewritten), op.host)
	}
}

// Verify compares again. A live source may have changed since: then the step must be
// applied again.
func (op *filesOp) Verify(ctx context.Context) error {
	c, err := op.compare(ctx)
	if err != nil {
		return err
	}
	if len(c.differing) > 0 {
		return report.WithHint(fmt.Errorf("files of %s on %s differ from the source's: %s", op.app.Name, op.host, firstFew(c.differing)),
			"run the command again; if they change all the time, leave them out of the application's files")
	}
	return nil
}

// Undo puts back what the step replaced. Without a droplet there is nothing to undo.
func (op *filesOp) Undo(ctx context.Context, _ json.RawMessage) error {
	if _, err := op.deps.Directory.Lookup(op.host); errors.Is(err, provision.ErrNotProvisioned) {
		return nil
	}
	return restore(ctx, op.deps.Hosts.Target(op.host), op.folder(), op.marker())
}

// firstFew names the first eight of a list, and says how many more it has.
func firstFew(list []string) string { return phrase.FirstOf(8, list) }
