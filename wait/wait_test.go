package wait_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/wait"
)

func TestForWaitsAsLongAsItIsAsked(t *testing.T) {
	for _, d := range []time.Duration{-time.Second, 0, time.Nanosecond, 300 * time.Millisecond, 48 * time.Hour} {
		t.Run(d.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				require.NoError(t, wait.For(t.Context(), d))
				require.Equal(t, max(d, 0), time.Since(began))
			})
		})
	}
}

func TestForReturnsTheCauseOfAnEndMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("the operator pressed Ctrl-C")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(cause) })
		began := time.Now()
		require.ErrorIs(t, wait.For(ctx, time.Hour), cause)
		require.Equal(t, time.Minute, time.Since(began))
	})
}

func TestForReturnsTheCauseOfAnEarlierEnd(t *testing.T) {
	for _, d := range []time.Duration{-time.Second, 0, time.Nanosecond, time.Hour} {
		t.Run(d.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cause := errors.New("over before it began")
				ctx, cancel := context.WithCancelCause(t.Context())
				cancel(cause)
				began := time.Now()
				require.ErrorIs(t, wait.For(ctx, d), cause)
				require.Zero(t, time.Since(began))
			})
		})
	}
}

func TestForReturnsTheErrorOfADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, wait.For(ctx, time.Minute), context.DeadlineExceeded)
	})
}
