// Lab starts a datacenter on this machine: to try migrate in, and to run the
// whole move once as a demo.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/lab/machine"
	"github.com/dcmigrate/migrate/report"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run executes one command line and returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:   "lab",
		Short: "A datacenter on one machine, to move with migrate",
		Long: `A datacenter on one machine, to move with migrate: an old site of Debian hosts
that run a small blog, the vendors' APIs simulated, and clients that read and
write all the time. Needs Linux and root.

Exit codes:
  0  done
  1  failed; after a demo: something was lost, doubled, different, or leaked`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(demoCommand(), upCommand(), cleanCommand())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintln(stderr, "lab: error:", err)
	if hint := report.Hint(err); hint != "" {
		_, _ = fmt.Fprintln(stderr, "lab: hint:", hint)
	}
	return 1
}

func cleanCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "clean",
		Short: "Remove what labs that died have left: hosts, mounts, namespaces, processes",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return machine.CleanUp(c.Context(), machine.DefaultState, progress(c.OutOrStdout()))
		},
	}
}

// progress prints the lab's own lines, which begin with #.
func progress(w io.Writer) func(string) {
	return func(line string) { _, _ = fmt.Fprintln(w, "#", line) }
}
