// Migrate moves a live service from one datacenter to the cloud with no
// downtime and a way back.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/move"
	"github.com/dcmigrate/migrate/move/way"
	"github.com/dcmigrate/migrate/report"
)

// version is set by the build.
var version = "dev"

// gcPercent is how much the heap may grow, in percent, before garbage is collected.
// It is half of Go's default: the controller may be a small machine, and migrate
// seldom waits for its own processor.
const gcPercent = 50

func main() {
	debug.SetGCPercent(gcPercent)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	a := &app{out: stdout, err: stderr, ways: way.All()}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	ctx, stop := a.signals()
	defer stop()
	err := root.ExecuteContext(report.WithNotes(ctx, func(text string) { _, _ = fmt.Fprintln(stderr, "migrate: note:", text) }))
	return a.report(err)
}

// app is what the verbs share.
type app struct {
	out, err io.Writer
	file     string // --config
	json     bool   // --json
	stop     chan struct{}
	ways     way.Ways // the ways to cut over that an operator can choose from
}

func (a *app) root() *cobra.Command {
	root := group(&cobra.Command{
		Use:   "migrate",
		Short: "Move a live service to the cloud with no downtime and a way back",
		Long: `Move a live service from one datacenter to the cloud with no downtime and a way back.

In order: init, inventory capture, plan, apply, verify, cutover --dry-run, cutover;
then finish, or rollback and try again. Every change is listed before it is made,
recorded before it is started, checked after it is done, and can be taken back
until finish.

` + exitCodes,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	})
	root.PersistentFlags().StringVarP(&a.file, "config", "c", "migration.yaml", "the migration's configuration")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON (for long verbs: one event a line)")
	root.SetFlagErrorFunc(wrongUsage)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(a.initCommand(), a.inventoryCommand(), a.planCommand(), a.applyCommand(), a.statusCommand(),
		a.verifyCommand(), a.cutoverCommand(), a.rollbackCommand(), a.finishCommand(), a.runbookCommand(), a.throttleCommand(), a.seedWorkerCommand())
	return root
}

// signals returns a context that the second signal cancels. The first closes
// a.stop, so that a run stops between steps; the third ends the process.
func (a *app) signals() (context.Context, func()) {
	a.stop = make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	ch := make(chan os.Signal, 3)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ch
		_, _ = fmt.Fprintln(a.err, "migrate: stopping after the steps in progress; again to stop at once")
		close(a.stop)
		<-ch
		cancel()
		<-ch
		os.Exit(exitStopped)
	}()
	return ctx, func() { signal.Stop(ch); cancel() }
}

// open reads the configuration and wires the move.
func (a *app) open() (*move.Move, error) {
	cfg, err := config.Load(a.file, a.ways.Settings())
	if err != nil {
		return nil, err
	}
	return move.Open(cfg, a.ways)
}

// with runs f on an open move and closes it.
func (a *app) with(f func(*move.Move) error) error {
	m, err := a.open()
	if err != nil {
		return err
	}
	defer m.Close() //nolint:errcheck // connections of a process that ends
	return f(m)
}
