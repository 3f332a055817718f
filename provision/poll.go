package provision

import (
	"context"
	"time"
)

// Poll calls try every interval until it says done or fails, or ctx ends.
func Poll(ctx context.Context, interval time.Duration, try func(context.Context) (done bool, err error)) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		done, err := try(ctx)
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
