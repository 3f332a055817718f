package show

import (
	"io"

	"github.com/dcmigrate/migrate/inventory"
)

// Host writes the brief tables of one host for the terminal; see Tables.
func Host(w io.Writer, h *inventory.Host) error {
	t := newTable(w, "HOST", h.Name)
	for _, row := range Facts(h).Rows {
		t.row(row...)
	}
	for _, part := range Tables(h, true) {
		t.startSection(part.Header...)
		for _, row := range part.Rows {
			t.row(row...)
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	return writeUnknown(w, []*inventory.Host{h})
}
