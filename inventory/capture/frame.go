package capture

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// answerHeader begins a host's answer. What a login prints before it is ignored.
const answerHeader = "migrate-inventory 2\n"

// section is the result of one section of the script.
type section struct {
	status   int
	out, err []byte
}

// answer is a host's answer to the script.
type answer struct {
	self     int // process ID of the script
	sections map[string]section
}

var errCutOff = errors.New("the answer was cut off")

// parseFrames splits a host's answer into sections. It fails if the answer is not
// complete.
func parseFrames(text []byte) (answer, error) {
	a := answer{sections: map[string]section{}}
	at := bytes.Index(text, []byte(answerHeader))
	if at < 0 || at > 0 && text[at-1] != '\n' {
		return a, errors.New("the answer does not begin as expected")
	}
	head, data, found := bytes.Cut(text[at+len(answerHeader):], []byte("\ndata\n"))
	if !found {
		return a, errCutOff
	}
	status, sizes, found := strings.Cut(string(head), "\nsizes\n")
	if !found {
		return a, errors.New("the answer tells no sizes")
	}
	if err := a.parseStatus(status); err != nil {
		return a, err
	}
	lengths, err := parseSizes(sizes)
	if err != nil {
		return a, err
	}
	for _, line := range strings.Split(status, "\n") {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		s := a.sections[f[1]]
		if s.out, data, err = takePart(data, lengths, f[1]+".out"); err != nil {
			return a, err
		}
		if s.err, data, err = takePart(data, lengths, f[1]+".err"); err != nil {
			return a, err
		}
		a.sections[f[1]] = s
	}
	if string(data) != "end\n" {
		return a, errCutOff
	}
	return a, nil
}

// parseStatus reads the lines "self PID" and "status NAME STATUS".
func (a *answer) parseStatus(text string) error {
	for _, line := range strings.Split(text, "\n") {
		f := strings.Fields(line)
		switch {
		case len(f) == 2 && f[0] == "self":
			pid, err := strconv.Atoi(f[1])
			if err != nil {
				return fmt.Errorf("read process id: %w", err)
			}
			a.self = pid
		case len(f) == 3 && f[0] == "status":
			n, err := strconv.Atoi(f[2])
			if err != nil {
				return fmt.Errorf("section %.60s: bad status %.60q", f[1], f[2])
			}
			if _, twice := a.sections[f[1]]; twice {
				return fmt.Errorf("section %s comes twice", f[1])
			}
			a.sections[f[1]] = section{status: n}
		default:
			return fmt.Errorf("no section is %.60q", line)
		}
	}
	return nil
}

// parseSizes reads the output of wc -c into a map from the name of a part, such as
// "os.out", to its length.
func parseSizes(text string) (map[string]int, error) {
	sizes := map[string]int{}
	for _, line := range lines(text) {
		f := strings.Fields(line)
		if len(f) != 2 {
			return nil, fmt.Errorf("no size is %.60q", line)
		}
		n, err := strconv.Atoi(f[0])
		if err != nil || n < 0 {
			return nil, fmt.Errorf("bad size %.60q", line)
		}
		sizes[path.Base(f[1])] = n
	}
	return sizes, nil
}

func takePart(data []byte, sizes map[string]int, part string) (taken, rest []byte, err error) {
	n, ok := sizes[part]
	if !ok {
		return nil, nil, fmt.Errorf("the answer tells no size of %s", part)
	}
	if n > len(data) {
		return nil, nil, errCutOff
	}
	return data[:n], data[n:], nil
}

// missing returns why a section failed; nil if it succeeded.
func (s section) missing(what string) *inventory.Missing {
	text := strings.TrimSpace(strings.ToValidUTF8(string(s.err), "?"))
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		text = strings.TrimSpace(text[i+1:])
	}
	reason := inventory.Failed
	switch {
	case s.status == 0:
		return nil
	case s.status == 90 || strings.Contains(text, "ERROR 2002"): // no server at the socket
		reason = inventory.Absent
	case s.status == 91:
		reason = inventory.Skipped
	case s.status == 124 || s.status == 137 || s.status == 143:
		reason, text = inventory.TimedOut, "it took too long"
	case denied(text):
		reason = inventory.Denied
	}
	if text == "" {
		text = fmt.Sprintf("status %d", s.status)
	}
	return &inventory.Missing{What: what, Reason: reason, Detail: text}
}

// denied reports whether an error message is about missing permissions.
func denied(text string) bool {
	for _, words := range []string{
		"Permission denied", "permission denied", "Operation not permitted", "you must be root", "must be root",
		"ERROR 1045", "ERROR 1698", "ERROR 1142", "ERROR 1227", "NOAUTH", "authentication failed", "need to be root", "Only root can",
	} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}
