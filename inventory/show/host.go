package show

import (
	"io"

	"github.com/dcmigrate/migrate/inventory"
)

// Host writes all of one host but the packages that are mere dependencies
// and the accounts of packages.
func Host(w io.Writer, h *inventory.Host) error {
	t := newTable(w, "HOST", h.Name)
	for _, row := range Facts(h).Rows {
		t.row(row...)
	}
	for _, part := range Tables(h, true) {
		t.section(part.Header...)
		for _, row := range part.Rows {
			t.row(row...)
		}
	}
	if err := t.end(); err != nil {
		return err
	}
	return showUnknown(w, []*inventory.Host{h})
}
