package inventory

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Show writes a table with a line per host for the terminal.
func Show(w io.Writer, hosts []*Host) error {
	t := newTable(w, "HOST", "ROLES", "OS", "CPU", "MEMORY", "DISK USED", "PACKAGES", "SERVICES", "LISTENERS", "FILES", "MYSQL", "DATA", "MISSING")
	for _, h := range hosts {
		version, data := "-", "-"
		if h.MySQL != nil {
			version, data = h.MySQL.Version, Bytes(h.MySQL.DataSize())
		}
		used, size := h.DiskSpace()
		t.row(h.Name, strings.Join(h.Roles, ","), strings.TrimSpace(h.OS.ID+" "+h.OS.Release), strconv.Itoa(h.CPU.Count),
			Bytes(h.Memory.Total), Bytes(used)+" of "+Bytes(size), strconv.Itoa(len(h.Packages)), strconv.Itoa(len(h.Services)),
			strconv.Itoa(len(h.Listeners)), strconv.Itoa(len(h.Files)), version, data, strconv.Itoa(len(h.Missing)))
	}
	return t.end()
}

// DiskSpace sums the local disks, each device once, in bytes.
func (h *Host) DiskSpace() (used, size int64) {
	seen := map[string]bool{}
	for _, d := range h.Disks {
		if !seen[d.Device] {
			seen[d.Device] = true
			used, size = used+d.Used, size+d.Size
		}
	}
	return used, size
}

// ShowHost writes all of one host but the packages that are mere dependencies.
func ShowHost(w io.Writer, h *Host) error {
	t := newTable(w, "HOST", h.Name)
	t.row("roles", strings.Join(h.Roles, ", "))
	t.row("captured", h.CapturedAt.Format("2006-01-02 15:04:05 MST"))
	t.row("os", h.OS.Name)
	t.row("kernel", h.OS.Kernel+" "+h.OS.Architecture)
	t.row("cpu", fmt.Sprintf("%d %s", h.CPU.Count, h.CPU.Model))
	t.row("memory", Bytes(h.Memory.Total)+", swap "+Bytes(h.Memory.Swap))
	t.section("MOUNT", "DEVICE", "TYPE", "USED", "SIZE")
	for _, d := range h.Disks {
		t.row(d.Mount, d.Device, d.FS, Bytes(d.Used), Bytes(d.Size))
	}
	t.section("PACKAGE", "VERSION", "ARCHITECTURE")
	for _, p := range h.Packages {
		if p.Manual {
			t.row(p.Name, p.Version, p.Architecture)
		}
	}
	t.section("UNIT", "ENABLED", "ACTIVE", "PACKAGE")
	for _, s := range h.Services {
		t.row(s.Unit, s.Enabled, s.Active, s.Package)
	}
	t.section("PROTOCOL", "ADDRESS", "PORT", "PROCESS", "PACKAGE")
	for _, l := range h.Listeners {
		t.row(l.Protocol, l.Address, strconv.Itoa(l.Port), l.Process, l.Package)
	}
	showMySQL(t, h.MySQL)
	t.section("FILE", "KIND", "MODE", "OWNER", "SIZE", "SHA256")
	for _, f := range h.Files {
		t.row(string(f.Path), f.Kind, f.Mode, f.Owner+":"+f.Group, Bytes(f.Size), fmt.Sprintf("%.12s", f.SHA256))
	}
	if len(h.Missing) > 0 {
		t.section("MISSING", "REASON", "DETAIL")
		for _, m := range h.Missing {
			t.row(m.What, m.Reason, m.Detail)
		}
	}
	return t.end()
}

func showMySQL(t *table, m *MySQL) {
	if m == nil {
		return
	}
	t.section("MYSQL", m.Version)
	t.row("socket", m.Socket)
	t.row("free space", Bytes(m.FreeSpace))
	for _, name := range sortedKeys(m.Variables) {
		t.row(name, m.Variables[name])
	}
	t.section("SCHEMA", "TABLES", "SIZE")
	for _, s := range m.Schemas {
		t.row(s.Name, strconv.Itoa(s.Tables), Bytes(s.Size))
	}
	t.section("USER", "HOST")
	for _, u := range m.Users {
		t.row(u.User, u.Host)
	}
}

// table aligns columns; sections are apart and aligned each on its own.
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

func (t *table) section(header ...string) {
	t.err = cmp.Or(t.err, t.w.Flush())
	_, err := fmt.Fprintln(t.out)
	t.err = cmp.Or(t.err, err)
	t.row(header...)
}

// row writes cells; a name from a host cannot drive the terminal.
func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = printable(c)
		if cells[i] == "" {
			cells[i] = "-"
		}
	}
	_, err := fmt.Fprintln(t.w, strings.Join(cells, "\t"))
	t.err = cmp.Or(t.err, err)
}

func (t *table) end() error { return cmp.Or(t.err, t.w.Flush()) }

// printable replaces what is no printable character by its escape.
func printable(s string) string {
	q := strconv.Quote(s)
	q = q[1 : len(q)-1]
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(q)
}

// Bytes shows a size with three digits and a binary unit: "1.23 GiB".
func Bytes(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	v, i := float64(n), 0
	for v >= 1000 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	switch {
	case i == 0:
		return fmt.Sprintf("%d B", n)
	case v < 10:
		return fmt.Sprintf("%.2f %s", v, units[i])
	case v < 100:
		return fmt.Sprintf("%.1f %s", v, units[i])
	default:
		return fmt.Sprintf("%.0f %s", v, units[i])
	}
}
