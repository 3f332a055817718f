package export

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// essential are the parts of a capture without which an export would make a
// host that looks right and is not.
var essential = []string{"packages", "manual", "tree", "unit-files", "accounts"}

// missing lists what the capture of a host could not take. It refuses a host
// that lacks a whole part that an export is made of.
func (c *collector) missing(h *inventory.Host) error {
	for _, m := range h.Missing {
		if slices.Contains(essential, m.What) && !partOfTree(m) {
			return fmt.Errorf("its %s could not be captured (%s: %s): capture again, or export the other hosts by name", m.What, m.Reason, m.Detail)
		}
		if slices.ContainsFunc(h.Configuration, func(f inventory.File) bool { return string(f.Path) == m.What }) {
			continue // the file is listed itself
		}
		what := m.What
		if m.Detail != "" {
			what += ": " + m.Detail
		}
		c.leave(h, what, "the capture could not take it ("+m.Reason+"), so nothing of it is exported")
	}
	return nil
}

// partOfTree reports whether only a folder or file is missing, which find names
// in its complaint.
func partOfTree(m inventory.Missing) bool {
	return m.What == "tree" && (m.Reason == inventory.Denied || strings.HasPrefix(m.Detail, "find: "))
}

// wholeTree reports whether a file that is not in the inventory is not on the host.
func wholeTree(h *inventory.Host) bool {
	return !slices.ContainsFunc(h.Missing, func(m inventory.Missing) bool { return m.What == "tree" })
}
