package config

import "strings"

// Way is what the configuration knows of a way to cut over. Which ways there
// are is passed in: the configuration does not depend on what they do.
type Way struct {
	Name string // as in cutover.way
	Text string // the explanation in the file that migrate init writes
}

// Ways are the ways that a configuration may choose from; the first is the default.
type Ways []Way

func (ws Ways) names() []string {
	var names []string
	for _, w := range ws {
		names = append(names, w.Name)
	}
	return names
}

// List joins names as a sentence does: "a, b and c".
func List(names []string, word string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " " + word + " " + names[last]
}

// commentWidth is where a line of the written file ends, indentation and "#" included.
const commentWidth = 80

// Comment explains the ways in the file that migrate init writes: a paragraph
// each, below the setting's indentation, the texts one below the other.
func (ws Ways) Comment() string {
	longest := 0
	for _, w := range ws {
		longest = max(longest, len(w.Name))
	}
	var b strings.Builder
	for _, w := range ws {
		line := "  # " + w.Name + ":" + strings.Repeat(" ", longest-len(w.Name))
		for word := range strings.FieldsSeq(w.Text) {
			if len(line)+1+len(word) > commentWidth {
				b.WriteString(line + "\n")
				line = "  # " + strings.Repeat(" ", longest+1)
			}
			line += " " + word
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}
