package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/lab"
	"github.com/dcmigrate/migrate/move/way"
	"github.com/dcmigrate/migrate/report"
)

// closeTimeout bounds the tear-down of a lab.
const closeTimeout = 2 * time.Minute

func upCommand() *cobra.Command {
	var dir, name string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the lab and its traffic, and wait for Ctrl-C",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			w, err := wayNamed(name)
			if err != nil {
				return err
			}
			return withWorkspace(dir, c.OutOrStdout(), func(dir string) error { return up(c.Context(), dir, w, c.OutOrStdout()) })
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "the workspace, a new or empty folder (default: a temporary one)")
	cmd.Flags().StringVar(&name, "way", "fence", "the way that the traffic is made for: "+wayNames())
	return cmd
}

func up(ctx context.Context, dir string, w way.Traits, out io.Writer) (err error) {
	l, err := lab.Open(ctx, lab.Options{Dir: dir, Progress: progress(out)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLab(ctx, l)) }()
	env, err := l.WriteEnviron()
	if err != nil {
		return err
	}
	tr := l.Traffic(w.OneWriter)
	if err := tr.Open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tr.Close()) }()
	_, _ = fmt.Fprintf(out, `# the lab runs, and clients write to it; in another terminal:

cd %s
. %s
migrate %s
`, dir, env, shellWords(initArgs(w.Name)))
	for _, e := range l.Edits() {
		_, _ = fmt.Fprint(out, diff(e))
	}
	_, _ = fmt.Fprint(out, `migrate inventory capture
migrate plan
migrate apply
migrate verify
migrate cutover --dry-run
migrate cutover

# Ctrl-C ends the lab
`)
	<-ctx.Done()
	return nil
}

// closeLab tears a lab down, whatever became of ctx.
func closeLab(ctx context.Context, l *lab.Lab) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return l.Close(ctx)
}

// wayNamed is what migrate promises of the way of that name.
func wayNamed(name string) (way.Traits, error) {
	w, ok := way.All().Named(name)
	if !ok {
		return way.Traits{}, fmt.Errorf("way %q: want %s", name, wayNames())
	}
	return w.Traits(), nil
}

func wayNames() string { return config.List(way.All().Names(), "or") }

// withWorkspace makes the workspace and calls f with its absolute path. A
// temporary one is removed again, unless f fails.
func withWorkspace(dir string, out io.Writer, f func(dir string) error) error {
	if dir == "" {
		dir, err := os.MkdirTemp("", "migrate-lab-")
		if err != nil {
			return fmt.Errorf("make workspace: %w", err)
		}
		if err := f(dir); err != nil {
			_, _ = fmt.Fprintln(out, "# the workspace is kept:", dir)
			return err
		}
		return os.RemoveAll(dir)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("make workspace: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make workspace: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("make workspace: %w", err)
	}
	if len(entries) > 0 {
		return report.WithHint(fmt.Errorf("workspace %s is not empty", dir), "a workspace is of one lab: name a new folder")
	}
	return f(dir)
}
