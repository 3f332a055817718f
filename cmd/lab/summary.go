package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/lab/traffic"
	"github.com/dcmigrate/migrate/move/way"
	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/plan"
)

// memoryLimit is the most resident memory that migrate may take.
const memoryLimit = 64 << 20

// summary is what a demo ends with.
type summary struct {
	way                        way.Traits
	total                      time.Duration
	traffic                    traffic.Summary
	lost, doubled, differences []string // as sentences
	switches                   []switched
	commands                   []execution
	stages                     map[int][]stage // of the command of that index
}

// switched is how the clients saw a switch of the writers.
type switched struct {
	name         string
	gap, overlap time.Duration
}

// stage is a stage of a command's plan, by the journal.
type stage struct {
	name string
	took time.Duration
}

func (d *demo) summarize(log traffic.Log, total time.Duration) summary {
	s := summary{way: d.way, total: total, traffic: log.Summary(), commands: d.done, stages: map[int][]stage{}}
	for _, r := range d.reports {
		for _, f := range r.Lost {
			s.lost = append(s.lost, fmt.Sprintf("%s %s on the %s: %s", f.Kind, f.Op, f.Side, f.Text))
		}
		for _, f := range r.Doubled {
			s.doubled = append(s.doubled, fmt.Sprintf("%s %s on the %s: %s", f.Kind, f.Op, f.Side, f.Text))
		}
		s.differences = append(s.differences, r.Differences...)
	}
	for _, f := range d.flips {
		s.switches = append(s.switches, switched{
			name: fmt.Sprintf("%s, %s → %s", strings.TrimPrefix(f.line, "migrate "), f.left, f.entered),
			gap:  log.Gap(f.start, f.seen), overlap: log.Overlap(f.left, f.entered, f.start, f.seen),
		})
	}
	events, err := plan.ReadJournal(d.path(stateFolder, "journal.jsonl"))
	if err != nil {
		s.differences = append(s.differences, "the journal cannot be read: "+err.Error())
	}
	for i, c := range d.done {
		s.stages[i] = stagesOf(events, c.start, c.end)
	}
	return s
}

// stagesOf tells from the journal how long each stage took between two times:
// from its first event to its last.
func stagesOf(events []plan.Event, from, to time.Time) []stage {
	var out []stage
	var first, last []time.Time
	for _, e := range events {
		if e.Step.IsZero() || e.Time.Before(from) || e.Time.After(to) {
			continue
		}
		i := slices.IndexFunc(out, func(s stage) bool { return s.name == e.Step.Stage })
		if i < 0 {
			i = len(out)
			out, first, last = append(out, stage{name: e.Step.Stage}), append(first, e.Time), append(last, e.Time)
		}
		last[i] = e.Time
		out[i].took = last[i].Sub(first[i])
	}
	return out
}

// problems are the sentences that make a demo fail.
func (s summary) problems() []string {
	var out []string
	count := func(n int, what string) {
		if n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, what))
		}
	}
	count(len(s.lost), "writes lost")
	count(len(s.doubled), "writes doubled")
	count(len(s.differences), "differences")
	if s.way.NothingFails {
		count(s.traffic.Failed, "requests failed")
	}
	for _, w := range s.switches {
		if s.way.OneWriter && w.overlap > 0 {
			out = append(out, fmt.Sprintf("both sides took writes for %s during %s", round(w.overlap), w.name))
		}
	}
	for _, c := range s.commands {
		if c.peak > memoryLimit {
			out = append(out, fmt.Sprintf("%s took %s of memory, over %s", c.line, phrase.Bytes(c.peak), phrase.Bytes(memoryLimit)))
		}
	}
	return out
}

// print writes the summary as a table.
func (s summary) print(w io.Writer) error {
	var b bytes.Buffer
	line := func(name string, value any) { fmt.Fprintf(&b, "  %-56s %8v\n", name, value) }
	fmt.Fprintf(&b, "\nsummary, way %s\n\n", s.way.Name)
	line("requests", s.traffic.Requests)
	line("failed requests", s.traffic.Failed)
	for _, cause := range slices.Sorted(maps.Keys(s.traffic.Errors)) {
		line("  "+cause, s.traffic.Errors[cause])
	}
	line("acknowledged writes", s.traffic.AckedWrites)
	for _, found := range []struct {
		name string
		what []string
	}{{"lost writes", s.lost}, {"doubled writes", s.doubled}, {"differences between the sides", s.differences}} {
		line(found.name, len(found.what))
		for i, text := range found.what {
			const most = 5
			if i == most {
				fmt.Fprintf(&b, "    … and %d more\n", len(found.what)-most)
				break
			}
			fmt.Fprintf(&b, "    %s\n", text)
		}
	}
	line("sign-ups begun on one side, ended on the other", s.traffic.Crossed)
	line("slowest answer", round(s.traffic.Slowest))
	for _, w := range s.switches {
		line("longest gap between writes: "+w.name, round(w.gap))
	}
	s.printCommands(&b)
	_, err := w.Write(b.Bytes())
	return err
}

func (s summary) printCommands(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n  %-44s %11s %12s\n", "command", "time", "peak memory")
	most := 0
	for i, c := range s.commands {
		if c.peak > s.commands[most].peak {
			most = i
		}
		name := c.line
		if strings.HasPrefix(name, "migrate init ") {
			name = "migrate init"
		}
		fmt.Fprintf(b, "  %-44s %11s %12s\n", name, round(c.took()), phrase.Bytes(c.peak))
		printStages(b, s.stages[i])
	}
	fmt.Fprintf(b, "  %-44s %11s %12s\n", "in all", round(s.total), phrase.Bytes(s.commands[most].peak))
}

// printStages prints a command's stages as a paragraph below it.
func printStages(b *bytes.Buffer, stages []stage) {
	const width = 72
	line := ""
	for i, st := range stages {
		word := fmt.Sprintf("%s %s", st.name, round(st.took))
		if i < len(stages)-1 {
			word += ", "
		}
		if len(line)+len(word) > width {
			fmt.Fprintf(b, "    %s\n", strings.TrimSpace(line))
			line = ""
		}
		line += word
	}
	if line != "" {
		fmt.Fprintf(b, "    %s\n", line)
	}
}

func round(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}

// stateFolder is where migrate keeps its state, by the lab's configuration.
const stateFolder = ".migrate"

func (d *demo) path(parts ...string) string {
	return filepath.Join(append([]string{d.dir}, parts...)...)
}

// leaks looks for the lab's secrets in all that migrate printed, and in every
// file that it wrote (I7).
func (d *demo) leaks() ([]string, error) {
	var found []string
	look := func(where string, data []byte) {
		for _, s := range d.site.Secrets() {
			if s != "" && bytes.Contains(data, []byte(s)) {
				found = append(found, "a secret is in "+where)
			}
		}
	}
	look("what migrate printed", d.migrate.said.Bytes())
	config, err := os.ReadFile(d.path("migration.yaml"))
	if err != nil {
		return nil, fmt.Errorf("look for secrets: %w", err)
	}
	look("migration.yaml", config)
	err = filepath.WalkDir(d.path(stateFolder), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path) //nolint:gosec // G122: the lab's own folder
		look(path, data)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for secrets: %w", err)
	}
	return found, nil
}
