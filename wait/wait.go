// Package wait waits for a length of time that a context can cut short. It needs
// nothing of the module, and it promises what [time.Sleep] does not: the end of the
// context ends the wait, and the caller learns why.
package wait

import (
	"context"
	"time"
)

// For waits for d and returns nil. It returns the cause of ctx's end at once if ctx
// ends first or has ended already, even where d is not positive.
func For(ctx context.Context, d time.Duration) error {
	if d <= 0 || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
