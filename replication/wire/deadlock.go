package wire

import (
	"time"
)

const (
	deadlockTries = 10
	deadlockPause = 50 * time.Millisecond
)
