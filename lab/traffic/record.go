// Package traffic is the clients of the lab: they read and write through the
// edge for the whole move and record every request and acknowledgement, so that
// a checker can prove afterwards that nothing was lost.
package traffic

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"
)

// Kind is what a request does.
type Kind string

// The kinds of requests.
const (
	Read    Kind = "read"
	Publish Kind = "publish"
	Signup  Kind = "signup"
	Confirm Kind = "confirm"
	Like    Kind = "like"
)

// Write reports whether the kind changes data.
func (k Kind) Write() bool { return k != Read }

// Record is one request. A write whose answer did not come is neither
// acknowledged nor known to have failed: it may be there once, or not.
type Record struct {
	Kind   Kind      `json:"kind"`
	Op     string    `json:"op,omitempty"` // unique per write; stored by the application in the row
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
	Status int       `json:"status"`           // 0: no answer
	Server string    `json:"server,omitempty"` // the address that answered
	Err    string    `json:"err,omitempty"`
	// Begun is, for a confirmation, the server that the sign-up was begun on.
	Begun string `json:"begun,omitempty"`
}

// OK reports whether the request was answered with success; a redirect is none.
func (r Record) OK() bool { return r.Status >= 200 && r.Status < 300 }

// Log is the records of a run.
type Log []Record

// ReadLog reads the records that a Traffic wrote to path.
func ReadLog(path string) (Log, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read traffic log: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	var log Log
	dec := json.NewDecoder(bufio.NewReader(f))
	for dec.More() {
		var r Record
		if err := dec.Decode(&r); err != nil {
			return nil, fmt.Errorf("read traffic log: %w", err)
		}
		log = append(log, r)
	}
	return log, nil
}

// Acknowledged lists the ops of the kind whose success the client was told of.
func (l Log) Acknowledged(k Kind) []string {
	var ops []string
	for _, r := range l {
		if r.Kind == k && r.OK() {
			ops = append(ops, r.Op)
		}
	}
	return ops
}

// Summary counts a log.
type Summary struct {
	Requests, Failed, Writes, FailedWrites, AckedWrites, Crossed int
	Slowest                                                      time.Duration
	Errors                                                       map[string]int // what failed requests were answered with
}

// Summary counts the records.
func (l Log) Summary() Summary {
	s := Summary{Errors: map[string]int{}}
	for _, r := range l {
		s.Requests++
		s.Slowest = max(s.Slowest, r.End.Sub(r.Start))
		if !r.OK() {
			s.Failed++
			s.Errors[fmt.Sprintf("%s: %d %s", r.Kind, r.Status, r.Err)]++
		}
		if !r.Kind.Write() {
			continue
		}
		s.Writes++
		switch {
		case !r.OK():
			s.FailedWrites++
		default:
			s.AckedWrites++
			if r.Kind == Confirm && Site(r.Begun) != Site(r.Server) {
				s.Crossed++
			}
		}
	}
	return s
}

// The sites, as Site names them.
const (
	OldSite = "source"
	NewSite = "target"
)

// oldSite holds the old hosts' addresses in the lab.
var oldSite = netip.MustParsePrefix("10.213.0.0/24")

// Site tells from a server's address which site it is of; "" when it is none.
func Site(server string) string {
	addr, err := netip.ParseAddr(server)
	switch {
	case err != nil:
		return ""
	case oldSite.Contains(addr):
		return OldSite
	}
	return NewSite
}

// Gap is the longest time between two successful writes in a row whose later
// one ended in [from, to].
func (l Log) Gap(from, to time.Time) time.Duration {
	var ends []time.Time
	for _, r := range l {
		if r.Kind.Write() && r.OK() && !r.End.After(to) {
			ends = append(ends, r.End)
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	var longest time.Duration
	for i := 1; i < len(ends); i++ {
		if ends[i].After(from) {
			longest = max(longest, ends[i].Sub(ends[i-1]))
		}
	}
	return longest
}

// Overlap returns how long both sites acknowledged writes at the same time in
// [from, to]: from the earliest end on the one that came later to the latest
// start on the one that was left. Zero or less is what I2 wants.
func (l Log) Overlap(left, entered string, from, to time.Time) time.Duration {
	var firstIn, lastOut time.Time
	for _, r := range l {
		if !r.Kind.Write() || !r.OK() || r.End.Before(from) || r.Start.After(to) {
			continue
		}
		switch Site(r.Server) {
		case entered:
			if firstIn.IsZero() || r.End.Before(firstIn) {
				firstIn = r.End
			}
		case left:
			if r.Start.After(lastOut) {
				lastOut = r.Start
			}
		}
	}
	if firstIn.IsZero() || lastOut.IsZero() {
		return 0
	}
	return lastOut.Sub(firstIn)
}
