package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/move"
	"github.com/dcmigrate/migrate/replication/seed/control"
)

// throttleFlags are the flags of migrate throttle.
type throttleFlags struct {
	rate                string
	workers, threads    int
	lag                 time.Duration
	pause, resume, show bool
}

func (a *app) throttleCommand() *cobra.Command {
	var f throttleFlags
	cmd := &cobra.Command{
		Use:   "throttle [DATABASE]",
		Short: "Change what a running seed takes from the source: rate, workers, limits, pause, resume",
		Long: `Change what a seed that runs takes from the source; of all that run where no
DATABASE is named. It follows within about a second, wherever it runs, and goes
on with it after a crash; what is not named stays. migrate apply holds the lock
meanwhile: this command needs none. What a seed begins with is databases[].throttle.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return wrongUsage(c, fmt.Errorf("unknown argument %q for %q", args[1], c.CommandPath()))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			change, err := f.change(c)
			if err != nil {
				return wrongUsage(c, err)
			}
			return a.with(func(m *move.Move) error {
				states, err := m.Seeds.Throttle(c.Context(), strings.Join(args, ""), change)
				if err != nil {
					return err
				}
				return a.printSeeds(states)
			})
		},
	}
	cmd.Flags().StringVar(&f.rate, "rate", "", "bytes of rows a second, such as 20MB; 0 is no limit")
	cmd.Flags().IntVar(&f.workers, "workers", 0, "connections that read, 1 to 64")
	cmd.Flags().IntVar(&f.threads, "threads-running", 0, "running threads of the source above which the seed waits")
	cmd.Flags().DurationVar(&f.lag, "replica-lag", 0, "lag of the source's replicas above which the seed waits, such as 5s")
	cmd.Flags().BoolVar(&f.pause, "pause", false, "read nothing until --resume")
	cmd.Flags().BoolVar(&f.resume, "resume", false, "go on after --pause")
	cmd.Flags().BoolVar(&f.show, "show", false, "change nothing: show the limits and how far the seed is")
	return cmd
}

// change is what the flags ask for.
func (f throttleFlags) change(c *cobra.Command) (control.LimitsChange, error) {
	var out control.LimitsChange
	named := 0
	set := func(name string) bool {
		if c.Flags().Changed(name) {
			named++
			return true
		}
		return false
	}
	if set("rate") {
		n, err := config.ParseBytes(f.rate)
		if err != nil {
			return out, fmt.Errorf("--rate: %w", err)
		}
		bytes := int64(n)
		out.BytesPerSecond = &bytes
	}
	if set("workers") {
		out.Workers = &f.workers
	}
	if set("threads-running") {
		out.MostRunning = &f.threads
	}
	if set("replica-lag") {
		out.MostLag = &f.lag
	}
	if f.pause || f.resume {
		named++
		out.Paused = &f.pause
	}
	switch {
	case f.pause && f.resume:
		return out, errors.New("--pause and --resume are opposites")
	case out.Workers != nil && (f.workers < 1 || f.workers > 64):
		return out, fmt.Errorf("--workers %d: 1 to 64", f.workers)
	case out.MostRunning != nil && f.threads < 1:
		return out, errors.New("--threads-running must be above zero")
	case out.MostLag != nil && f.lag <= 0:
		return out, errors.New("--replica-lag must be above zero")
	case f.show && named > 0:
		return out, errors.New("--show changes nothing")
	case !f.show && named == 0:
		return out, errors.New("nothing to change")
	}
	return out, nil
}

func (a *app) printSeeds(states []control.State) error {
	if a.json {
		return a.printJSON(states)
	}
	var b strings.Builder
	for _, s := range states {
		printSeed(&b, s)
	}
	_, err := io.WriteString(a.out, b.String())
	return err
}

func printSeed(b *strings.Builder, s control.State) {
	p := s.Progress.Report()
	fmt.Fprintf(b, "  seed of %s: %s\n    %s of about %s, %s\n", s.Pair, s.Limits, amount(p.Done, "B"), amount(p.Total, "B"), s.Progress)
	for _, t := range s.Progress.AtWork {
		fmt.Fprintf(b, "    %-40s %s of about %s, %d of about %d rows\n", t.Table, amount(t.Bytes, "B"), amount(t.TotalBytes, "B"), t.Rows, t.TotalRows)
	}
}
