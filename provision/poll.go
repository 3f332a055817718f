package provision

import (
	"context"
	"time"

	"github.com/dcmigrate/migrate/wait"
)

// Poll calls try until it is done or fails, with a pause of interval after each call.
// It returns try's error, or ctx's error when ctx ends first.
func Poll(ctx context.Context, interval time.Duration, try func(context.Context) (done bool, err error)) error {
	for {
		done, err := try(ctx)
		if done || err != nil {
			return err
		}
		if wait.For(ctx, interval) != nil {
			return ctx.Err()
		}
	}
}
