package export

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// Left is something that the export does not bring back.
type Left struct {
	What  string   `json:"what"`
	Why   string   `json:"why"`
	Hosts []string `json:"hosts"`
}

func (c *collector) leave(h *inventory.Host, what, why string) {
	key := [2]string{what, why}
	c.leftOut[key] = append(c.leftOut[key], h.Name)
}

// left lists what was left out, by reason.
func (c *collector) left() []Left {
	list := []Left{}
	for key, hosts := range c.leftOut {
		slices.Sort(hosts)
		list = append(list, Left{shown(key[0]), shown(key[1]), slices.Compact(hosts)})
	}
	slices.SortFunc(list, func(a, b Left) int {
		return cmp.Or(cmp.Compare(a.Why, b.Why), cmp.Compare(a.What, b.What), slices.Compare(a.Hosts, b.Hosts))
	})
	return list
}

// shown makes a name of any bytes one line of plain text.
func shown(text string) string {
	quoted := fmt.Sprintf("%+q", text)
	if quoted[1:len(quoted)-1] == text {
		return text
	}
	return quoted
}

// code puts a text into backticks, more than it has in a row.
func code(text string) string {
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		return fence + " " + text + " " + fence
	}
	return fence + text + fence
}

// notExported is the page of what was left out, by reason.
func notExported(list []Left) string {
	var b strings.Builder
	b.WriteString("# What is not exported\n\nEach needs a look before the new hosts serve anybody.\n")
	why := ""
	for _, l := range list {
		if l.Why != why {
			why = l.Why
			b.WriteString("\n## " + upper(strings.NewReplacer("<", "&lt;", "*", `\*`, "`", "").Replace(why)) + "\n\n")
		}
		fmt.Fprintf(&b, "- %s: %s\n", code(l.What), strings.Join(l.Hosts, ", "))
	}
	return b.String()
}

func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// rewritten is the page of the addresses that were replaced, or are still there.
func rewritten(list []Rewrite) string {
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
			change := code(r.Old)
			switch {
			case r.New != "":
				change += " → " + code(r.New)
			case !r.isUsual():
				change += " (" + string(r.Why) + ")"
			}
			fmt.Fprintf(&b, "- %s: %s on %s\n", code(fmt.Sprintf("%s:%d", shown(r.File), r.Line)), change, r.Hosts)
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
