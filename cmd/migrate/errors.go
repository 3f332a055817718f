package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/inventory/candidates"
	"github.com/dcmigrate/migrate/move"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/move/wiring"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication/lead"
	"github.com/dcmigrate/migrate/report"
)

// Exit codes; exitCodes explains them to the operator.
const (
	exitOK          = 0
	exitFailed      = 1
	exitChanges     = 2
	exitConfig      = 3
	exitUnreachable = 4
	exitRefused     = 5
	exitLocked      = 6
	exitStopped     = 7
	exitDifferent   = 8
)

const exitCodes = `Exit codes:
  0  done; for plan: nothing would change
  1  failed; the journal and the error line say where
  2  plan: there are changes; inventory diff: there is drift
  3  the configuration or the command line is wrong; nothing was changed
  4  a host or a vendor cannot be reached, or refuses the login; run it again
  5  refused: the plan is not reviewed or does not hold any more, or a check forbids it
  6  another operator holds the lock
  7  stopped by a signal, or at the stage that was asked for; run it again to go on
  8  verify found differences`

// usageError is a wrong command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// wrongUsage is a command line that c does not understand.
func wrongUsage(c *cobra.Command, err error) error {
	return report.WithHint(usageError{err}, "%s --help", c.CommandPath())
}

// noArgs refuses arguments: the verbs take flags only.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return wrongUsage(c, fmt.Errorf("unknown argument %q for %q", args[0], c.CommandPath()))
}

// group makes c a command that only groups others: run alone, it shows its help.
func group(c *cobra.Command) *cobra.Command {
	c.DisableFlagsInUseLine = true
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		err := fmt.Errorf("unknown command %q for %q", args[0], c.CommandPath())
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			return report.WithHint(usageError{err}, "did you mean %s %s?", c.CommandPath(), near[0])
		}
		return wrongUsage(c, err)
	}
	return c
}

// errChanges makes plan and inventory diff exit with 2 without an error line.
var errChanges = errors.New("there are changes")

// report prints err and its hint, and returns the exit code. Where several hosts
// fail, each has a line; no line is printed twice.
func (a *app) report(err error) int {
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errChanges) {
		return exitChanges
	}
	said := map[string]bool{}
	for line := range strings.SplitSeq(strings.TrimSpace(err.Error()), "\n") {
		if !said[line] {
			_, _ = fmt.Fprintln(a.err, "migrate: error:", line)
		}
		said[line] = true
	}
	if hint := hintOf(err); hint != "" {
		_, _ = fmt.Fprintln(a.err, "migrate: hint:", hint)
	}
	return codeOf(err)
}

func hintOf(err error) string {
	var c *config.Error
	if errors.As(err, &c) {
		return c.Hint
	}
	return report.Hint(err)
}

func codeOf(err error) int {
	var (
		cfg     *config.Error
		usage   usageError
		locked  *plan.LockedError
		stale   *plan.StaleError
		refused *verb.RefusedError
		differ  *move.DifferenceError
		stage   *move.NoStageError
		noDB    *move.NoDatabaseError
		other   *lead.OtherError
		own     exitError
		unknown *remote.UnknownHostError
		key     *remote.HostKeyError
	)
	switch {
	case errors.As(err, &own):
		return own.status
	case errors.As(err, &cfg), errors.As(err, &usage), errors.As(err, &stage), errors.As(err, &noDB):
		return exitConfig
	case errors.As(err, &locked):
		return exitLocked
	case errors.As(err, &stale), errors.As(err, &refused), errors.As(err, &other):
		return exitRefused
	case errors.As(err, &differ):
		return exitDifferent
	case errors.Is(err, plan.ErrStopped):
		return exitStopped
	case errors.As(err, &unknown), errors.As(err, &key), errors.Is(err, remote.ErrAuth),
		errors.Is(err, remote.ErrUnreachable), errors.Is(err, remote.ErrSudo), errors.Is(err, wiring.ErrVendorLogin),
		errors.Is(err, dns.ErrNoZone), errors.Is(err, candidates.ErrIncomplete), errors.Is(err, os.ErrDeadlineExceeded), wiring.VendorRefuses(err):
		return exitUnreachable
	}
	return exitFailed
}
