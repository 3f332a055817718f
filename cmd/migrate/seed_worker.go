package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/dcmigrate/migrate/move/plans"
	"github.com/dcmigrate/migrate/replication/seed/worker"
)

// seedWorkerCommand is what a seed runs on the target's host. It is not for operators.
func (a *app) seedWorkerCommand() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:    plans.SeedWorkerVerb + " FOLDER",
		Short:  "The worker of a seed on the target's host; migrate apply starts it",
		Hidden: true,
		Args: func(c *cobra.Command, args []string) error {
			if want := map[bool]int{false: 1}[check]; len(args) != want {
				return wrongUsage(c, fmt.Errorf("%q is for migrate apply, not for people", c.CommandPath()))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if check {
				status, err := worker.Check(c.Context(), os.Stdin)
				return statusError(status, err)
			}
			ctx, cancel := context.WithCancel(c.Context())
			defer cancel()
			go func() { // the first signal ends it: the target has a record of what is done
				select {
				case <-a.stop:
					cancel()
				case <-ctx.Done():
				}
			}()
			return worker.Run(ctx, args[0])
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "read a job from standard input and only log in")
	return cmd
}

// exitError is an error with an exit status of its own.
type exitError struct {
	error
	status int
}

func (e exitError) Unwrap() error { return e.error }

func statusError(status int, err error) error {
	if err == nil {
		return nil
	}
	return exitError{err, status}
}
