package link

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/report"
)

// Status reads the state of the link from → to on the server that receives.
func Status(ctx context.Context, from, to *replication.Server) (dialect.ReplicaStatus, error) {
	return linkOp{from, to}.status(ctx)
}

// status reads the link's state.
func (l linkOp) status(ctx context.Context) (dialect.ReplicaStatus, error) {
	db, d, err := l.to.Open(ctx)
	if err != nil {
		return dialect.ReplicaStatus{}, err
	}
	status, err := d.ReplicaStatus(ctx, db)
	if err != nil {
		return dialect.ReplicaStatus{}, l.to.Wrap("ask for the link", err)
	}
	return status, nil
}

// Running reports whether the replica receives and applies.
func Running(s dialect.ReplicaStatus) bool { return s.IORunning == "Yes" && s.SQLRunning == "Yes" }

// describe is a replica's status in one line, without positions.
func describe(s dialect.ReplicaStatus) string {
	text := fmt.Sprintf("replicates from %s: receives %s, applies %s", s.Origin, strings.ToLower(s.IORunning), strings.ToLower(s.SQLRunning))
	if failure := Failure(s); failure != nil {
		text += ": " + failure.Error()
	}
	return text
}

// Failure is the error that a replica's status shows, or nil.
func Failure(s dialect.ReplicaStatus) error {
	switch {
	case s.SQLErrno != "" && s.SQLErrno != "0":
		return fmt.Errorf("applying stopped with error %s: %s", s.SQLErrno, phrase.OneLine(s.SQLError))
	case s.IOErrno == accessDenied || s.IOErrno == hostNotAllowed:
		return fmt.Errorf("%w: error %s: %s", errLoginRefused, s.IOErrno, phrase.OneLine(s.IOError))
	case s.IOErrno != "" && s.IOErrno != "0":
		return fmt.Errorf("receiving stopped with error %s: %s", s.IOErrno, phrase.OneLine(s.IOError))
	}
	return nil
}

// explain adds to err a hint for a link that does not run or does not keep up. The
// hint must be right at any point of the move: migrate apply is refused once a cutover
// has begun.
func (l linkOp) explain(ctx context.Context, err error, status dialect.ReplicaStatus) error {
	dialect, dialectErr := l.to.Dialect(ctx)
	switch {
	case dialectErr != nil:
		return errors.Join(err, dialectErr)
	case !status.Configured && l.from.Side() == replication.Source:
		return report.WithHint(err, "before the cutover run migrate apply, which makes the link")
	case !status.Configured:
		return report.WithHint(err, "before the cutover run migrate apply, which makes the link; after it, without this link there is no way back")
	case Running(status):
		return report.WithHint(err, "it runs and does not keep up: wait until migrate status shows that it has caught up")
	}
	return report.WithHint(err, "remove what has stopped it and run %s on %s; before the cutover migrate apply does so, too",
		dialect.StartReplica(), l.to.Name())
}

// errLoginRefused says that the other server does not let the link's user in.
var errLoginRefused = errors.New("the link's login was refused")

// Server errors that refuse a client.
const (
	accessDenied   = "1045"
	hostNotAllowed = "1130"
)
