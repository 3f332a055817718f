package verb

import (
	"fmt"

	"github.com/dcmigrate/migrate/report"
)

// RefusedError is a verb that does not fit where the move stands, or asks for
// what is not there.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

// Refuse returns a *RefusedError with the hint.
func Refuse(hint, format string, args ...any) error {
	return report.WithHint(&RefusedError{fmt.Sprintf(format, args...)}, "%s", hint)
}
