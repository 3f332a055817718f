package remote

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrUnreachable is wrapped when the network fails before SSH answers: no
	// route, connection refused, timeout. It comes as a report.TransientError.
	ErrUnreachable = errors.New("host is unreachable")
	// ErrLost is wrapped when a connection ended in the middle of a command. What
	// the command did is unknown. It comes as a report.TransientError.
	ErrLost = errors.New("connection lost")
	// ErrAuth is wrapped when the host accepts none of the keys.
	ErrAuth = errors.New("the host accepts none of the keys")
	// ErrSudo is wrapped when the login is not root and cannot become root.
	ErrSudo = errors.New("sudo -n does not work")
)

// ExitError is the error of a command that ended with a status other than 0.
type ExitError struct {
	Host   string
	Status int    // 128+n if signal n ended the command
	Stderr string // the last 4 KiB at most
}

// Error names the host, the status and the last line of standard error.
func (e *ExitError) Error() string {
	text := fmt.Sprintf("command on %s ended with status %d", e.Host, e.Status)
	if line := lastLine(e.Stderr); line != "" {
		text += ": " + line
	}
	return text
}

// ExitStatus is the status of the ExitError in err, or 0 if there is none.
func ExitStatus(err error) int {
	var exit *ExitError
	if errors.As(err, &exit) {
		return exit.Status
	}
	return 0
}

// lastLine returns the last line of text that is not blank, at most 300 bytes.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	text = strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}

// UnknownHostError is the error of a host whose key is in none of the known_hosts
// files.
type UnknownHostError struct {
	Host, Address string // Address is host:port
	Key           string // type and fingerprint that the host showed
	Files         []string
}

// Error names the host, its key and the files that were searched.
func (e *UnknownHostError) Error() string {
	where := "no known_hosts file is configured"
	if len(e.Files) > 0 {
		where = "not in " + strings.Join(e.Files, ", ")
	}
	return fmt.Sprintf("host %s (%s) is unknown: its key is %s, %s", e.Host, e.Address, e.Key, where)
}

// HostKeyError is the error of a host that showed another key than the one on
// record. Either the host was reinstalled, or another one answers in its place.
type HostKeyError struct {
	Host, Address string // Address is host:port
	Key           string // type and fingerprint that the host showed
	File          string // that holds another key for the host
	Line          int
	Revoked       bool // the line says @revoked
}

// Error names the host, the key, and the file and line that contradict it.
func (e *HostKeyError) Error() string {
	if e.Revoked {
		return fmt.Sprintf("key %s of host %s (%s) is revoked by %s:%d", e.Key, e.Host, e.Address, e.File, e.Line)
	}
	return fmt.Sprintf("key of host %s (%s) has changed: it shows %s, %s:%d has another",
		e.Host, e.Address, e.Key, e.File, e.Line)
}
