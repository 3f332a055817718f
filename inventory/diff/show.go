package diff

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/show"
	"github.com/dcmigrate/migrate/phrase"
)

// Show writes a report for the terminal: the drift, and with all also harmless and
// expected differences.
func Show(w io.Writer, r *Report, all bool) error {
	table := show.Table{Header: []string{"HOST", "CLASS", "WHAT", "OLD", "NEW", "WHY"}}
	var texts strings.Builder
	for _, d := range r.Differences {
		if d.Class != Drift && !all {
			continue
		}
		was, is := cells(d)
		table.Rows = append(table.Rows, []string{d.Host, string(d.Class), phrase.Cut(d.What, 2*maxCellWidth), was, is, d.Why})
		if d.Lines != "" {
			fmt.Fprintf(&texts, "\n%s: %s\n", inventory.Printable(d.Host), d.What)
			for line := range strings.Lines(d.Lines) {
				texts.WriteString(inventory.Printable(strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", "    ")) + "\n")
			}
		}
	}
	unknown := show.Table{Header: []string{"HOST", "NOT COMPARED", "LACKED BY", "WHY", "DETAIL", "MAY HIDE"}}
	for _, n := range r.NotCompared {
		unknown.Rows = append(unknown.Rows, []string{n.Host, n.What, lackedBy[n.Side], n.Reason, n.Detail, fmt.Sprint(n.Hides)})
	}
	if err := show.Write(w, table, unknown); err != nil {
		return fmt.Errorf("show difference: %w", err)
	}
	if len(table.Rows)+len(unknown.Rows) > 0 {
		texts.WriteString("\n")
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&texts, "note: %s\n", inventory.Printable(note))
	}
	fmt.Fprintf(&texts, "%s → %s: %s\n", inventory.Printable(r.Old), inventory.Printable(r.New), r.summary())
	if _, err := io.WriteString(w, texts.String()); err != nil {
		return fmt.Errorf("show difference: %w", err)
	}
	return nil
}

var lackedBy = map[string]string{OnlyOld: "the old side", OnlyNew: "the new side", Both: "both"}

// summary returns "2 drift, 1 harmless, 30 expected; 3 parts could not be compared".
func (r *Report) summary() string {
	text := fmt.Sprintf("%d drift, %d harmless, %d expected", r.Count(Drift), r.Count(Harmless), r.Count(Expected))
	if n := len(r.NotCompared); n > 0 {
		text += fmt.Sprintf("; %d parts could not be compared", n)
	}
	return text
}

// widest is how much of a value is shown: the JSON has it whole.
const maxCellWidth = 60

// cells are the two values of a difference. Sizes that would read the same are shown exactly.
func cells(d Difference) (was, is string) {
	was, is = cell(d.At, d.Old), cell(d.At, d.New)
	if was == is && isSize(d.At) {
		was, is = d.Old+" B", d.New+" B"
	}
	switch d.Only {
	case OnlyNew:
		was = "none"
	case OnlyOld:
		is = "none"
	}
	return was, is
}

func cell(at, text string) string {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && isSize(at) {
		return phrase.Size(n)
	}
	return phrase.Cut(text, maxCellWidth)
}

// isSize reports whether the values of a place are numbers of bytes.
func isSize(at string) bool { return strings.HasSuffix(at, "_bytes") }
