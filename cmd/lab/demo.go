package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/lab"
	"github.com/dcmigrate/migrate/lab/check"
	"github.com/dcmigrate/migrate/lab/traffic"
	"github.com/dcmigrate/migrate/move/way"
	"github.com/dcmigrate/migrate/report"
)

// site is what the demo needs of a lab.
type site interface {
	Environ() []string
	Secrets() []string
	Edits() []lab.Edit
	Traffic(likes bool) *traffic.Traffic
}

// checker holds the clients' log against the databases: both, or the target alone.
type checker interface {
	Check(ctx context.Context, log traffic.Log) (check.Report, error)
	CheckTarget(ctx context.Context, log traffic.Log) (check.Report, error)
}

func demoCommand() *cobra.Command {
	var dir, name, program string
	var ttl int
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a whole move in the lab with the real migrate, and prove that nothing was lost",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			w, err := wayNamed(name)
			if err != nil {
				return err
			}
			program, err := filepath.Abs(program)
			if err != nil {
				return fmt.Errorf("find migrate: %w", err)
			}
			out := c.OutOrStdout()
			return withWorkspace(dir, out, func(dir string) (err error) {
				l, err := lab.Open(c.Context(), lab.Options{Dir: dir, TTL: ttl, Progress: progress(out)})
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, closeLab(c.Context(), l)) }()
				return newDemo(l, l, dir, w, program, out).run(c.Context())
			})
		},
	}
	cmd.Flags().StringVar(&name, "way", "dual", "how to cut over: "+wayNames())
	cmd.Flags().IntVar(&ttl, "ttl", 90, "seconds of the hosts' DNS-only records; with 60 no cutover waits for old answers")
	cmd.Flags().StringVar(&dir, "dir", "", "the workspace, a new or empty folder (default: a temporary one)")
	cmd.Flags().StringVar(&program, "migrate", "bin/migrate", "the migrate to run")
	return cmd
}

// demo is one whole move.
type demo struct {
	site    site
	checker checker
	dir     string
	way     way.Traits
	out     io.Writer
	migrate *runner
	traffic *traffic.Traffic
	done    []execution
	flips   []flip
	reports []check.Report
}

// flip is a command that moved the writers.
type flip struct {
	execution
	left, entered string    // sites
	seen          time.Time // when writes were seen to be served by the site entered
}

func newDemo(s site, c checker, dir string, w way.Traits, program string, out io.Writer) *demo {
	return &demo{
		site: s, checker: c, dir: dir, way: w, out: out,
		migrate: &runner{program: program, dir: dir, env: s.Environ(), out: out},
	}
}

// initArgs is what the operator of the lab's site gives to migrate init.
func initArgs(way string) []string {
	return []string{
		"init", "--site", "blog", "--host", "web1=" + lab.WebAddress + ":web,app", "--host", "db1=" + lab.DBAddress + ":db",
		"--zone", "blog.test", "--zone", "shop.test", "--way", way,
	}
}

// act is one thing that the operator does.
type act struct {
	args []string
	exit int    // the code that is expected
	to   string // the site that serves the writes afterwards; "" where that does not change
	then func(context.Context) error
}

func (d *demo) acts() []act {
	words := func(line string) []string { return strings.Fields(line) }
	const changes = 2 // exit code of migrate plan when there are some
	return []act{
		{args: initArgs(d.way.Name), then: d.edit},
		{args: words("inventory capture")},
		{args: words("plan"), exit: changes},
		{args: words("apply")},
		{args: words("verify")},
		{args: words("cutover --dry-run")},
		{args: words("cutover"), to: traffic.NewSite},
		{args: words("rollback"), to: traffic.OldSite},
		{args: words("cutover --dry-run")},
		{args: words("cutover"), to: traffic.NewSite, then: d.checkBoth},
		{args: words("finish --dry-run")},
		{args: words("finish")},
	}
}

