package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// magic begins a host's answer; what a login prints before it is ignored.
const magic = "migrate-inventory 1\n"

// section is the framed answer of one part of capture.sh.
type section struct {
	status   int
	out, err []byte
}

var errCutOff = errors.New("the answer was cut off")

// parseFrames takes a host's answer apart.
func parseFrames(answer []byte) (map[string]section, error) {
	at := bytes.Index(answer, []byte(magic))
	if at < 0 || at > 0 && answer[at-1] != '\n' {
		return nil, errors.New("the answer does not begin as expected")
	}
	rest := answer[at+len(magic):]
	sections := map[string]section{}
	for {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		if !found {
			return nil, errCutOff
		}
		if string(line) == "end" {
			return sections, nil
		}
		name, s, n, err := parseFrame(string(line), after)
		if err != nil {
			return nil, err
		}
		if _, twice := sections[name]; twice {
			return nil, fmt.Errorf("section %s comes twice", name)
		}
		sections[name] = s
		rest = after[n:]
	}
}

// parseFrame reads the section whose header is line from body; n is its length.
func parseFrame(line string, body []byte) (name string, s section, n int, err error) {
	f := strings.Split(line, " ")
	if len(f) != 5 || f[0] != "section" || f[1] == "" {
		return "", s, 0, fmt.Errorf("no section begins with %.60q", line)
	}
	var numbers [3]int
	for i, text := range f[2:] {
		if numbers[i], err = strconv.Atoi(text); err != nil || numbers[i] < 0 {
			return "", s, 0, fmt.Errorf("section %.60s: bad number %.60q", f[1], text)
		}
	}
	out, errs := numbers[1], numbers[2]
	if out > len(body) || errs > len(body)-out {
		return "", s, 0, errCutOff
	}
	return f[1], section{numbers[0], body[:out], body[out : out+errs]}, out + errs, nil
}

// missing says why a section has no answer; nil when it has one.
func (s section) missing(what string) *Missing {
	text := strings.TrimSpace(strings.ToValidUTF8(string(s.err), "?"))
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		text = strings.TrimSpace(text[i+1:])
	}
	reason := Failed
	switch {
	case s.status == 0:
		return nil
	case s.status == 90 || strings.Contains(text, "ERROR 2002"): // no server at the socket
		reason = Absent
	case s.status == 124 || s.status == 137 || s.status == 143:
		reason, text = TimedOut, "it took too long"
	case strings.Contains(text, "Permission denied") || strings.Contains(text, "ERROR 1045") ||
		strings.Contains(text, "ERROR 1698") || strings.Contains(text, "ERROR 1142") || strings.Contains(text, "ERROR 1227"):
		reason = Denied
	}
	if text == "" {
		text = fmt.Sprintf("status %d", s.status)
	}
	return &Missing{What: what, Reason: reason, Detail: text}
}
