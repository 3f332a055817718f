package query

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
)

// Process is a session or a thread of a server.
type Process struct {
	ID                               int64
	User, Host, Command, State, Info string // Info is the statement's first 100 characters
	Seconds                          int64  // in the present command
}

// Processes lists the sessions and threads of a server, but for the one that reads the list.
//
// It is SHOW PROCESSLIST, because MySQL's information_schema.PROCESSLIST ends with error 3854
// while any session runs a statement with a character of four bytes, and the table of
// performance_schema is not there where that is off.
func Processes(ctx context.Context, q Queryer) ([]Process, error) {
	statement := "SHOW PROCESSLIST /* " + rand.Text() + " */"
	records, err := All(ctx, q, statement)
	if err != nil {
		return nil, err
	}
	var out []Process
	for _, r := range records {
		p := Process{User: r["User"], Host: r["Host"], Command: r["Command"], State: r["State"], Info: r["Info"]}
		if p.Info == statement {
			continue
		}
		if p.ID, err = strconv.ParseInt(r["Id"], 10, 64); err != nil {
			return nil, fmt.Errorf("read the list of sessions: %w", err)
		}
		if r["Time"] != "" {
			if p.Seconds, err = strconv.ParseInt(r["Time"], 10, 64); err != nil {
				return nil, fmt.Errorf("read the list of sessions: %w", err)
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// HasProcess reports whether a server has a session with that id.
func HasProcess(ctx context.Context, q Queryer, id int64) (bool, error) {
	all, err := Processes(ctx, q)
	return slices.ContainsFunc(all, func(p Process) bool { return p.ID == id }), err
}

// SendsBinlog reports whether the session is one that a replica reads the log with.
func (p Process) SendsBinlog() bool {
	return p.Command == "Binlog Dump" || p.Command == "Binlog Dump GTID"
}
