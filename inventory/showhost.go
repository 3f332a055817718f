package inventory

import "io"

// ShowHost writes all of one host but the packages that are mere dependencies
// and the accounts of packages.
func ShowHost(w io.Writer, h *Host) error {
	t := newTable(w, "HOST", h.Name)
	for _, row := range h.Facts().Rows {
		t.row(row...)
	}
	for _, part := range h.Tables(true) {
		t.section(part.Header...)
		for _, row := range part.Rows {
			t.row(row...)
		}
	}
	if err := t.end(); err != nil {
		return err
	}
	return showUnknown(w, []*Host{h})
}
