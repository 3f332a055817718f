package export

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// NotExported is something that the export does not have.
type NotExported struct {
	What  string   `json:"what"`
	Why   string   `json:"why"`
	Hosts []string `json:"hosts"`
}

func (c *collector) leaveOut(h *inventory.Host, what, why string) {
	key := [2]string{what, why}
	c.notExportedHosts[key] = append(c.notExportedHosts[key], h.Name)
}

// notExported returns what was left out, sorted by reason.
func (c *collector) notExported() []NotExported {
	list := []NotExported{}
	for key, hosts := range c.notExportedHosts {
		slices.Sort(hosts)
		list = append(list, NotExported{asciiLine(key[0]), asciiLine(key[1]), slices.Compact(hosts)})
	}
	slices.SortFunc(list, func(a, b NotExported) int {
		return cmp.Or(cmp.Compare(a.Why, b.Why), cmp.Compare(a.What, b.What), slices.Compare(a.Hosts, b.Hosts))
	})
	return list
}

// asciiLine returns a name of any bytes as one line of ASCII.
func asciiLine(text string) string {
	quoted := fmt.Sprintf("%+q", text)
	if quoted[1:len(quoted)-1] == text {
		return text
	}
	return quoted
}

// inBackticks puts a text into backticks, more than it has in a row.
func inBackticks(text string) string {
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		return fence + " " + text + " " + fence
	}
	return fence + text + fence
}

// notExportedPage returns the page of what was left out, by reason.
func notExportedPage(list []NotExported) string {
	var b strings.Builder
	b.WriteString("# What is not exported\n\nEach needs a look before the new hosts serve anybody.\n")
	why := ""
	for _, l := range list {
		if l.Why != why {
			why = l.Why
			b.WriteString("\n## " + capitalized(strings.NewReplacer("<", "&lt;", "*", `\*`, "`", "").Replace(why)) + "\n\n")
		}
		fmt.Fprintf(&b, "- %s: %s\n", inBackticks(l.What), strings.Join(l.Hosts, ", "))
	}
	return b.String()
}

func capitalized(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// rewritten is the page of the addresses that were replaced, or are still there.
func rewrittenPage(list []Rewrite) string {
	var b strings.Builder
	b.WriteString("# Old addresses\n\nNames of hosts, networks and addresses that two hosts have are not looked for: migrate inventory findings\nlists the lines with names.\n\n")
	part := func(title string, among func(Rewrite) bool) {
		lines := 0
		for _, r := range list {
			if !among(r) {
				continue
			}
			if lines++; lines == 1 {
				b.WriteString("## " + title + "\n\n")
			}
			change := inBackticks(r.Old)
			switch {
			case r.New != "":
				change += " → " + inBackticks(r.New)
			case !r.isUsual():
				change += " (" + string(r.Why) + ")"
			}
			fmt.Fprintf(&b, "- %s: %s on %s\n", inBackticks(fmt.Sprintf("%s:%d", asciiLine(r.File), r.Line)), change, r.Hosts)
		}
		if lines > 0 {
			b.WriteString("\n")
		}
	}
	part("Replaced", func(r Rewrite) bool { return r.New != "" })
	part("Not replaced: no new one is known, or it stands for a network or a range", func(r Rewrite) bool { return r.New == "" && r.isUsual() })
	part("Not replaced: a new one in its place could mean something else", func(r Rewrite) bool { return r.New == "" && !r.isUsual() })
	if len(list) == 0 {
		b.WriteString("No other old address stands in what is exported.\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
