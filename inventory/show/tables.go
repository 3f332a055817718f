package show

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/phrase"
)

// Table is a part of a host's inventory as people read it. Its cells are unescaped
// text from the host: whoever shows them must escape them.
type Table struct {
	// Name is the same for all hosts: "packages", "listeners", …
	Name   string
	Header []string
	Rows   [][]string
}

// Facts returns the table of a host's basic facts: system, processors, memory, …
func Facts(h *inventory.Host) Table {
	return Table{"facts", []string{"FACT", "VALUE"}, [][]string{
		{"roles", strings.Join(h.Roles, ", ")},
		{"captured", h.CapturedAt.Format("2006-01-02 15:04:05 MST") + " as " + h.As},
		{"name", strings.TrimSpace(h.Network.Hostname + " " + h.Network.FQDN)},
		{"os", h.OS.Name},
		{"kernel", h.OS.Kernel + " " + h.OS.Architecture},
		{"init", h.OS.Init},
		{"locale", h.OS.Locale},
		{"hardware", strings.TrimSpace(strings.Join([]string{h.Hardware.Vendor, h.Hardware.Product, h.Hardware.Virtualization}, " "))},
		{"cpu", fmt.Sprintf("%d %s", h.CPU.Count, h.CPU.Model)},
		{"memory", phrase.Size(h.Memory.Total) + ", swap " + phrase.Size(h.Memory.Swap)},
		{"time zone", h.Time.Zone},
		{"explained", h.Coverage.String()},
	}}
}

// Tables returns all tables of a host that have rows, without its Facts. If brief is
// true, they omit packages that were installed as dependencies, accounts of packages,
// and details that only a program needs.
func Tables(h *inventory.Host, brief bool) []Table {
	l := &tableList{host: h, brief: brief}
	l.hardware()
	l.software()
	l.running()
	l.access()
	l.system()
	l.network()
	l.data()
	l.files()
	return l.tables
}

// tableList collects the tables of a host.
type tableList struct {
	host   *inventory.Host
	brief  bool
	tables []Table
}

// add appends a table with a row for each element of list, unless list is empty.
func add[T any](l *tableList, name string, list []T, row func(T) []string, header ...string) {
	if len(list) == 0 {
		return
	}
	t := Table{name, header, make([][]string, len(list))}
	for i, e := range list {
		t.Rows[i] = row(e)
	}
	l.tables = append(l.tables, t)
}

// addFull is add for a table that brief lists omit.
func addFull[T any](l *tableList, name string, list []T, row func(T) []string, header ...string) {
	if !l.brief {
		add(l, name, list, row, header...)
	}
}

// more appends the cells or column names that brief tables omit.
func (l *tableList) more(cells []string, full ...string) []string {
	if l.brief {
		return cells
	}
	return append(cells, full...)
}

func oneCell(text string) []string { return []string{text} }

// line returns a line number as text; "" for 0, which means none.
func line(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// yes returns "yes" if is is true, else "".
func yes(is bool) string {
	if is {
		return "yes"
	}
	return ""
}

func (l *tableList) hardware() {
	h := l.host
	add(l, "disks", h.Disks, func(d inventory.Disk) []string {
		return []string{d.Mount, d.Device, d.FS, phrase.Size(d.Used), phrase.Size(d.Size)}
	}, "MOUNT", "DEVICE", "TYPE", "USED", "SIZE")
	addFull(l, "block devices", h.BlockDevices, func(b inventory.BlockDevice) []string {
		return []string{b.Name, b.Parent, b.Kind, b.FS, b.Model, phrase.Size(b.Size)}
	}, "BLOCK DEVICE", "PARENT", "KIND", "TYPE", "MODEL", "SIZE")
	addFull(l, "logical volumes", h.Volumes, func(v inventory.Volume) []string {
		return []string{v.Group, v.Name, phrase.Size(v.Size)}
	}, "VOLUME GROUP", "VOLUME", "SIZE")
	addFull(l, "arrays", h.Arrays, func(a inventory.Array) []string {
		return []string{a.Name, a.Level, a.State, yes(a.Degraded), strings.Join(a.Members, " ")}
	}, "ARRAY", "LEVEL", "STATE", "DEGRADED", "MEMBERS")
	addFull(l, "swap", h.Swaps, func(s inventory.Swap) []string {
		return []string{s.Path, s.Kind, phrase.Size(s.Size)}
	}, "SWAP", "KIND", "SIZE")
	addFull(l, "fstab", h.Mounts, func(m inventory.Mount) []string {
		return []string{m.Device, m.Mount, m.FS, m.Options}
	}, "DEVICE", "MOUNT", "TYPE", "OPTIONS")
}

func (l *tableList) files() {
	h := l.host
	file := func(f inventory.File) []string {
		sum := f.SHA256
		if sum == "" {
			sum = f.HMAC
		}
		return []string{string(f.Path), f.Kind, f.Mode, f.Owner + ":" + f.Group, phrase.Size(f.Size), fmt.Sprintf("%.12s", sum), f.Package}
	}
	full := func(f inventory.File) []string { return l.more(file(f), string(f.Target)) }
	columns := l.more([]string{"KIND", "MODE", "OWNER", "SIZE", "HASH", "OF PACKAGE"}, "LINK TO")
	add(l, "configuration", h.Configuration, full, append([]string{"CONFIGURATION"}, columns...)...)
	add(l, "files", h.Files, full, append([]string{"FILE"}, columns...)...)
	add(l, "unexplained", h.Coverage.Unexplained, oneCell, "UNEXPLAINED")
	add(l, "secrets", h.Secrets, func(s inventory.Secret) []string {
		return []string{string(s.Path), line(s.Line), s.Kind, s.Key, s.Token}
	}, "SECRET TO SUPPLY", "LINE", "KIND", "SETTING", "TOKEN")
	add(l, "missing", h.Missing, func(m inventory.Missing) []string {
		return []string{m.What, m.Reason, m.Detail}
	}, "MISSING", "REASON", "DETAIL")
}