// run does the whole move under traffic, checks it and prints the summary. The
// error says everything that is not as it should be.
func (d *demo) run(ctx context.Context) (err error) {
	began := time.Now()
	d.traffic = d.site.Traffic(d.way.OneWriter)
	if err := d.traffic.Open(ctx); err != nil {
		return err
	}
	open := true
	defer func() {
		if open {
			err = errors.Join(err, d.traffic.Close())
		}
	}()
	d.say("clients read and write through the edge from here to the end")
	for _, a := range d.acts() {
		if err := d.act(ctx, a); err != nil {
			return err
		}
	}
	open = false
	if err := d.traffic.Close(); err != nil {
		return err
	}
	log := d.traffic.Log()
	report, err := d.checker.CheckTarget(ctx, log)
	if err != nil {
		return err
	}
	d.reports = append(d.reports, report)
	s := d.summarize(log, time.Since(began))
	if err := s.print(d.out); err != nil {
		return err
	}
	leaks, err := d.leaks()
	if err != nil {
		return err
	}
	return failure(append(s.problems(), leaks...))
}

// failure makes one error of all problems.
func failure(problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	return report.WithHint(fmt.Errorf("the demo failed: %s", strings.Join(problems, "; ")),
		"the workspace has the clients' log, traffic.jsonl, and the journal, .migrate/journal.jsonl")
}

func (d *demo) act(ctx context.Context, a act) error {
	e, err := d.migrate.run(ctx, a.exit, a.args...)
	d.done = append(d.done, e)
	if err != nil {
		return err
	}
	if a.to != "" {
		if err := d.landed(ctx, e, a.to); err != nil {
			return err
		}
	}
	if a.then != nil {
		return a.then(ctx)
	}
	return nil
}

// edit makes the changes that this lab needs in what migrate init wrote.
func (d *demo) edit(context.Context) error {
	_, _ = fmt.Fprint(d.out, "\n$ editor migration.yaml\n")
	for _, e := range d.site.Edits() {
		_, _ = fmt.Fprint(d.out, diff(e))
	}
	return lab.Apply(filepath.Join(d.dir, "migration.yaml"), d.site.Edits())
}

// diff shows an edit: lines that go, lines that come.
func diff(e lab.Edit) string {
	var b strings.Builder
	before, after := strings.Split(strings.TrimSuffix(e.Old, "\n"), "\n"), strings.Split(strings.TrimSuffix(e.New, "\n"), "\n")
	for len(before) > 0 && len(after) > 0 && before[0] == after[0] {
		before, after = before[1:], after[1:]
	}
	for _, line := range before {
		fmt.Fprintf(&b, "- %s\n", strings.TrimSpace(line))
	}
	for _, line := range after {
		fmt.Fprintf(&b, "+ %s\n", strings.TrimSpace(line))
	}
	return b.String()
}

const (
	landedWrites  = 10               // acknowledged since the switch's end that are looked at
	landedTimeout = 30 * time.Second // for so many
)

// landed waits for some writes that began after the switch's end, and wants all
// of them to be served by the site that was entered.
func (d *demo) landed(ctx context.Context, e execution, entered string) error {
	f := flip{execution: e, entered: entered, left: map[string]string{traffic.NewSite: traffic.OldSite, traffic.OldSite: traffic.NewSite}[entered]}
	ctx, cancel := context.WithTimeout(ctx, landedTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		here := 0
		for _, r := range d.traffic.Log() {
			if !r.Kind.Write() || !r.OK() || r.Start.Before(e.end) {
				continue
			}
			if site := traffic.Site(r.Server); site != entered {
				return fmt.Errorf("after %s a write was served by %s (%s), not by the %s", e.line, r.Server, site, entered)
			}
			here++
		}
		if here >= landedWrites {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("after %s the %s served %d writes, %d are wanted: %w", e.line, entered, here, landedWrites, context.Cause(ctx))
		}
	}
	f.seen = time.Now()
	d.flips = append(d.flips, f)
	d.say("writes are served by the %s now", entered)
	return nil
}

// checkBoth pauses the clients, and holds their log against both sides (I1):
// the last time that both have everything.
func (d *demo) checkBoth(ctx context.Context) error {
	d.traffic.Pause()
	defer d.traffic.Resume()
	report, err := d.checker.Check(ctx, d.traffic.Log())
	if err != nil {
		return err
	}
	d.reports = append(d.reports, report)
	if report.Clean() {
		d.say("clients paused, links drained: %d acknowledged writes, each is on both sides once", report.Acked)
	}
	return nil
}

func (d *demo) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.out, "# "+format+"\n", args...)
}
