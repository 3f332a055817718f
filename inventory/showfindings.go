package inventory

import "io"

// ShowFindings writes a table of findings for the terminal.
func ShowFindings(w io.Writer, found []Finding) error {
	t := newTable(w, "HOST", "FINDING", "WHERE", "WHAT")
	for _, f := range found {
		t.row(f.Host, f.Kind, f.Where, f.Text)
	}
	return t.end()
}
