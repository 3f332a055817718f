package setting

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
)

//go:embed next_start.sh
var nextStartScript string

// errNotKept says that a server would start with other values than those that were kept.
var errNotKept = errors.New("the kept value would not be in force after a restart")

// nextStart is what a server would read at its next start, as far as its host can tell.
type nextStart struct {
	options []option // in the order in which the server reads them: the last one of a name wins
	service []string // lines of its service that were changed since it started
	unknown string   // why something is not known; "" is all
}

// option is one option of the next start and where it stands.
type option struct{ name, value, from string }

// RequireInForce proves that the kept values would be in force after a restart: that no
// option which is read later, nor a statement of init_file, sets them otherwise, and that
// MySQL loads what it has persisted. What cannot be known is a note.
func (p Persistence) RequireInForce(ctx context.Context, kept map[string]string) error {
	return p.requireInForce(ctx, kept, true)
}

// RequireFree is RequireInForce for values that are not kept yet: it finds what would win
// whatever is kept. It makes no notes.
func (p Persistence) RequireFree(ctx context.Context, wanted map[string]string) error {
	return p.requireInForce(ctx, wanted, false)
}

func (p Persistence) requireInForce(ctx context.Context, wanted map[string]string, kept bool) error {
	db, dialect, err := p.Server.Open(ctx)
	if err != nil {
		return err
	}
	running, err := query.Variables(ctx, db, loadVariable, "init_file")
	if err != nil {
		return p.Server.Wrap("read what it loads at a start", err)
	}
	next, err := p.readNextStart(ctx)
	if err != nil {
		return err
	}
	if err := p.requireInitFile(ctx, running["init_file"], &next, wanted); err != nil {
		return err
	}
	if dialect.PersistsVariables() { // they win over option files and the command line
		if SameValue(running[loadVariable], "OFF") {
			return p.notKept("persisted_globals_load is OFF", "set persisted_globals_load to ON in its option file and restart it")
		}
		return p.requireOptions(next, map[string]string{loadVariable: "ON"}, false)
	}
	if next.unknown != "" {
		if kept {
			report.Note(ctx, "whether %s keeps %s over a restart is not known: %s", p.Server.Name(), strings.Join(slices.Sorted(maps.Keys(wanted)), ", "), next.unknown)
		}
		kept = false
	}
	if !kept {
		next.options = slices.DeleteFunc(next.options, func(o option) bool { return o.from == fromFiles })
	}
	return p.requireOptions(next, wanted, kept)
}

// loadVariable says whether MySQL loads its persisted variables.
const loadVariable = "persisted_globals_load"

// The places of options.
const (
	fromFiles   = "an option file"
	fromCommand = "its command line"
)

// readNextStart asks the server's host. It changes nothing.
func (p Persistence) readNextStart(ctx context.Context) (next nextStart, err error) {
	host := p.Server.Host()
	if host == nil {
		next.unknown = "its host cannot be reached"
		return next, nil
	}
	pidFile, err := PidFile(ctx, p.Server)
	if err != nil {
		return next, err
	}
	var out bytes.Buffer
	if err := host.Run(ctx, "pidfile="+remote.Quote(pidFile)+"\n"+nextStartScript, nil, &out); err != nil {
		return next, p.Server.Wrap("ask what it would read at a restart", err)
	}
	for line := range strings.Lines(out.String()) {
		kind, text, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		switch kind {
		case "F":
			next.add(text, fromFiles)
		case "C":
			next.add(text, fromCommand)
		case "S":
			next.service = append(next.service, strings.TrimSpace(text))
		case "X":
			next.unknown = text
		}
	}
	return next, nil
}

// add adds an argument of the server if it is an option.
func (n *nextStart) add(argument, from string) {
	if o, ok := parseOption(argument); ok {
		o.from = from
		n.options = append(n.options, o)
	}
}

// parseOption reads an argument such as --read-only, --skip-read-only or --loose_read_only=0.
func parseOption(argument string) (o option, ok bool) {
	text, ok := strings.CutPrefix(argument, "--")
	if !ok {
		return o, false
	}
	name, value, hasValue := strings.Cut(text, "=")
	o.name, o.value = variableName(name), strings.Trim(strings.TrimSpace(value), `"'`)
	if !hasValue {
		o.value = "ON"
	}
	for {
		prefix, rest, _ := strings.Cut(o.name, "_")
		switch prefix {
		case "loose", "enable":
		case "skip", "disable":
			o.value = "OFF"
		default:
			return o, o.name != ""
		}
		o.name = rest
	}
}

// variableName is an option's name as the variable's is spelled.
func variableName(option string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(option)), "-", "_")
}

// sets reports whether the option sets a variable. The servers take an abbreviation that is
// unambiguous, and do not start with another.
func (o option) sets(name string) bool { return len(o.name) > 3 && strings.HasPrefix(name, o.name) }

// requireOptions refuses options and lines of the service that set a variable otherwise. A
// variable that nothing sets is refused if it must be set.
func (p Persistence) requireOptions(next nextStart, wanted map[string]string, mustBeSet bool) error {
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		for _, line := range next.service {
			if strings.Contains(variableName(line), name) {
				return p.notKept(fmt.Sprintf("its service was changed since it started, and names %s: %s", name, line), "take it out there")
			}
		}
		var last option
		for _, o := range next.options {
			if o.sets(name) {
				last = o
			}
		}
		switch {
		case last.name != "" && !SameValue(last.value, wanted[name]):
			return p.notKept(fmt.Sprintf("%s sets %s to %s", last.from, name, last.value), "take it out there")
		case last.name == "" && mustBeSet:
			return p.notKept(fmt.Sprintf("no option file that it reads sets %s", name), "let the option file that it starts with include the folder of drop-in files last")
		}
	}
	return nil
}

// requireInitFile refuses statements that the server runs at its start and that name one of
// the variables. The file is the running server's, or that of its next start.
func (p Persistence) requireInitFile(ctx context.Context, path string, next *nextStart, wanted map[string]string) error {
	for _, o := range next.options {
		if o.name == "init_file" {
			path = o.value
		}
	}
	host := p.Server.Host()
	switch {
	case path == "":
		return nil
	case host == nil:
		next.unknown = "it runs the statements of init_file " + path + " at its start, and its host cannot be reached"
		return nil
	}
	var out bytes.Buffer
	if err := host.Run(ctx, `cat -- `+remote.Quote(path)+"\n", nil, &out); err != nil {
		return p.Server.Wrap("read its init_file", err)
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if strings.Contains(strings.ToLower(out.String()), name) {
			return p.notKept(fmt.Sprintf("its init_file %s names %s", path, name), "take the statement out")
		}
	}
	return nil
}

func (p Persistence) notKept(why, hint string) error {
	return report.WithHint(fmt.Errorf("%s: %w: %s", p.Server.Name(), errNotKept, why), "%s; then run the same command again", hint)
}
