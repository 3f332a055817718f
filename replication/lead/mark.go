package lead

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/fence"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
)

// Controller is a state folder of a migration on a machine.
type Controller struct {
	Migration string `json:"migration"`
	ID        string `json:"id"`      // of the state folder, made once
	Machine   string `json:"machine"` // a copy of the folder on another machine is another controller
	Folder    string `json:"folder"`  // and so is a copy in another place
	Who       string `json:"who"`     // for people
	// Events is the number of the journal's last event. A journal that ends before what a
	// mark says is an old copy.
	Events int `json:"events"`
}

func (c Controller) String() string {
	return fmt.Sprintf("%s, with the state folder %s (migration %s)", c.Who, c.Folder, c.Migration)
}

// is reports whether both are the same state folder in the same place.
func (c Controller) is(other Controller) bool {
	return c.Migration == other.Migration && c.ID == other.ID && c.Machine == other.Machine && c.Folder == other.Folder
}

// Mark is what a server bears.
type Mark struct {
	Controller
	// Term grows with each take-over. The mark with the highest term holds: a fenced MySQL
	// server cannot be marked anew, and goes on bearing an old one.
	Term  int64     `json:"term"`
	Since time.Time `json:"since"`
}

// OtherError refuses a controller that does not lead.
type OtherError struct {
	Server string
	Mark   Mark
	// Behind is true if the same controller leads, with a longer journal.
	Behind bool
	Events int // of the journal that is too short
}

func (e *OtherError) Error() string {
	if e.Behind {
		return fmt.Sprintf("the journal is an old copy: it ends at event %d, and %s knows of event %d", e.Events, e.Server, e.Mark.Events)
	}
	return fmt.Sprintf("another controller leads on %s: %s, since %s", e.Server, e.Mark.Controller, e.Mark.Since.Format(time.RFC3339))
}

// refuse explains who leads, and how to go on.
func (c Controller) refuse(s *replication.Server, m Mark) error {
	e := &OtherError{Server: s.Name(), Mark: m, Behind: c.is(m.Controller), Events: c.Events}
	if e.Behind {
		return report.WithHint(report.Permanent(e), "put the newest journal back: with this one a rollback would not know what to undo; if there is none, --take-over goes on without it")
	}
	return report.WithHint(report.Permanent(e),
		"go on there: two controllers would undo each other's work. If that one is gone for good, or this state folder was moved or restored from its backup, add --take-over")
}

// objects reports whether the mark forbids the controller to lead.
func (c Controller) objects(m Mark) bool { return !c.is(m.Controller) || m.Events > c.Events }

const table = "leader"

// Servers' errors for what is not there.
const (
	errNoSchema = 1049
	errNoTable  = 1146
	errNoColumn = 1054
)

// read reads a server's mark; its Term is 0 if there is none.
func read(ctx context.Context, s *replication.Server, q query.Queryer) (Mark, error) {
	text, err := query.Text(ctx, q, "SELECT mark FROM "+query.QuoteTable(replication.OwnSchema, table)+" WHERE id = 1")
	switch query.ErrorNumber(err) {
	case errNoSchema, errNoTable, errNoColumn: // a table that is not migrate's is refused by the first write
		return Mark{}, nil
	}
	if err != nil || text == "" {
		return Mark{}, s.Wrap("read the mark of the controller that leads", err)
	}
	var m Mark
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return Mark{}, s.Wrap("read the mark of the controller that leads", err)
	}
	return m, nil
}

// Read reads a server's mark; ok is false if there is none.
func Read(ctx context.Context, s *replication.Server) (m Mark, ok bool, err error) {
	db, err := s.DB(ctx)
	if err != nil {
		return Mark{}, false, err
	}
	m, err = read(ctx, s, db)
	return m, m.Term > 0, err
}

// errFenced says that the mark cannot be written without lifting a fence.
var errFenced = errors.New("it is fenced")

// errReadOnly is the servers' error for a write behind a fence.
const errReadOnly = 1290

// write marks a server, out of its binlog and under a lock of its own. allowed looks at the
// mark that stands, in the same lock, and returns the one to write. The error wraps
// errFenced where a fence would have to be lifted.
func write(ctx context.Context, s *replication.Server, allowed func(Mark) (Mark, error)) error {
	d, err := s.Dialect(ctx)
	if err != nil {
		return err
	}
	if d.FenceStopsAdmins() {
		now, err := fence.ReadRunning(ctx, s)
		if err != nil {
			return err
		}
		if now.Closed {
			return errFenced
		}
	}
	session, err := s.Session(ctx, dialect.Unlogged)
	if err != nil {
		return err
	}
	defer session.Close()
	got, err := query.Text(ctx, session, "SELECT GET_LOCK('migrate.lead', 20)")
	if err == nil && got != "1" {
		err = errors.New("another session of migrate holds it")
	}
	if err != nil {
		return s.Wrap("take the lock migrate.lead", err)
	}
	stands, err := read(ctx, s, session)
	if err != nil {
		return err
	}
	mark, err := allowed(stands)
	if err != nil || mark == stands {
		return err
	}
	text, err := json.Marshal(mark)
	if err != nil {
		return fmt.Errorf("write the mark: %w", err)
	}
	err = replication.MakeOwnTable(ctx, session, table, "id TINYINT NOT NULL PRIMARY KEY, mark LONGTEXT NOT NULL")
	if err == nil {
		_, err = session.ExecContext(ctx, "REPLACE INTO "+query.QuoteTable(replication.OwnSchema, table)+" (id, mark) VALUES (1, ?)", string(text))
	}
	if query.ErrorNumber(err) == errReadOnly {
		return errFenced // set meanwhile
	}
	return s.Wrap("write the mark of the controller that leads", err)
}
