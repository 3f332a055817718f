package verb

import (
	"fmt"

	"github.com/dcmigrate/migrate/report"
)

// RefusedError refuses a verb that does not fit where the move stands, or that asks
// for something that does not exist.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

// Refuse returns a *RefusedError with the hint.
func Refuse(hint, format string, args ...any) error {
	return report.WithHint(&RefusedError{fmt.Sprintf(format, args...)}, "%s", hint)
}
