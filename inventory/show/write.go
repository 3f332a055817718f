package show

import (
	"cmp"
	"fmt"
	"io"
	"slices"
)

// Write writes tables for the terminal, separated by empty lines. Tables without rows
// are left out. Escapes keep a cell from a host from controlling the terminal.
func Write(w io.Writer, tables ...Table) error {
	var err error
	first := true
	for _, t := range tables {
		if len(t.Rows) == 0 {
			continue
		}
		if !first {
			_, e := fmt.Fprintln(w)
			err = cmp.Or(err, e)
		}
		first = false
		out := newTable(w, slices.Clone(t.Header)...)
		for _, row := range t.Rows {
			out.row(slices.Clone(row)...)
		}
		err = cmp.Or(err, out.flush())
	}
	return err
}
