package show

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/phrase"
)

// Overview writes a table with a line for each host for the terminal.
func Overview(w io.Writer, hosts []*inventory.Host) error {
	t := newTable(w, "HOST", "ROLES", "OS", "CPU", "MEMORY", "DISK USED", "PACKAGES", "SERVICES", "LISTENERS", "FILES", "MYSQL", "DATA", "EXPLAINED", "SECRETS", "MISSING")
	for _, h := range hosts {
		version, data := "-", "-"
		if h.MySQL != nil {
			version, data = h.MySQL.Version, phrase.Size(h.MySQL.DataSize())
		}
		used, size := h.DiskSpace()
		t.row(h.Name, strings.Join(h.Roles, ","), strings.TrimSpace(h.OS.ID+" "+h.OS.Release), strconv.Itoa(h.CPU.Count),
			phrase.Size(h.Memory.Total), phrase.Size(used)+" of "+phrase.Size(size), strconv.Itoa(len(h.Packages)), strconv.Itoa(len(h.Services)),
			strconv.Itoa(len(h.Listeners)), strconv.Itoa(len(h.Files)+len(h.Configuration)), version, data,
			h.Coverage.String(), strconv.Itoa(len(h.Secrets)), strconv.Itoa(len(h.Missing)))
	}
	if err := t.flush(); err != nil {
		return err
	}
	return writeUnknown(w, hosts)
}

// writeUnknown writes a note for each host whose file has fields that only a newer
// program knows.
func writeUnknown(w io.Writer, hosts []*inventory.Host) error {
	for _, h := range hosts {
		if len(h.Unknown) == 0 {
			continue
		}
		if _, err := fmt.Fprintf(w, "\nnote: the inventory of %s is of a newer migrate: %s: passed over\n", h.Name, strings.Join(h.Unknown, ", ")); err != nil {
			return fmt.Errorf("show inventory: %w", err)
		}
	}
	return nil
}

// table writes aligned columns. Sections are separated by an empty line, and each is
// aligned on its own.
type table struct {
	w   *tabwriter.Writer
	out io.Writer
	err error
}

func newTable(w io.Writer, header ...string) *table {
	t := &table{w: tabwriter.NewWriter(w, 0, 8, 2, ' ', 0), out: w}
	t.row(header...)
	return t
}

func (t *table) startSection(header ...string) {
	t.err = cmp.Or(t.err, t.w.Flush())
	_, err := fmt.Fprintln(t.out)
	t.err = cmp.Or(t.err, err)
	t.row(header...)
}

// row writes cells. Escapes keep a name from a host from controlling the terminal.
func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = inventory.Printable(c)
		if cells[i] == "" {
			cells[i] = "-"
		}
	}
	_, err := fmt.Fprintln(t.w, strings.Join(cells, "\t"))
	t.err = cmp.Or(t.err, err)
}

func (t *table) flush() error { return cmp.Or(t.err, t.w.Flush()) }
