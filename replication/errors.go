package replication

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/remote"
)

// OneLine puts a text on one line: runs of white space become one space.
func OneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// WrapIf is wrap; nil stays nil.
func (s *Server) WrapIf(what string, err error) error {
	if err == nil {
		return nil
	}
	return s.Wrap(what, err)
}

// ErrGone says that something was listed and then was not there any more.
var ErrGone = errors.New("it is not there any more")

// FirstError is err, or other when err is nil.
func FirstError(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// ExitStatus is the exit status in err, or 0.
func ExitStatus(err error) int {
	var exit *remote.ExitError
	if errors.As(err, &exit) {
		return exit.Status
	}
	return 0
}

// WrapErr adds what was done to err; nil stays nil.
func WrapErr(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// ErrNotProvisioned is what a Server's Host or Endpoint returns (wrapped) while
// its machine is yet to be made by an earlier step; Check then says Unknown.
var ErrNotProvisioned = errors.New("not provisioned yet")
