package show

import (
	"io"

	"github.com/dcmigrate/migrate/inventory/findings"
)

// Findings writes a table of findings for the terminal, in their order.
func Findings(w io.Writer, found []findings.Finding) error {
	t := newTable(w, "HOST", "FINDING", "WHERE", "WHAT")
	for _, f := range found {
		t.row(f.Host, f.Kind, f.Where, f.Text)
	}
	return t.flush()
}
