package export

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// essentialParts are the parts of a capture without which an export would make a host
// that looks right and is not.
var essentialParts = []string{"packages", "manual", "tree", "unit-files", "accounts"}

// checkMissing lists what the capture of a host could not take. It returns an error if
// the capture lacks a whole part that an export needs.
func (c *collector) checkMissing(h *inventory.Host) error {
	for _, m := range h.Missing {
		if slices.Contains(essentialParts, m.What) && !isPartOfTree(m) {
			return fmt.Errorf("its %s could not be captured (%s: %s): capture again, or export the other hosts by name", m.What, m.Reason, m.Detail)
		}
		if slices.ContainsFunc(h.Configuration, func(f inventory.File) bool { return string(f.Path) == m.What }) {
			continue // the file is listed itself
		}
		what := m.What
		if m.Detail != "" {
			what += ": " + m.Detail
		}
		c.leaveOut(h, what, "the capture could not take it ("+m.Reason+"), so nothing of it is exported")
	}
	return nil
}

// isPartOfTree reports whether only a folder or file is missing, which find names in its
// error.
func isPartOfTree(m inventory.Missing) bool {
	return m.What == "tree" && (m.Reason == inventory.Denied || strings.HasPrefix(m.Detail, "find: "))
}

// hasWholeTree reports whether a file that the inventory lacks is not on the host.
func hasWholeTree(h *inventory.Host) bool {
	return !slices.ContainsFunc(h.Missing, func(m inventory.Missing) bool { return m.What == "tree" })
}
