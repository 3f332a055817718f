package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/move"
	"github.com/dcmigrate/migrate/replication/guard"
	"github.com/dcmigrate/migrate/replication/status"
)

// watchEvery is how long --watch waits between two looks.
const watchEvery = 2 * time.Second

func (a *app) statusCommand() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Where the move stands: lag both ways, fences, rollback readiness",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(func(m *move.Move) error {
				for {
					s, err := m.Status(c.Context())
					if err != nil {
						return err
					}
					if err := a.printStatus(s); err != nil || !watch || !a.pause(c.Context()) {
						return err
					}
				}
			})
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "go on until interrupted")
	return cmd
}

// pause waits for the next look. It returns false when a signal came.
func (a *app) pause(ctx context.Context) bool {
	t := time.NewTimer(watchEvery)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-a.stop:
	case <-ctx.Done():
	}
	return false
}

func (a *app) printStatus(s move.Status) error {
	if a.json {
		return a.printJSON(s)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "site %s: %s\n", s.Site, s.Position)
	if s.Holder != nil {
		fmt.Fprintf(&b, "running: %s by %s since %s\n", s.Holder.Verb, s.Holder.Who, s.Holder.Since.Format(time.TimeOnly))
	}
	if s.Elsewhere != "" {
		fmt.Fprintf(&b, "  NOT LED FROM HERE: %s\n", s.Elsewhere)
	}
	for _, h := range s.Hosts {
		to := h.New
		if to == "" {
			to = "(not provisioned)"
		}
		fmt.Fprintf(&b, "  host %-12s %s → %s\n", h.Name, h.Old, to)
	}
	for _, p := range s.Pairs {
		printPair(&b, p)
	}
	for _, seed := range s.Seeds {
		printSeed(&b, seed)
	}
	for _, v := range s.Verified {
		fmt.Fprintf(&b, "  verify %-10s %s ago: %s\n", v.Pair, s.At.Sub(v.Finished).Round(time.Second), v.Summary())
	}
	for _, c := range s.Conflicts {
		fmt.Fprintf(&b, "  switch to the %s of %s: %s\n", c.Entered, c.Pair, c.Summary())
	}
	if s.Last != nil {
		fmt.Fprintf(&b, "  last event: %s %s %s at %s\n", s.Last.Run, s.Last.Step, s.Last.Type, s.Last.Time.Format(time.TimeOnly))
	}
	_, err := io.WriteString(a.out, b.String())
	return err
}

func printPair(b *strings.Builder, p status.Pair) {
	fmt.Fprintf(b, "  pair %s\n", p.Pair)
	for _, side := range []status.Server{p.Source, p.Target} {
		fmt.Fprintf(b, "    %-16s %s\n", side.Name, sideText(side))
	}
	fmt.Fprintf(b, "    %-16s %s\n    %-16s %s\n", "forward link", linkText(p.Forward), "reverse link", linkText(p.Reverse))
	for _, g := range p.Guards {
		fmt.Fprintf(b, "    %-16s %s\n", "guard", guardText(g))
	}
	if p.Rollback.Ready {
		fmt.Fprintf(b, "    %-16s ready, about %s, binlog kept %s\n", "rollback", p.Rollback.Lag, kept(p.Rollback.BinlogKept))
	} else {
		fmt.Fprintf(b, "    %-16s NOT ready: %s\n", "rollback", strings.Join(p.Rollback.Missing, "; "))
	}
	for _, risk := range p.Rollback.Risks {
		fmt.Fprintf(b, "    %-16s AT RISK: %s\n", "", risk)
	}
}

func sideText(s status.Server) string {
	if s.Error != "" {
		return "no answer: " + s.Error
	}
	state := "accepts writes"
	if s.Fenced {
		state = "fenced"
	}
	return fmt.Sprintf("%s, %s, %d client sessions", s.Version, state, s.Clients)
}

func linkText(l status.Link) string {
	switch {
	case l.Error != "":
		return "FAILED: " + l.Error
	case !l.Configured:
		return "none"
	}
	state := "running"
	if !l.Running {
		state = "STOPPED"
	}
	return fmt.Sprintf("%s, %s and %d transactions behind", state, l.Lag, l.Lag.Transactions)
}

// guardText describes the guard of a switch in one line.
func guardText(g guard.Status) string {
	if g.Error != "" {
		return fmt.Sprintf("of %s: not seen: %s", g.Server, g.Error)
	}
	text := fmt.Sprintf("of %s: %s", g.Server, g.State)
	if !g.Alive {
		text += ", its process is gone"
	}
	switch {
	case g.Opens == "":
	case g.Left > 0:
		text += fmt.Sprintf(", opens %s at %s (in %s)", g.Opens, g.Deadline.Format(time.RFC3339), round(g.Left))
	default:
		text += fmt.Sprintf(", opens %s (since %s)", g.Opens, g.Deadline.Format(time.RFC3339))
	}
	return text
}

func kept(d time.Duration) string {
	if d == 0 {
		return "for ever"
	}
	return d.String()
}
